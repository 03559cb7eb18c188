"""Write RESULTS.md, its picture and the cards from records, by ``python benchmarks/results.py``.

No number in RESULTS.md, or between the README's marks, is typed by hand. What has no record yet is
left out.
"""

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
import score_curves

HERE = Path(__file__).parent
README = HERE.parent / "README.md"
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
    for mark, content in (("quickstart", results_quickstart.readme()), ("benchmark", benchmark)):
        if content:
            marks = re.compile(rf"(<!-- {mark} -->\n).*?(\n<!-- end -->)", re.DOTALL)
            text = marks.sub(lambda m, content=content: m[1] + content + m[2], text)
    return text


def main() -> None:
    """Write RESULTS.md, its picture, the cards, and the tables between the README's marks."""
    measured_cards.write_cards()
    score_curves.draw(results_methods.BATCH, HERE / results_plugins.PICTURE)
    (HERE / "RESULTS.md").write_text(results())
    README.write_text(readme(README.read_text()))


if __name__ == "__main__":
    main()
