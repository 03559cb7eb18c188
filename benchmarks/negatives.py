"""Time and memory of MoCo's and MoCHi's losses against a long queue, forward and backward.

    python benchmarks/negatives.py [--rounds 15] [--threads 2]

Four forms of the loss of 256 queries of width 128 against a queue of 65,536:

    moco plain    queue_nce with its logits held, autograd through them: what the others are held to
    moco fused    sslkit.functional.queue_nce
    mochi fused   queue_mixed_nce_per_anchor: 1,024 hardest, 1,024 + 1,024 mixes
    mochi held    the same with the (N, S, D) mixes held, autograd through all logits

The forms take turns in one process, so a ratio is that of two runs next to each other. What a form
needs beyond its inputs is measured in a process of its own: the peak of its resident memory in one
call, less the resident memory before it (Linux only).

The record `negatives.speed.json` has ``setting`` (the sizes), and for each form, under ``forms``:
``seconds`` (of every round), ``median_ms``, ``ratio`` to moco plain (median over rounds) with
``ratio_quartiles`` (the spread), ``extra_MiB`` and ``memory_ratio`` to moco plain.
"""

import argparse
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import records
import torch
from torch import Tensor

from sslkit.functional import mix_pairs, mix_queries, queue_nce, unit_rows
from sslkit.functional.fused_mixing import queue_mixed_nce_per_anchor

SETTING = {"batch": 256, "dim": 128, "queue": 65_536, "hardest": 1024, "pairs": 1024}
SETTING |= {"query_mixes": 1024}
TEMPERATURE = 0.2
BASELINE = "moco plain"


def inputs(setting: dict[str, int]) -> dict[str, Any]:
    """Queries that want a gradient, keys, a queue and the draws of the mixes, all random."""
    generator = torch.Generator().manual_seed(0)
    number, width, hardest = setting["batch"], setting["dim"], setting["hardest"]
    queue = torch.randn(setting["queue"], width, generator=generator)
    pairs, queries = (number, setting["pairs"]), (number, setting["query_mixes"])
    return {
        "q": torch.randn(number, width, generator=generator, requires_grad=True),
        "k": torch.randn(number, width, generator=generator),
        "queue": queue.div_(torch.linalg.vector_norm(queue, dim=1, keepdim=True)),
        "draws": {
            "hardest": hardest,
            "pair": torch.randint(hardest, (2, *pairs), generator=generator),
            "pair_weight": torch.rand(pairs, generator=generator),
            "query_index": torch.randint(hardest, queries, generator=generator),
            "query_weight": torch.rand(queries, generator=generator) / 2,
        },
    }


def moco_plain(q: Tensor, k: Tensor, queue: Tensor, draws: dict[str, Any]) -> Tensor:
    unit = unit_rows(q) / TEMPERATURE
    positive = torch.linalg.vecdot(unit, unit_rows(k))
    excess = torch.logsumexp(unit @ queue.T, dim=1) - positive
    return torch.logaddexp(excess, torch.zeros_like(excess)).mean()


def moco_fused(q: Tensor, k: Tensor, queue: Tensor, draws: dict[str, Any]) -> Tensor:
    return queue_nce(q, k, queue, temperature=TEMPERATURE)


def mochi_fused(q: Tensor, k: Tensor, queue: Tensor, draws: dict[str, Any]) -> Tensor:
    return queue_mixed_nce_per_anchor(q, k, queue, temperature=TEMPERATURE, **draws).mean()


