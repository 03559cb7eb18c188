"""How many views a second: sslkit, kornia, torchvision v2 and lightly, and their memory.

    python benchmarks/views.py [--rounds 9] [--seconds 1] [--threads 1 2] [--quick]
    python benchmarks/results.py

SimCLR's two views of a batch of photographs' squares in memory, normalised, at 32 px (batch 512, no
blur), 96 px (batch 256) and 224 px from 256 px (batch 64). All take turns in one process, so that
ratios are paired by round, and the order of turns is reversed from round to round. sslkit, kornia
(with both of its ways to crop) and torchvision (one sample at a time) work in this process with the
given threads; lightly's transform works in the two workers of its loader, started anew for every
turn and timed between its second and its last batch. Peak memory is that of making one batch's
views beyond the images, in a process of its own; of lightly, that of its loader with all processes,
shared memory counted once.

The record `views.json` has a row for each size and number of threads: ``rates`` in views a second,
of every round, and ``memory_MiB``. ``--quick`` tries everything once, with small batches, and
writes nothing. Linux only. Needs the extra `benchmarks`.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
import warnings
from dataclasses import asdict, replace
from pathlib import Path

import records
import torch
from view_libraries import (
    EXACT,
    LIGHTLY,
    ONE_PROCESS,
    SETTINGS,
    VIEWS,
    Setting,
    lightly_batches,
    maker,
)

WORKERS = 2
NAMES = (*ONE_PROCESS, LIGHTLY)
# Of lightly's loader: what workers had ready before the clock started is over by the second.
_UNTIMED, _TIMED = 2, 6


def rates(setting: Setting, rounds: int, seconds: float) -> dict[str, list[float]]:
    """Views a second of every library in every round, after a round that is not counted."""
    images = setting.images()
    makers = {name: maker(name, setting) for name in ONE_PROCESS}
    found: dict[str, list[float]] = {name: [] for name in NAMES}
    for number in range(rounds + 1):
        for name in NAMES if number % 2 else reversed(NAMES):
            if name == LIGHTLY:
                rate = _lightly_rate(setting)
            else:
                rate = _rate(lambda make=makers[name]: make(images), setting, seconds)
            if number:
                found[name].append(rate)
                print(f"  round {number} {name}: {rate:,.0f} views/s", flush=True)
    return found


def _rate(make, setting: Setting, seconds: float) -> float:
    calls, begin = 0, time.perf_counter()
    while calls == 0 or time.perf_counter() - begin < seconds:
        make()
        calls += 1
    return calls * VIEWS * setting.batch / (time.perf_counter() - begin)


def _lightly_rate(setting: Setting) -> float:
    ends = []
    for _ in lightly_batches(setting, _UNTIMED + _TIMED, WORKERS):
        ends.append(time.perf_counter())
    return _TIMED * VIEWS * setting.batch / (ends[-1] - ends[_UNTIMED - 1])


def print_memory(name: str, setting: Setting) -> None:
    """MiB that making one batch's views needs; for a process that does nothing else."""
    if name == LIGHTLY:
        print(_lightly_memory(setting))
        return
    make, images = maker(name, setting), setting.images()
    make(images[:2])  # what is set up once
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    made = make(images)
    print((_status("VmHWM") - before) / 1024)
    del made


def _lightly_memory(setting: Setting) -> float:
    setting.images()  # the loader holds the same ones
    before, most = _shared_out(), 0.0
    for _ in lightly_batches(setting, _UNTIMED + _TIMED, WORKERS):
        most = max(most, _shared_out())
    return most - before


def _shared_out() -> float:
    """MiB of this process and its children, each page divided by the processes that share it."""
    children = Path("/proc/self/task").glob("*/children")
    processes = ["self", *(pid for file in children for pid in file.read_text().split())]
    texts = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in processes]
    return sum(int(n) for text in texts for n in re.findall(r"^Pss:\s+(\d+)", text, re.M)) / 1024


def _status(field: str) -> int:
    """A line of this process's memory, in KiB."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    if found is None:
        raise RuntimeError(f"/proc/self/status has no {field}: memory is measured on Linux only.")
    return int(found[1])


def memory(name: str, size: str, options: argparse.Namespace) -> float:
    """`print_memory` in a fresh process."""
    command = [sys.executable, __file__, "--memory", name, size, "--threads", "1"]
    command += ["--quick"] * options.quick
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Every size with every number of threads, then the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn, at least one batch")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--quick", action="store_true", help="try everything once, record nothing")
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_grad_enabled(False)
    settings = dict(SETTINGS)
    if options.quick:
        options.rounds, options.seconds = 1, 0.0
        settings = {name: replace(x, batch=4) for name, x in settings.items()}
    if options.memory:
        torch.set_num_threads(options.threads[0])
        print_memory(options.memory[0], settings[options.memory[1]])
        return
    rows = []
    for size, setting in settings.items():
        weight = {name: memory(name, size, options) for name in NAMES}
        for threads in options.threads:
            torch.set_num_threads(threads)
            print(f"{size}, batch {setting.batch}, {threads} threads", flush=True)
            found = rates(setting, options.rounds, options.seconds)
            rows.append({**asdict(setting), "threads": threads, "rates": found})
            rows[-1] |= {"blur": setting.blur, "memory_MiB": weight}
            for name in NAMES:
                ratio = statistics.median(
                    ours / theirs for ours, theirs in zip(found[EXACT], found[name], strict=True)
                )
                print(
                    f"{name:28s} {statistics.median(found[name]):9,.0f} views/s, exact is "
                    f"{ratio:5.2f}x; {weight[name]:6.0f} MiB"
                )
    surroundings = records.surroundings()
    print(surroundings["device"], surroundings["versions"])
    if not options.quick:
        records.write(
            "views", {"rounds": options.rounds, "workers_of_lightly": WORKERS, "settings": rows}
        )


if __name__ == "__main__":
    main()
