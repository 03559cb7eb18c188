"""Write RESULTS.md, its picture and the cards from records, by ``python benchmarks/results.py``.

No number in RESULTS.md, or between the marks of the README and of the notebook on negatives, is
typed by hand. What has no record yet is left out.
"""

import json
import re
from pathlib import Path

import measured_cards
import results_decay
import results_evaluation
import results_fuzz
import results_methods
import results_negatives
import results_plugins
import results_protocol
import results_quickstart
import results_speed
import results_startup
import results_step
import results_streaming
import results_views
import results_warmup
import score_curves

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
NOTEBOOK = HERE.parent / "notebooks" / "negatives.ipynb"
TITLE = """# Measured results

Generated from the run records in `benchmarks/records/` by `python benchmarks/results.py`.
"""


def results() -> str:
    """The text of RESULTS.md."""
    sections = [
        results_speed.section(),
        results_views.section(),
        results_streaming.section(),
        results_step.section(),
        results_methods.section(),
        results_methods.batch_section(),
        results_views.quality_section(),
        results_decay.section(),
        results_warmup.section(),
        results_plugins.section(),
        results_negatives.section(),
        results_evaluation.section(),
        results_protocol.section(),
        results_quickstart.section(),
        results_startup.section(),
        results_fuzz.section(),
    ]
    return "\n".join([TITLE, *filter(None, sections)])


def readme(text: str) -> str:
    """The README with new tables between its marks; those without a record stay as they are."""
    benchmark = "\n\n".join(filter(None, [results_methods.readme(), results_speed.readme()]))
    text = between_marks(text, "quickstart", results_quickstart.readme())
    return between_marks(text, "benchmark", benchmark)


def notebook(text: str) -> str:
    """The notebook on negatives, a JSON text, with what its plug-ins gave."""
    cells = json.loads(text)
    for cell in cells["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = between_marks(cell["source"], "plug-ins", results_plugins.notebook())
    return json.dumps(cells, indent=1, ensure_ascii=False) + "\n"


def between_marks(text: str, mark: str, content: str) -> str:
    """A text with other content between the marks of a name, unless there is none."""
    marks = re.compile(rf"(<!-- {mark} -->\n).*?(\n<!-- end -->)", re.DOTALL)
    return marks.sub(lambda m: m[1] + content + m[2], text) if content else text


def main() -> None:
    """Write RESULTS.md, its picture, the cards, and the tables between marks."""
    measured_cards.write_cards()
    score_curves.draw(results_methods.BATCH, HERE / results_plugins.PICTURE)
    (HERE / "RESULTS.md").write_text(results())
    README.write_text(readme(README.read_text()))
    NOTEBOOK.write_text(notebook(NOTEBOOK.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