def mochi_held(q: Tensor, k: Tensor, queue: Tensor, draws: dict[str, Any]) -> Tensor:
    unit = unit_rows(q)
    cosines = unit @ queue.T
    hard = cosines.detach().topk(draws["hardest"], dim=1).indices
    mixes = [
        mix_pairs(queue, hard, draws["pair"], draws["pair_weight"]),
        mix_queries(unit, queue, hard, draws["query_index"], draws["query_weight"]),
    ]
    logits = [cosines, *((made @ unit.unsqueeze(2)).squeeze(2) for made in mixes)]
    positive = torch.linalg.vecdot(unit, unit_rows(k)) / TEMPERATURE
    excess = torch.logsumexp(torch.cat(logits, dim=1) / TEMPERATURE, dim=1) - positive
    return torch.logaddexp(excess, torch.zeros_like(excess)).mean()


FORMS: dict[str, Callable[..., Tensor]] = {
    BASELINE: moco_plain,
    "moco fused": moco_fused,
    "mochi fused": mochi_fused,
    "mochi held": mochi_held,
}


def run(form: str, given: dict[str, Any]) -> Tensor:
    """One loss and its gradient with respect to the queries."""
    (gradient,) = torch.autograd.grad(FORMS[form](**given), given["q"])
    return gradient


def check() -> None:
    """The forms that should be equal are, where a benchmark would not notice."""
    given = inputs(SETTING | {"batch": 8})
    for one, other in (("moco plain", "moco fused"), ("mochi held", "mochi fused")):
        torch.testing.assert_close(run(one, given), run(other, given), rtol=1e-3, atol=1e-6)


def measure_times(rounds: int) -> dict[str, list[float]]:
    """Seconds of every form in every round, after one round that is not counted."""
    given = inputs(SETTING)
    seconds: dict[str, list[float]] = {form: [] for form in FORMS}
    for counted in [False] + [True] * rounds:
        for form, taken in seconds.items():
            begin = time.perf_counter()
            run(form, given)
            if counted:
                taken.append(time.perf_counter() - begin)
    return seconds


def print_extra_memory(form: str) -> None:
    """MiB that one call needs beyond its inputs; for a process that does nothing else."""
    given = inputs(SETTING)
    # What the libraries set up once and keep is not the form's.
    small = SETTING | {"batch": 4, "queue": 4096, "hardest": 8, "pairs": 8, "query_mixes": 8}
    run(form, inputs(small))
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    run(form, given)
    print((_status("VmHWM") - before) / 1024)


def _status(field: str) -> int:
    """A line of this process's memory, in KiB."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    if found is None:
        raise RuntimeError(f"/proc/self/status has no {field}: memory is measured on Linux only.")
    return int(found[1])


def measure_memory(form: str, threads: int) -> float:
    """`print_extra_memory` in a fresh process; the median of three."""
    command = [sys.executable, __file__, "--memory", form, "--threads", str(threads)]
    return statistics.median(
        float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        for _ in range(3)
    )


def main() -> None:
    """Check, time, weigh, write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", choices=FORMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.memory:
        print_extra_memory(options.memory)
        return
    check()
    seconds = measure_times(options.rounds)
    memory = {form: measure_memory(form, options.threads) for form in FORMS}
    forms = {}
    for form, taken in seconds.items():
        ratios = [own / base for own, base in zip(taken, seconds[BASELINE], strict=True)]
        low, middle, high = statistics.quantiles(ratios, n=4)
        forms[form] = {
            "seconds": taken,
            "median_ms": statistics.median(taken) * 1e3,
            "ratio": middle,
            "ratio_quartiles": [low, high],
            "extra_MiB": memory[form],
            "memory_ratio": memory[form] / memory[BASELINE],
        }
        print(
            f"{form:12s} {forms[form]['median_ms']:6.0f} ms, {middle:.2f}x ({low:.2f} to "
            f"{high:.2f}); {memory[form]:6.0f} MiB, {forms[form]['memory_ratio']:.2f}x"
        )
    surroundings = records.surroundings()
    print(surroundings["device"], surroundings["versions"])
    setting = SETTING | {"temperature": TEMPERATURE, "threads": options.threads}
    records.write("negatives.speed", {"setting": setting, "forms": forms})


if __name__ == "__main__":
    main()
