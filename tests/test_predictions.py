import numpy as np
import pytest

from sslkit.predictions import FILE, Predictions, predictions_bytes, read_predictions


def some(shift: int = 0) -> Predictions:
    label = np.arange(6) % 3
    return Predictions(np.arange(6) * 2, label, {"knn_20": label, "linear": (label + shift) % 3})


def test_hits_are_the_right_ones():
    found = Predictions(np.arange(3), np.array([0, 1, 2]), {"linear": np.array([0, 2, 2])})
    assert found.hits()["linear"].tolist() == [True, False, True]


def test_any_class_of_a_set_is_right(tmp_path):
    sets = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 0]], bool)
    found = Predictions(np.arange(3), sets, {"linear": np.array([1, 1, 7])})
    assert found.hits()["linear"].tolist() == [True, False, False]
    (tmp_path / FILE).write_bytes(predictions_bytes({"pretrained": found}))
    read = read_predictions(tmp_path / FILE)["pretrained"]
    assert read.label.dtype == bool and np.array_equal(read.label, sets)
    assert read.hits()["linear"].tolist() == [True, False, False]


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / FILE
    path.write_bytes(predictions_bytes({"pretrained": some(), "random initialisation": some(1)}))
    found = read_predictions(path)
    assert list(found) == ["pretrained", "random initialisation"]
    for one, other in zip(found.values(), (some(), some(1)), strict=True):
        assert np.array_equal(one.index, other.index) and np.array_equal(one.label, other.label)
        assert {k: v.tolist() for k, v in one.predicted.items()} == {
            k: v.tolist() for k, v in other.predicted.items()
        }


def test_encoders_share_their_images():
    other = some()
    moved = Predictions(other.index + 1, other.label, other.predicted)
    with pytest.raises(ValueError, match="predictions of b are of other images"):
        predictions_bytes({"a": other, "b": moved})


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / FILE
    with pytest.raises(FileNotFoundError):
        read_predictions(path)
    contents = [b"text", b"", predictions_bytes({"a": some()})[:100]]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(ValueError, match="no table of predictions"):
            read_predictions(path)
    rows = np.arange(3)
    for arrays in ({"x": rows}, {"index": rows, "label": rows, "a/linear": rows[:2]}):
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match="no table of predictions"):
            read_predictions(path)
    np.savez(path, index=rows, label=rows, **{"a/linear": np.array([object()] * 3)})
    with pytest.raises(ValueError, match="no table of predictions"):
        read_predictions(path)
