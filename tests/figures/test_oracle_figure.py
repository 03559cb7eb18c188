import numpy as np
import pytest

from sslkit.figures import oracle_figure


def run(rows=40, *, treated=False):
    step = np.arange(rows, dtype=float)
    shares = {"top1": 0.4, "top10": 0.3, "top1024": 0.2, "all": 0.1}
    curves = {name: share + step / 1000 for name, share in shares.items()}
    after = {
        f"treated/{name}": values / (2 if treated else np.nan) for name, values in curves.items()
    }
    return {"step": step, "epoch": step / 10, **curves, **after}


def labels(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_curve_for_each_number_and_the_base_rate():
    figure = oracle_figure(run(), "moco")
    (axes,) = figure.axes
    assert labels(figure) == ["hardest", "hardest 10", "hardest 1,024", "all (base rate)"]
    assert [line.get_ydata()[0] for line in axes.lines] == pytest.approx([40, 30, 20, 10])
    assert axes.get_ylim()[0] == 0 and axes.get_xlabel() == "epoch" and "%" in axes.get_ylabel()


def test_what_is_all_of_them_is_drawn_once():
    curves = run()
    curves["top1024"] = curves["all"]
    assert labels(oracle_figure(curves, "moco")) == ["hardest", "hardest 10", "all (base rate)"]


def test_what_plug_ins_left_is_dashed():
    figure = oracle_figure(run(treated=True), "moco")
    assert labels(figure)[-1] == "after plug-ins"
    assert [line.get_linestyle() for line in figure.axes[0].lines].count("--") == 4


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="no step was recorded"):
        oracle_figure(run(0), "moco")
