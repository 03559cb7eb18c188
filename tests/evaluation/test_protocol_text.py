import pytest

from sslkit.evaluation import FULL, describe_protocol
from sslkit.evaluation.protocol_text import heading


def test_every_figure_has_its_protocol():
    protocol = describe_protocol(k=(20, 200), temperature=0.07, seed=5)
    assert set(protocol) == {"features", "knn_20", "knn_200", "linear", "random initialisation"}
    assert "exp(cos / 0.07)" in protocol["knn_200"] and "200 training" in protocol["knn_200"]
    assert "seed 5" in protocol["linear"] and "20%" in protocol["linear"]
    assert "mean 0, variance 1" in protocol["random initialisation"]


def test_the_protocol_names_the_images_that_are_scored():
    protocol = describe_protocol(k=(20,), temperature=0.07, seed=5)
    assert protocol["features"].endswith("on the test images.")
    assert "Test images are only scored" in protocol["linear"]
    protocol = describe_protocol(k=(20,), temperature=0.07, seed=5, split="val")
    assert "the validation images, as the data has no labelled test split." in protocol["features"]
    assert "Validation images are only scored" in protocol["linear"]


def test_of_the_full_plan_every_figure_and_row_that_is_there_is_told():
    figures = ["knn_20", "knn", "sweep", "linear_1_percent", "linear_5_shot", "linear_ece"]
    rows = ["pretrained", "best checkpoint (a.ckpt, by loss)", "raw pixels"]
    asked = {"k": (20, 200), "temperature": 0.1, "seed": 5, "plan": FULL}
    protocol = describe_protocol(**asked, figures=figures, rows=rows)
    assert list(protocol) == ["features", *figures, *rows[1:]]
    assert "k = 1, 5, 10, 20, 50, 100, 200" in protocol["knn"]
    assert "its last 2 maps" in protocol["sweep"] and "50 epochs" in protocol["sweep"]
    assert protocol["linear_1_percent"].startswith("1 % of the labels, as many of every class")
    assert protocol["linear_5_shot"].startswith("5 images of every class, drawn with seed 5")
    assert "optimistic" in protocol[rows[1]]


def test_of_label_sets_the_figure_is_map():
    asked = {"k": (20,), "temperature": 0.1, "seed": 5, "metric": "mAP"}
    protocol = describe_protocol(**asked, figures=["knn_20", "sweep"])
    assert "Mean average precision over the classes on the test images" in protocol["features"]
    assert "vote with weight exp(cos / 0.1) for all their classes" in protocol["knn_20"]
    assert "sigmoid loss" in protocol["sweep"]


def test_of_label_sets_for_one_class_each_the_figure_is_top1_in_the_set():
    asked = {"k": (20,), "temperature": 0.1, "seed": 5, "metric": "in_set", "split": "val"}
    figures = ["knn_20", "sweep", "linear_variable_top_k"]
    protocol = describe_protocol(**asked, figures=figures)
    assert "Top-1 accuracy in the label set on the validation images" in protocol["features"]
    assert "images with an empty set are left out (ReaL" in protocol["features"]
    assert "vote with weight exp(cos / 0.1)." in protocol["knn_20"]
    assert "softmax loss" in protocol["sweep"]
    assert "k classes among its k highest" in protocol["linear_variable_top_k"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("knn_20", "kNN (20)"),
        ("knn", "kNN, chosen"),
        ("linear", "linear"),
        ("linear_0.5_percent", "linear, 0.5 % of labels"),
        ("linear_1_shot", "linear, 1-shot"),
        ("sweep_ece", "calibration error, linear heads"),
        ("sweep_best_epoch", "linear heads, best epoch"),
        ("linear_variable_top_k", "linear, variable top-k"),
        ("top5", "top-5"),
        ("raw pixels", "raw pixels"),
    ],
)
def test_headings_are_for_people(name, text):
    assert heading(name) == text
