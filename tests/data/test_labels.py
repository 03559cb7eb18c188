import numpy as np
import pytest
import torch

from sslkit.data.errors import DataError
from sslkit.data.labels import LabelMap, map_classes, whole_label


@pytest.mark.parametrize(
    "label", [3, np.int32(3), np.array(3), np.array([3]), torch.tensor(3), torch.tensor([3])]
)
def test_one_label_in_its_usual_packings(label):
    assert whole_label(label, "x") == 3
    assert type(whole_label(label, "x")) is int


def test_no_label():
    assert whole_label(None, "x") == -1
    assert whole_label(-1, "x") == -1


@pytest.mark.parametrize("label", ["cat", 1.0, True, {"box": 1}, torch.tensor([1, 2])])
def test_labels_of_other_kinds_are_refused(label):
    with pytest.raises(DataError, match=r"label of x\.png is a"):
        whole_label(label, "x.png")


def test_indices_follow_the_training_classes():
    table = map_classes(["dog", "ant"], ["ant", "cat", "dog"], 3, "val")
    assert table(torch.tensor([0, 1, -1, 0])).tolist() == [2, 0, -1, 2]


@pytest.mark.parametrize(
    ("classes", "training"), [(["a", "b"], ["a", "b"]), (None, ["a", "b"]), (["a"], None)]
)
def test_indices_stay_where_there_is_nothing_to_line_up(classes, training):
    labels = torch.tensor([0, -1])
    assert map_classes(classes, training, 2, "val")(labels) is labels


def test_a_class_that_training_does_not_have():
    with pytest.raises(DataError, match=r"test split has classes .* 'bee', 'elk'\. .* 2 classes"):
        map_classes(["ant", "elk", "bee"], ["ant", "cat"], 2, "test")


def test_a_number_that_training_does_not_have():
    with pytest.raises(DataError, match=r"val split has the label 2, .*only 2 classes \(0 to 1\)"):
        LabelMap(None, 2, "val")(torch.tensor([0, 2]))


def test_labels_below_minus_one():
    with pytest.raises(DataError, match="training split has the label -2"):
        LabelMap(None, None, "training")(torch.tensor([0, -2]))
