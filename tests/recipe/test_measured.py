from typing import Any

import pytest

from sslkit.recipe.measured import figures_of, is_limited


def evaluation(**row: Any) -> dict[str, Any]:
    row = {"encoder": "pretrained", "knn_20": 0.7831, "linear": 0.839, "linear_c": 1.0} | row
    protocol = {"features": "f", "knn_20": "20 vote.", "linear": "lbfgs.", "linear_1_percent": "x"}
    return {
        "n_train": 5000,
        "n_test": 1000,
        "split": "validation",
        "protocol": protocol,
        "rows": [row, {"encoder": "random initialisation", "linear": 0.5}],
    }


def test_figures_are_those_of_the_first_row_in_percent_with_their_protocol() -> None:
    found = figures_of(evaluation(linear_1_percent=0.3, intervals={"linear": [0.8056, 0.86]}))
    assert [(f.metric, f.value, f.tolerance) for f in found] == [
        ("knn20", 78.31, 2.66),
        ("linear", 83.9, 3.34),
    ]
    assert found[0].protocol == "20 vote. 5,000 training and 1,000 validation images"
    assert figures_of({}) == []


def test_what_is_no_evaluation() -> None:
    for wrong in ({"rows": []}, {"rows": [{}]}, {"rows": 3}, evaluation(linear="x")):
        with pytest.raises(ValueError, match=r"evaluation\.json is not what"):
            figures_of(wrong)
    with pytest.raises(ValueError, match="is a percentage"):
        figures_of(evaluation(linear=3.0))


def test_an_evaluation_of_fewer_images() -> None:
    assert not is_limited({}) and not is_limited({"data": {"at most train images": None}})
    assert is_limited({"data": {"at most train images": None, "at most test images": 9}})


@pytest.mark.parametrize(
    ("share", "count", "tolerance"),
    # Lower ends 0.2553, 0.0624, 0.0061 and 0: Newcombe 1998, Statistics in Medicine 17, table I.
    [(81 / 263, 263, 5.27), (15 / 148, 148, 3.9), (1 / 29, 29, 2.84), (0.0, 20, 0.0)],
)
def test_the_tolerance_is_that_of_the_images(share: float, count: int, tolerance: float) -> None:
    (_, found) = figures_of(evaluation(linear=share) | {"n_test": count})
    assert found.tolerance == pytest.approx(tolerance, abs=0.02)
    narrower = evaluation(linear=share, intervals={"linear": [share, share]}) | {"n_test": count}
    assert figures_of(narrower)[1].tolerance == found.tolerance
