import numpy as np
import pytest

from sslkit.figures import score_figure

NAMES = "negative_mean negative_variance negative_exp_mean positive_mean positive_variance".split()


def run(rows=400, *, top=10, treated=False, epochs=True):
    step = np.arange(rows)
    curves = {"step": step, "epoch": step / 10 if epochs else np.full(rows, np.nan)}
    names = [*NAMES, "positive_exp_mean", f"negative_top{top}_mean"]
    for at, name in enumerate(names):
        curves[name] = 1 + at + 1 / (1 + step)
        late = np.where(step < rows // 2, np.nan, curves[name] + 0.5)
        curves[f"treated/{name}"] = late if treated else np.full(rows, np.nan)
    return {name: values.astype(float) for name, values in curves.items()}


def panels(figure):
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.axison}


def legend(figure):
    return [
        text.get_text()
        for axes in figure.axes
        if axes.get_legend()
        for text in axes.get_legend().get_texts()
    ]


def test_runs_are_drawn_together():
    figure = score_figure({"one": run(), "other": run(treated=True)})
    found = panels(figure)
    assert len(found) == 7
    for axes in found.values():
        assert len(axes.lines) == 3  # one, other, other after plug-ins
        assert axes.get_xlabel() == "epoch" and axes.get_ylabel()
        assert len({line.get_color() for line in axes.lines}) == 2
        assert [line.get_linestyle() for line in axes.lines] == ["-", "-", "--"]
    assert legend(figure) == ["one", "other", "before plug-ins", "after plug-ins"]
    treated = found["Negatives: mean"].lines[2]
    assert np.nanmin(treated.get_xdata()[np.isfinite(treated.get_ydata())]) >= 19


def test_values_are_those_of_the_curves():
    curves = run(30)
    line = panels(score_figure({"one": curves}))["Positives: variance"].lines[0]
    np.testing.assert_array_equal(line.get_ydata(), curves["positive_variance"])
    assert legend(score_figure({"one": curves})) == ["one"]


def test_the_number_of_hardest_negatives_is_named():
    assert "Negatives: mean of the hardest 10" in panels(score_figure({"one": run()}))
    both = score_figure({"one": run(top=10), "other": run(top=3)})
    assert "Negatives: mean of the hardest 3 or 10" in panels(both)


def test_runs_without_epochs_are_drawn_over_steps():
    figure = score_figure({"one": run(), "other": run(epochs=False)})
    assert {axes.get_xlabel() for axes in panels(figure).values()} == {"optimiser step"}


def test_few_steps_are_dots():
    line = panels(score_figure({"one": run(1)}))["Negatives: mean"].lines[0]
    assert line.get_marker() == "o"


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="at least one run"):
        score_figure({})
    with pytest.raises(ValueError, match="nothing to draw of one"):
        score_figure({"one": run(0)})
