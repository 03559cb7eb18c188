"""Runs the quickstart as a user does, for several seeds, and records its score and time.

python benchmarks/quickstart.py [SEED ...]
"""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import records


def main() -> None:
    """One process a seed."""
    for seed in [int(argument) for argument in sys.argv[1:]] or [0]:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "sslkit", "fit", "--config", "quickstart"]
            start = time.perf_counter()
            subprocess.run([*command, "--seed_everything", str(seed)], cwd=folder, check=True)
            seconds = time.perf_counter() - start
            evaluation = Path(folder) / "runs/quickstart/version_0/evaluation.json"
            report = json.loads(evaluation.read_text())
        record = {"seed": seed, "seconds": seconds, "evaluation": report}
        records.write(f"quickstart.seed{seed}", record)


if __name__ == "__main__":
    main()
