"""``sslkit compare`` from outside."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest
from finished_runs import config, write_run

from sslkit.cli import main


@pytest.fixture
def runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(Path("runs/simclr/version_0"))
    write_run(Path("runs/dcl/version_0"), config(temperature="a|b"), wrong=40)
    return ["runs/simclr/version_0", "runs/dcl/version_0"]


def fails(capsys, *arguments):
    capsys.readouterr()
    assert main(["compare", *arguments]) == 1
    shown = capsys.readouterr().err
    assert "Traceback" not in shown
    return " ".join(shown.split())


def test_the_table_has_every_section(runs, capsys):
    assert main(["compare", *runs, runs[0]]) == 0  # named twice, it is there once
    shown = capsys.readouterr().out
    for text in ("simclr/version_0", "Settings that differ", "model.temperature", "1 h 2 min"):
        assert text in shown
    (line,) = (line for line in shown.splitlines() if "+15.0" in line and "linear" in line)
    assert "–" in line and line.count("│") == 4


def test_markdown_is_for_people(runs):
    assert main(["compare", *runs, "--out", "new/table.md"]) == 0
    text = Path("new/table.md").read_text()
    assert r"| model.temperature | 0.1 | a\|b |" in text
    assert "### Difference from simclr/version_0 (points)" in text and "| **+15.0 (" in text
    assert text.endswith("spread between training seeds.\n")


def test_csv_is_for_programs(runs):
    assert main(["compare", *runs, "--out", "table.csv"]) == 0
    with Path("table.csv").open() as file:
        rows = {(r["section"], r["name"], r["run"]): r for r in csv.DictReader(file)}
    figure = rows["Figures", "linear", "dcl/version_0"]
    assert (float(figure["value"]), float(figure["low"])) == (0.9, 0.88)
    assert float(rows["Costs", "training time", "simclr/version_0"]["value"]) == 3725.4
    first = rows["Difference from simclr/version_0 (points)", "linear", "simclr/version_0"]
    assert (first["value"], first["low"]) == ("", "")


def test_what_is_wrong_is_said(runs, capsys):
    assert "no run at runs/none" in fails(capsys, runs[0], "runs/none")
    assert "holds several runs" in fails(capsys, "runs/dcl")
    assert ".md or .csv" in fails(capsys, *runs, "--out", "table.xlsx")
    assert "sslkit compare --help" in fails(capsys)
    Path("file").touch()
    assert "choose another path" in fails(capsys, *runs, "--out", "file/table.md")


def test_it_does_without_torch_and_matplotlib(runs):
    code = (
        "import sys, sslkit.cli as c; code = c.main(sys.argv[1:]); "
        "assert not {'torch', 'matplotlib', 'sklearn'} & sys.modules.keys(); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "compare", *runs], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
