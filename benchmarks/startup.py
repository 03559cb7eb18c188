"""How long the command line takes to answer, with nothing trained.

    python benchmarks/startup.py [--rounds 9]
    python benchmarks/results.py

Each command is a process of its own, from its start to its end; the commands take turns, after one
round that is not counted. Run it on an idle machine.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence

import records

COMMANDS: dict[str, Sequence[str]] = {
    "python (doing nothing)": ("-c", "pass"),
    "sslkit --help": ("-m", "sslkit", "--help"),
    "sslkit fit --help": ("-m", "sslkit", "fit", "--help"),
    "sslkit recipe list": ("-m", "sslkit", "recipe", "list"),
    "sslkit recipe show quickstart": ("-m", "sslkit", "recipe", "show", "quickstart"),
    "sslkit recipe check quickstart": ("-m", "sslkit", "recipe", "check", "quickstart"),
}


def seconds(arguments: Sequence[str]) -> float:
    """How long a process of Python takes."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Take turns and record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(options.rounds + 1):
        for name, arguments in COMMANDS.items():
            spent = seconds(arguments)
            if number:
                taken[name].append(spent)
    records.write("startup", {"seconds": taken})


if __name__ == "__main__":
    main()
