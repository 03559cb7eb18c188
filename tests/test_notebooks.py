"""The notebooks: their code runs from top to bottom, and what is stored is fit to be shared."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
# Plain Python, cell by cell in one namespace; a traceback names the cell.
RUN = """
import json, sys
names = {"__name__": "__main__"}
for number, cell in enumerate(json.load(open(sys.argv[1], encoding="utf-8"))["cells"]):
    if cell["cell_type"] == "code":
        exec(compile("".join(cell["source"]), f"cell {number}", "exec"), names)
"""

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def code(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_there_are_notebooks_in_a_checkout() -> None:
    if (ROOT / ".git").exists():
        assert NOTEBOOKS


@pytest.mark.slow
@each_notebook
def test_the_code_runs(path: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(path)],
        cwd=tmp_path,
        env={**os.environ, "MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir()), "a notebook leaves files where it is opened"


@each_notebook
def test_the_outputs_are_of_one_run_from_top_to_bottom(path: Path) -> None:
    cells = code(read(path))
    counts = [cell["execution_count"] for cell in cells]
    assert counts == list(range(1, len(cells) + 1)), "run all cells once, then save"
    kinds = {output["output_type"] for cell in cells for output in cell["outputs"]}
    assert kinds <= {"stream", "display_data", "execute_result"}, "a cell has failed"
    names = {output.get("name", "stdout") for cell in cells for output in cell["outputs"]}
    assert names == {"stdout"}, "a warning is stored: mend or silence what it is about"
    assert any("image/png" in o.get("data", ()) for cell in cells for o in cell["outputs"])


@each_notebook
def test_nothing_of_a_machine_is_stored(path: Path) -> None:
    notebook = read(path)
    assert notebook["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert not any(cell["metadata"] for cell in notebook["cells"]), "such as times of execution"
    text = path.read_text(encoding="utf-8")
    for folder in (str(ROOT), f"{tempfile.gettempdir()}/", "site-packages"):
        assert folder not in text
    assert len(text) < 1_500_000
