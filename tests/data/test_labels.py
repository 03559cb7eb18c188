import numpy as np
import pytest
import torch

from sslkit.data.errors import DataError
from sslkit.data.labels import LabelMap, map_classes, one_label, whole_label


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


@pytest.mark.parametrize("pack", [torch.tensor, np.array])
def test_a_set_of_classes(pack):
    assert one_label(pack([True, False, True]), "x").tolist() == [True, False, True]
    assert one_label(pack([0, 1]), "x").tolist() == [False, True]
    assert one_label(pack([3]), "x") == 3 and one_label(None, "x") == -1
    with pytest.raises(DataError, match=r"label of x\.png has the number 2"):
        one_label(pack([1, 2]), "x.png")
    with pytest.raises(DataError, match=r"label of x\.png is a list"):
        one_label([1, 0], "x.png")


def test_columns_follow_the_training_classes():
    table = map_classes(["dog", "ant"], ["ant", "cat", "dog"], 3, "val")
    sets = torch.tensor([[True, False], [True, True], [False, False]])
    assert table(sets).int().tolist() == [[0, 0, 1], [1, 0, 1], [0, 0, 0]]
    same = map_classes(["a", "b"], ["a", "b"], 2, "val")
    assert same(sets) is sets


def test_sets_of_another_number_of_classes():
    sets = torch.ones(2, 3, dtype=torch.bool)
    for labels in (LabelMap(None, 4, "val"), map_classes(["b", "a"], ["a", "b"], 2, "val")):
        with pytest.raises(DataError, match=r"val split has label sets of 3 classes, but .* [24]"):
            labels(sets)
    assert LabelMap(None, None, "training")(sets) is sets
