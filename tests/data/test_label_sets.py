import numpy as np
import pytest
import torch

from sslkit.data.errors import DataError
from sslkit.data.label_sets import (
    any_label,
    as_label_sets,
    as_sets,
    class_count,
    classes_present,
    joined,
    label_at,
    looks_like_sets,
    sets_of,
)

SETS = [[1, 0, 1], [0, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64])
def test_zeros_and_ones_of_any_kind_become_bool(dtype):
    found = as_label_sets(np.array(SETS, dtype), "y")
    assert found.dtype == torch.bool and found.int().tolist() == SETS
    assert as_label_sets(torch.from_numpy(np.array(SETS, dtype)[0]), "y").tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (np.array([[0, 1], [2, 1]]), "y has the number 2"),
        (np.array([[0, 1], [-1, 1]]), r"y has the number -1.*difficult objects"),
        (np.array([[0.0, 1.0]]), r"y is float64 \(1, 2\)"),
        (np.array([[True]]), r"y is bool \(1, 1\).*at least two classes"),
        (np.zeros((2, 2, 2), np.uint8), r"y is uint8 \(2, 2, 2\)"),
    ],
)
def test_other_numbers_are_refused(labels, words):
    with pytest.raises(DataError, match=words):
        as_label_sets(labels, "y")


def test_a_column_of_classes_is_no_set():
    assert looks_like_sets((5, 2), 5)
    assert not looks_like_sets((5, 1), 5) and not looks_like_sets((5,), 5)


def test_labels_of_both_kinds_are_put_together():
    a, b = torch.tensor([True, False]), torch.tensor([False, True])
    assert joined([2, -1, None], str).tolist() == [2, -1, -1]
    assert joined([a, None, b], str).tolist() == [[True, False], [False, False], [False, True]]
    assert label_at(torch.tensor([3, 4]), 1) == 4
    assert label_at(torch.stack([a, b]), 1).tolist() == [False, True]


def test_labels_of_two_kinds_or_widths_are_named():
    a = torch.tensor([True, False])
    name = "{}.png".format
    with pytest.raises(DataError, match=r"0\.png has a label set and 1\.png has a class"):
        joined([a, 1], name)
    with pytest.raises(DataError, match=r"1\.png has a label set and 0\.png has no label"):
        joined([-1, a], name)
    with pytest.raises(DataError, match=r"of 0\.png is of 2 classes and that of 1\.png of 3"):
        joined([a, torch.ones(3, dtype=torch.bool)], name)


def test_counting():
    sets, classes = torch.tensor(SETS).bool(), torch.tensor([-1, 4, 0])
    assert (class_count(sets), class_count(classes)) == (3, 5)
    assert (classes_present(sets), classes_present(classes)) == (2, 2)
    for nothing in (torch.zeros(3, 2, dtype=torch.bool), torch.tensor([-1, -1])):
        assert not any_label(nothing) and class_count(nothing) is None
    assert class_count(None) is None


def test_classes_as_sets():
    found = as_sets(torch.tensor([1, -1, 2]), 3)
    assert found.tolist() == [[False, True, False], [False] * 3, [False, False, True]]
    assert as_sets(found, 3) is found
    with pytest.raises(DataError, match="class 2 is none of the 2"):
        as_sets(torch.tensor([1, 2]), 2)


def test_sets_of_the_classes_of_each_image():
    assert sets_of([[2, 0], [], [1, 1]], 3).tolist() == [
        [True, False, True],
        [False, False, False],
        [False, True, False],
    ]
    assert sets_of([[], []], 2).tolist() == [[False, False]] * 2
