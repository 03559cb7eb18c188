"""The JSON Schema of ``evaluation.json``, as it is shipped beside this file."""

import json
from importlib import resources
from typing import Any

FILE = "evaluation.schema.json"


def report_schema() -> dict[str, Any]:
    """The schema of what `Report.write` writes, for programs that read reports.

    It also holds for reports of earlier releases with the same ``version``.
    """
    return json.loads((resources.files("sslkit.evaluation") / FILE).read_text(encoding="utf-8"))
