import numpy as np
import pytest

from sslkit.figures import spectrum_figure


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_runs_are_drawn_together_as_shares_of_the_largest():
    spectra = {"one": np.array([8.0, 4.0, 2.0, 1.0]), "other": 1e-4 * np.array([1.0, 3.0, 2.0])}
    figure = spectrum_figure(spectra)
    (axes,) = figure.axes
    one, other = axes.lines
    np.testing.assert_allclose(one.get_ydata(), [1, 0.5, 0.25, 0.125])
    np.testing.assert_allclose(other.get_ydata(), [1, 2 / 3, 1 / 3])
    assert one.get_xdata().tolist() == [1, 2, 3, 4]
    assert one.get_color() != other.get_color()
    assert axes.get_yscale() == "log" and axes.get_xlabel() and axes.get_ylabel()
    assert legend(figure) == ["one", "other"]


def test_rounding_is_left_out_and_counted():
    figure = spectrum_figure({"collapsed": np.array([5.0, 1e-9, 0.0])})
    (line,) = figure.axes[0].lines
    assert line.get_ydata().tolist() == [1] and line.get_marker() == "o"
    assert legend(figure) == ["collapsed (1 of 3 directions)"]


@pytest.mark.parametrize(
    ("spectra", "message"),
    [
        ({}, "at least one run"),
        ({"one": np.zeros(3)}, "nothing to draw of one"),
        ({"one": np.array([1.0, np.nan])}, "finite numbers"),
        ({"one": np.ones((2, 2))}, r"shape \(2, 2\)"),
        ({"one": np.array([1.0, -1.0])}, "at least 0"),
        ({"one": np.empty(0)}, "K ≥ 1"),
    ],
)
def test_what_is_no_spectrum_is_refused(spectra, message):
    with pytest.raises(ValueError, match=message):
        spectrum_figure(spectra)
