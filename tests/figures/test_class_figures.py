"""The confusion matrix and the scatter of points by class."""

import numpy as np
import pytest

from sslkit.figures import confusion_figure, scatter_figure


def texts(axes):
    return [text.get_text() for text in axes.texts]


def test_a_confusion_is_a_share_of_its_row():
    counts = np.array([[3, 1, 0], [0, 0, 0], [1, 0, 199]])
    figure = confusion_figure(counts, classes=["a", "b", "c"], title="t")
    axes = figure.axes[0]
    assert axes.images[0].get_array().tolist() == [[75, 25, 0], [0, 0, 0], [0.5, 0, 99.5]]
    assert texts(axes) == ["75", "25", "0", "100"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    assert "204 images, 99.0% of them right" in figure._supxlabel.get_text()
    with pytest.raises(ValueError, match=r"square, got shape \(2, 3\)"):
        confusion_figure(counts[:2], title="t")


def test_of_many_classes_the_most_frequent_confusions_are_listed():
    counts = 10 * np.eye(60, dtype=int)
    counts[7, 3], counts[2, 5] = 10, 5
    listed = texts(confusion_figure(counts, title="t").axes[1])[0].splitlines()
    assert listed[3:] == ["7 for 3: 50 %", "2 for 5: 33 %"]


def test_points_are_coloured_by_class_and_named_where_they_are_many():
    labels = np.array([-1] * 5 + [0] * 20 + [2] * 20)
    points = np.concatenate([np.full((5, 2), 9), np.zeros((20, 2)), np.full((20, 2), 5)])
    points[5:8] = 8  # a few of class 0 elsewhere: its name stays with the others
    axes = scatter_figure(points, labels, classes=["a", "b", "c"], title="t", note="n").axes[0]
    assert {text.get_text(): text.get_position() for text in axes.texts} == {
        "a": (0, 0),
        "c": (5, 5),
    }
    assert [len(part.get_offsets()) for part in axes.collections] == [5, 20, 20]
    many = scatter_figure(np.zeros((60, 2)), np.arange(60) % 30, title="t", note="n.")
    assert not many.axes[0].texts and "30 classes share 20 colours" in many._supxlabel.get_text()
