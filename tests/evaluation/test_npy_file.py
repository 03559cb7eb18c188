import numpy as np
import pytest

from sslkit.evaluation.npy_file import NpyFile


@pytest.mark.parametrize("sizes", [[1], [3, 0, 4], [60, 60, 5]])
def test_rows_are_those_that_were_added(tmp_path, sizes):
    rng = np.random.default_rng(0)
    parts = [rng.random((n, 2, 3), dtype=np.float32) for n in sizes]
    file = NpyFile(tmp_path / "x.npy")
    for part in parts:
        file.append(part)
    file.close(whole=True)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), np.concatenate(parts))
    assert np.load(tmp_path / "x.npy", mmap_mode="r").dtype == np.float32


def test_what_was_not_finished_has_no_rows(tmp_path):
    file = NpyFile(tmp_path / "x.npy")
    file.append(np.ones(4))
    file.close(whole=False)
    assert len(np.load(tmp_path / "x.npy")) == 0


def test_parts_that_differ_are_refused(tmp_path):
    file = NpyFile(tmp_path / "x.npy")
    file.append(np.ones((2, 3)))
    for other in (np.ones((2, 4)), np.ones((2, 3), dtype=np.float32)):
        with pytest.raises(ValueError, match="batches differ"):
            file.append(other)
    file.close(whole=False)


def test_many_rows_fit_the_header(tmp_path):
    file = NpyFile(tmp_path / "x.npy")
    for _ in range(3):
        file.append(np.zeros(4_000_000, dtype=bool))
    file.close(whole=True)
    assert np.load(tmp_path / "x.npy", mmap_mode="r").shape == (12_000_000,)
