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
    assert "204 images, 99.0 % of them right" in figure._supxlabel.get_text()
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
    places = {text.get_text(): text.get_position() for text in axes.texts}
    assert places.keys() == {"a", "c"}
    for name, point in (("a", 0), ("c", 5)):
        x, y = places[name]
        assert x == point and point < y < point + 0.5  # above the point, which it would hide
    assert [len(part.get_offsets()) for part in axes.collections] == [5, 20, 20]
    many = scatter_figure(np.zeros((60, 2)), np.arange(60) % 30, title="t", note="n.")
    assert not many.axes[0].texts and "30 classes share 20 colours" in many._supxlabel.get_text()


def test_names_of_classes_do_not_lie_on_each_other():
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0.0], [0.05, 0.02], [0.1, 0.05], [9.0, 0.0], [9.0, 6.0]])
    labels = np.repeat(np.arange(5), 20)
    points = centres[labels] + 0.01 * rng.standard_normal((100, 2))
    figure = scatter_figure(points, labels, classes=list("abcde"), title="t", note="n")
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(boxes) == 5
    pairs = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i]]
    assert not any(a.shrunk(0.9, 0.7).overlaps(b.shrunk(0.9, 0.7)) for a, b in pairs)


def test_the_picture_is_as_high_as_the_points_need():
    points = np.random.default_rng(0).uniform(size=(50, 2)) * [10, 5]
    wide = scatter_figure(points, np.zeros(50, np.int64), title="t", note="n").get_size_inches()
    square = scatter_figure(points * [1, 2], np.zeros(50, np.int64), title="t", note="n")
    assert wide[1] < 0.75 * square.get_size_inches()[1]
