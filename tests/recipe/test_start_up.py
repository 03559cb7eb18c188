"""What answers without torch; how fast is measured by benchmarks/startup.py."""

import subprocess
import sys
from pathlib import Path

import pytest

LIGHT = [
    ["recipe", "list", "--method", "moco", "--sort", "accuracy", "--format", "json"],
    ["recipe", "list", "--status", "measured", "--sort", "cost", "--max_minutes", "9"],
    ["recipe", "copy", "quickstart", "copy.yaml"],
    ["recipe", "schema"],
    ["recipe", "--help"],
    ["completion"],
]
HEAVY = "{'torch', 'pytorch_lightning', 'numpy', 'jsonargparse'}"


@pytest.mark.parametrize("arguments", LIGHT)
def test_it_answers_without_torch(arguments: list[str], tmp_path: Path) -> None:
    code = (
        "import sys, sslkit.cli as c\n"
        "try: assert c.main(sys.argv[1:]) == 0\n"
        "except SystemExit: pass\n"
        f"assert not {HEAVY} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
