import json
import sys

import numpy as np
import pytest

from sslkit.evaluation.feature_file import check_feature_file, write_features

COLUMNS = {
    "split": np.array(["train", "train", "test"]),
    "index": np.array([0, 1, 0]),
    "features": np.arange(6, dtype=np.float32).reshape(3, 2),
}
ABOUT = {"checkpoint": "last.ckpt", "classes": ["a", "b"]}


def test_an_archive_of_arrays(tmp_path):
    path = tmp_path / "new" / "features.npz"
    write_features(path, COLUMNS, ABOUT)
    with np.load(path, allow_pickle=False) as found:
        assert set(found) == {*COLUMNS, "about"}
        for name, column in COLUMNS.items():
            np.testing.assert_array_equal(found[name], column)
        assert json.loads(str(found["about"])) == ABOUT
    assert [p.name for p in path.parent.iterdir()] == ["features.npz"]


def test_a_parquet_table(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "features.parquet"
    write_features(path, COLUMNS, ABOUT)
    table = parquet.read_table(path)
    assert table.column_names == list(COLUMNS)
    assert table["features"].to_pylist() == COLUMNS["features"].tolist()
    assert str(table.schema.field("features").type).startswith("fixed_size_list")
    assert table["split"].to_pylist() == COLUMNS["split"].tolist()
    assert json.loads(table.schema.metadata[b"sslkit"]) == ABOUT


def test_what_cannot_be_written_is_said_before_there_are_features(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"end in \.npz \(NumPy\) or \.parquet"):
        check_feature_file("features.csv")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ValueError, match=r"pip install 'sslkit\[parquet\]'"):
        check_feature_file("features.parquet")
    check_feature_file("features.npz")


def test_an_earlier_file_stays_if_the_new_one_fails(tmp_path, monkeypatch):
    path = tmp_path / "features.npz"
    write_features(path, COLUMNS, ABOUT)
    before = path.read_bytes()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez", full)
    with pytest.raises(OSError, match="No space left on device"):
        write_features(path, COLUMNS, ABOUT)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1
