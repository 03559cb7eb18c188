import pytest

from sslkit.evaluation.report_table import figures, report_text

FIGURES = ("knn_20", "knn", "linear", "sweep", "linear_1_percent", "linear_ece")


def content(**changes):
    row = {"encoder": "pretrained", **dict.fromkeys(FIGURES, 0.5), "linear_c": 0.1}
    row |= {
        "knn_chosen": {"k": 5, "weight": "unweighted"},
        "sweep_head": {
            "learning_rate": 0.03, "weight_decay": 0.01, "batch_norm": True, "layer": "map 1 of 2"
        },
        "intervals": {"linear": [0.456, 0.543]},
        "over_seeds": {"linear": {"mean": 0.51, "std": 0.02, "seeds": 3}},
    }  # fmt: skip
    other = {"encoder": "raw pixels", "knn_20": 0.25, "linear": 0.3, "linear_c": 10.0}
    return {
        "checkpoint": "last.ckpt",
        "data": {"data": "birds"},
        "split": "test",
        "n_train": 1000,
        "n_test": 200,
        "num_classes": 3,
        "feature_width": 64,
        "plan": {"name": "full"},
        "protocol": {"features": "pooled", **dict.fromkeys(FIGURES, "as told")},
        "notes": ["10 images of every class are left out."],
        "rows": [row, other],
    } | changes


def lines(text):
    return [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]


def test_many_figures_stand_below_each_other():
    assert figures(content()) == list(FIGURES)
    text = report_text(content())
    found = lines(text)
    assert "linear 50.0 % 30.0 %" in found and "linear heads 50.0 % –" in found
    at = found.index("linear 50.0 % 30.0 %")
    assert found[at + 1 : at + 3] == ["45.6 – 54.3", "51.0 ± 2.0"]
    assert "Protocol: full." in found and "10 images of every class are left out." in found
    assert max(map(len, text.splitlines())) <= 88


def test_what_was_chosen_is_told():
    found = lines(report_text(content()))
    assert "kNN, chosen k = 5, unweighted –" in found
    assert "linear C = 0.1 C = 10" in found
    assert "map 1 of 2; rate 0.03, decay 0.01, batch-norm" in " ".join(found)


def test_few_figures_stand_beside_each_other():
    rows = [{"encoder": name, "knn_20": 0.5, "linear": 0.75} for name in ("pretrained", "random")]
    text = report_text(content(rows=rows, plan={"name": "quick"}))
    assert "pretrained 50.0 % 75.0 %" in lines(text)
    assert "Protocol" not in text


def test_figures_of_features_and_classes_have_tables_of_their_own():
    representation = {"rankme": 12.345, "alignment": 0.1, "images": {"rankme": 500, "alignment": 9}}
    shares = [0.5, None, 1.0]
    rows = [
        row | {"representation": representation, "details": {"linear": {"per_class": shares}}}
        for row in content()["rows"]
    ]
    found = lines(report_text(content(rows=rows, classes=["cat", "dog", "owl"])))
    assert "rankme (500) 12.3 12.3" in found and "alignment (9) 0.1 0.1" in found
    assert "cat 50.0 % 50.0 %" in found and "dog – –" in found
    many = [
        row | {"details": {"sweep": {"per_class": [i / 40 for i in range(40)]}}} for row in rows
    ]
    text = report_text(content(rows=many))
    assert "the 25 classes of the first row that are right least often" in " ".join(lines(text))
    assert "24 60.0 % 60.0 %" in lines(text) and "25 62.5 % 62.5 %" not in lines(text)


@pytest.mark.parametrize("key", ["metric", "plan"])
def test_reports_of_earlier_releases_are_shown(key):
    old = content()
    old.pop(key, None)
    assert "kNN (20)" in report_text(old)
