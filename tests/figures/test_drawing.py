import numpy as np
import pytest
from matplotlib.figure import Figure

from sslkit.figures import write_figure
from sslkit.figures.drawing import averaged, colours, horizontal, thin


def test_thinning_takes_means_of_neighbours_and_keeps_gaps():
    x, y = np.arange(12.0), np.arange(12.0)
    y[:3] = np.nan
    y[4] = np.nan
    at, mean = thin(x, y, points=4)
    assert at.tolist() == [1, 4, 7, 10]
    np.testing.assert_array_equal(mean, [np.nan, 4, 7, 10])  # 3 and 5; none in the first
    assert thin(x, y, points=12)[1] is y


def test_colours_tell_runs_apart():
    for count in (1, 7, 8, 20):
        assert len(set(colours(count))) == count


def test_epochs_unless_a_run_has_none():
    counted = {"step": np.arange(2), "epoch": np.array([0, 0.5])}
    endless = counted | {"epoch": np.full(2, np.nan)}
    assert horizontal([counted]) == "epoch"
    assert horizontal([counted, endless]) == horizontal([{"step": np.arange(2)}]) == "step"


def test_says_how_much_is_averaged():
    assert averaged([{"step": np.arange(150)}]) == "."
    runs = [{"step": np.arange(151)}, {"step": np.arange(10)}]
    assert averaged(runs) == "; a point is the mean of up to 2 recorded steps."


def test_a_figure_is_written_whole(tmp_path):
    for ending in (".png", ".pdf", ".svg"):
        write_figure(Figure(), tmp_path / "new" / f"figure{ending}")
    assert len([*(tmp_path / "new").iterdir()]) == 3
    with pytest.raises(ValueError, match=r"figure\.bmp.*\.png"):
        write_figure(Figure(), tmp_path / "figure.bmp")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="choose another path"):
        write_figure(Figure(), tmp_path / "file" / "figure.png")
