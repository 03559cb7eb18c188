"""Time and memory of the evaluation on frozen features: a sweep of probes, and kNN.

    python benchmarks/evaluation.py [--parts sweep,knn] [--rounds 7] [--threads 2]

Everything is synthetic: class centres and noise. The memory that a large cache takes is measured by
evaluation_cache.py.

sweep   20 linear heads against one, in turns in one process: `train_heads` alone (the pass itself,
        one head with and one without batch-norm), and the whole `linear_sweep` with its choice and
        its last training. 50,000 x 512, 10 classes, batches of 256.
knn     10,000 queries, 50,000 rows of width 512, k = 200: `knn_scores`, and the `knn_predict` of
        lightly, which gets rows of length one and need not normalise. In turns in one process; the
        memory of each beyond its inputs in a process of its own.

Records `evaluation.<part>.json`: ``setting``; then ``forms`` with ``seconds`` (of every round),
``ratio`` (median of the rounds, to the first form), ``ratio_quartiles``, for kNN ``extra_MiB`` and
``memory_ratio``. Memory is measured on Linux only. Needs the extra `benchmarks`.
"""

import argparse
import json
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
from torch.nn.functional import normalize

from sslkit.evaluation import Features, Head, linear_sweep
from sslkit.evaluation.head_training import train_heads
from sslkit.evaluation.sweep import HEADS
from sslkit.functional import knn_scores

WIDTH = 512
SWEEP = {"images": 50_000, "classes": 10, "batch_size": 256, "heads": len(HEADS)}
KNN = {"queries": 10_000, "bank": 50_000, "classes": 10, "k": 200}
TEMPERATURE = 0.1


def made_features(images: int, classes: int, *, seed: int) -> Features:
    """Noisy class centres in the positive orthant, as pooled features are."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(classes, WIDTH, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(classes, (images,), generator=generator)
    noise = torch.randn(images, WIDTH, generator=generator)
    return Features(noise.mul_(4).add_(centres[labels]).relu_(), labels)


def measure_sweep(rounds: int, threads: int) -> None:
    """One pass and the whole sweep, of 20 heads and of one."""
    train = made_features(SWEEP["images"], SWEEP["classes"], seed=1)
    test = made_features(10_000, SWEEP["classes"], seed=2)
    rows = torch.arange(SWEEP["images"])
    plain, normed = Head(0.01, 1e-2, False), Head(0.01, 1e-2, True)

    def one_pass(heads: list[Head] | tuple[Head, ...]) -> Callable[[], Any]:
        settings: dict[str, Any] = {"epochs": 1, "batch_size": SWEEP["batch_size"], "seed": 0}
        return lambda: list(train_heads(train, rows, heads, **settings))

    def whole(heads: list[Head] | tuple[Head, ...]) -> Callable[[], Any]:
        return lambda: linear_sweep(train, test, seed=0, heads=heads, epochs=20)

    passes = {
        "one head": one_pass([plain]),
        "one head, batch-norm": one_pass([normed]),
        "20 heads": one_pass(HEADS),
    }
    sweeps = {"whole, one head": whole([plain]), "whole, 20 heads": whole(HEADS)}
    forms = compare(passes, rounds) | compare(sweeps, max(1, rounds // 3))
    records.write("evaluation.sweep", {"setting": SWEEP | {"threads": threads}, "forms": forms})


def knn_form(name: str, setting: dict[str, int]) -> Callable[[], Tensor]:
    """The predicted classes by lightly's function or by ours."""
    classes, k = setting["classes"], setting["k"]
    made = made_features(setting["bank"], classes, seed=1)
    bank, labels = made.features, made.labels
    queries = made_features(setting["queries"], classes, seed=2).features
    if name == "lightly":
        # Here, since it would add to the memory of the processes that do without it.
        from lightly.utils.benchmarking import knn_predict

        # In place: the rows are inputs, and not lightly's memory.
        normalize(queries, dim=1, out=queries)
        columns = normalize(bank, dim=1, out=bank).T
        return lambda: knn_predict(queries, columns, labels, classes, k, TEMPERATURE)[:, 0]
    settings: dict[str, Any] = {"num_classes": classes, "temperature": TEMPERATURE}
    return lambda: knn_scores(queries, bank, labels, k=k, **settings).argmax(dim=1)


def measure_knn(rounds: int, threads: int) -> None:
    """Time in turns, then memory in processes of their own."""
    forms = {name: knn_form(name, KNN) for name in ("lightly", "sslkit")}
    # Cosines that differ in their last digit may change places at the k-th neighbour.
    agree = (forms["lightly"]() == forms["sslkit"]()).double().mean().item()
    if agree < 0.999:
        raise RuntimeError(f"the two agree on only {agree:.2%} of the images")
    found = compare(forms, rounds)
    for name, form in found.items():
        form["extra_MiB"] = statistics.median(
            in_own_process("--memory", name, threads=threads)["extra_MiB"] for _ in range(3)
        )
        form["memory_ratio"] = form["extra_MiB"] / found["lightly"]["extra_MiB"]
        print(f"{name:24s} {form['extra_MiB']:.0f} MiB, {form['memory_ratio']:.3f}x")
    setting = KNN | {"width": WIDTH, "temperature": TEMPERATURE, "threads": threads}
    records.write("evaluation.knn", {"setting": setting, "agree": agree, "forms": found})


def knn_memory(name: str) -> dict[str, float]:
    """MiB that one call needs beyond its inputs; for a process that does nothing else."""
    # What the libraries set up once and keep is not the form's.
    knn_form(name, KNN | {"queries": 8, "bank": 4000})()
    form = knn_form(name, KNN)
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    form()
    return {"extra_MiB": status("VmHWM") - before}


def compare(forms: dict[str, Callable[[], Any]], rounds: int) -> dict[str, dict[str, Any]]:
    """Seconds of every form in every round, in turns, after one round that is not counted."""
    seconds: dict[str, list[float]] = {form: [] for form in forms}
    for counted in [False] + [True] * rounds:
        for form, run in forms.items():
            begin = time.perf_counter()
            run()
            if counted:
                seconds[form].append(time.perf_counter() - begin)
    first = next(iter(seconds.values()))
    found = {}
    for form, taken in seconds.items():
        ratios = [own / base for own, base in zip(taken, first, strict=True)]
        several = ratios if rounds > 1 else ratios * 2
        spread = statistics.quantiles(several, n=4, method="inclusive")
        found[form] = {"seconds": taken, "ratio": spread[1], "ratio_quartiles": spread[::2]}
        print(
            f"{form:24s} {statistics.median(taken):.2f} s, {spread[1]:.2f}x "
            f"({spread[0]:.2f} to {spread[2]:.2f})"
        )
    return found


def status(field: str) -> float:
    """A line of this process's memory, in MiB."""
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    if found is None:
        raise RuntimeError(f"/proc/self/status has no {field}: memory is measured on Linux only.")
    return int(found[1]) / 1024


def in_own_process(*arguments: str, threads: int) -> dict[str, float]:
    """What this script prints as JSON when it is called so."""
    command = [sys.executable, __file__, *arguments, "--threads", str(threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", default="sweep,knn")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.memory:
        print(json.dumps(knn_memory(options.memory)))
        return
    parts = options.parts.split(",")
    for unknown in set(parts) - {"sweep", "knn"}:
        parser.error(f"there is no part {unknown}")
    if "sweep" in parts:
        measure_sweep(options.rounds, options.threads)
    if "knn" in parts:
        measure_knn(options.rounds, options.threads)


if __name__ == "__main__":
    main()
