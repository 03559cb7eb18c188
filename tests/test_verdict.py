import io
from dataclasses import replace

import pytest
from rich.console import Console

from sslkit.card import Card, Figure
from sslkit.verdict import Verdict, compared

EVALUATION = {
    "n_train": 10,
    "n_test": 10,
    "split": "test",
    "protocol": {"knn_20": "20 vote.", "linear": "lbfgs."},
    "rows": [{"knn_20": 0.5, "linear": 0.8}],
}


def figure(metric: str, value: float, tolerance: float | None) -> Figure:
    return Figure(metric=metric, value=value, tolerance=tolerance, protocol="p", source="s")


def verdict(*expected: Figure) -> Verdict:
    card = Card(
        name="birds",
        method="SimCLR",
        dataset="d",
        summary="s",
        seed=0,
        status="untested",
        expected=list(expected),
    )
    here = {"python": "3.11"}
    return compared(card, EVALUATION, recipe="birds", run="runs/x", there={}, here=here)


@pytest.mark.parametrize(
    ("expected", "outcomes", "word", "code"),
    [
        ([("knn20", 50.0, 0.0)], ["within"], "reproduced", 0),
        ([("knn20", 51.0, 1.0)], ["within"], "reproduced", 0),
        ([("knn20", 51.1, 1.0)], ["below"], "not reproduced", 3),
        ([("knn20", 30.0, 1.0)], ["within"], "reproduced", 0),
        ([("knn20", 51.0, 1.0), ("linear", 90.0, 5.0)], ["within", "below"], "not reproduced", 3),
        (
            [("knn20", 51.0, 1.0), ("linear", 90.0, None)],
            ["within", "no tolerance"],
            "reproduced",
            0,
        ),
        ([("linear", 80.0, None)], ["no tolerance"], "nothing to compare with", 4),
        ([("knn200", 80.0, 1.0)], ["not measured"], "nothing to compare with", 4),
        ([], [], "nothing to compare with", 4),
    ],
)
def test_verdicts(
    expected: list[tuple[str, float, float | None]], outcomes: list[str], word: str, code: int
) -> None:
    found = verdict(*(figure(*entry) for entry in expected))
    assert [f.outcome for f in found.figures if f.expected is not None] == outcomes
    assert (found.word, found.code) == (word, code)
    said = word if expected else "no figures to compare with: the card (untested) has none"
    assert found.sentence().lower().startswith(said)


@pytest.mark.parametrize(("images", "outcome"), [(10, "below"), (20, "other images")])
def test_the_same_features_are_of_the_same_images(images: int, outcome: str) -> None:
    first = Figure(
        metric="knn20", value=50.0, tolerance=1.0, protocol=f"{images} training images", source="s"
    )
    second = Figure(
        metric="linear", value=99.0, tolerance=1.0, protocol="the same features; lbfgs", source="s"
    )
    found = verdict(first, second)
    assert found.figures[1].outcome == outcome
    assert found.figures[1].expected_protocol == "the same features; lbfgs"


def test_other_settings_are_named_beside_the_verdict() -> None:
    found = replace(verdict(figure("knn20", 50.0, 1.0)), changed=[f"a.{i}" for i in range(9)])
    assert found.word == "reproduced"
    assert found.sentence().endswith(
        "other settings than the recipe: a.0, a.1, a.2, a.3, a.4, a.5, a.6, a.7 and 1 more."
    )
    assert found.to_dict()["changed"] == [f"a.{i}" for i in range(9)]


@pytest.mark.parametrize(
    ("protocol", "outcome"),
    [
        ("features of 10 training images; k = 20; 10 test images", "within"),
        ("20 vote. 10 training and 10 test images", "within"),
        ("20 vote. 10 training and 20 test images", "other images"),
        ("20 vote. 20 training and 10 test images", "other images"),
        ("20 vote. 10 training and 10 validation images", "other images"),
        ("nothing about images", "within"),
    ],
)
def test_other_images_are_not_compared(protocol: str, outcome: str) -> None:
    given = Figure(metric="knn20", value=50.0, tolerance=1.0, protocol=protocol, source="s")
    found = verdict(given)
    assert found.figures[0].outcome == outcome
    assert found.code == (0 if outcome == "within" else 4)


def test_what_the_card_does_not_have_is_shown_too() -> None:
    found = verdict(figure("linear", 79.0, 1.0))
    assert [(f.metric, f.measured, f.difference) for f in found.figures] == [
        ("linear", 80.0, 1.0),
        ("knn20", 50.0, None),
    ]
    content = found.to_dict()
    assert content["verdict"] == "reproduced" and content["figures"][0]["difference"] == 1.0
    assert content["figures"][0]["measured_protocol"] == "lbfgs. 10 training and 10 test images"
    assert content["environment"] == {"expected": {}, "measured": {"python": "3.11"}}
    console = Console(file=io.StringIO(), width=100, color_system=None)
    with console.capture() as capture:
        console.print(found.table())
    text = capture.get()
    for words in ("birds: reproduced", "79.00 %", "-1", "80.00 %", "+1.00", "within", "50.00 %"):
        assert words in text
    assert "no tolerance" not in text
