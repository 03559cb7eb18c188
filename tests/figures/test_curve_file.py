import numpy as np
import pytest

from sslkit.figures import CurveFile, read_curves

NAN = float("nan")


def written(path, steps):
    file = CurveFile(path, ["a", "b/c"])
    file.append([step, step / 7, 0.125 * step, NAN] for step in steps)
    return file


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "new" / "curves.csv"
    file = written(path, range(2))
    file.append([(2, NAN, -1e-9, 123456.7)])
    assert path.read_text().splitlines() == [
        "step,epoch,a,b/c",
        "0,0,0,",
        "1,0.142857143,0.125,",
        "2,,-1e-09,123457",
    ]
    found = read_curves(path)
    assert [*found] == ["step", "epoch", "a", "b/c"]
    np.testing.assert_array_equal(found["a"], [0, 0.125, -1e-9])
    np.testing.assert_array_equal(found["b/c"], [NAN, NAN, 123457])


def test_an_unfinished_row_is_left_out(tmp_path):
    path = tmp_path / "curves.csv"
    written(path, range(3))
    path.write_text(path.read_text() + "3,0.4")
    assert read_curves(path)["step"].tolist() == [0, 1, 2]
    again = CurveFile(path, ["a", "b/c"])
    again.begin(3)
    again.append([(3, 0.5, 1, 2)])
    assert read_curves(path)["step"].tolist() == [0, 1, 2, 3]


def test_going_on_drops_later_steps_and_takes_over_columns(tmp_path):
    path = tmp_path / "curves.csv"
    written(path, range(5))
    CurveFile(path, ["new", "a"]).begin(3)
    found = read_curves(path)
    assert [*found] == ["step", "epoch", "new", "a"] and found["step"].tolist() == [0, 1, 2]
    assert np.isnan(found["new"]).all() and found["a"].tolist() == [0, 0.125, 0.25]
    assert [file.name for file in tmp_path.iterdir()] == ["curves.csv"]


def test_starting_anew_leaves_no_file_until_there_is_a_row(tmp_path):
    path = tmp_path / "curves.csv"
    written(path, range(2)).begin(0)
    assert not path.exists()
    CurveFile(path, ["a"]).begin(0)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "step,a\n1\n", "step,a\n1,x\n"])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "curves.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match="move it away") as refused:
        read_curves(path)
    assert str(path) in str(refused.value)
