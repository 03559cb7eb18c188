"""Memory and time of the evaluation of features that are not to be held in memory twice.

    python benchmarks/evaluation_cache.py [--images 1000000] [--classes 10,1000] [--threads 2]
                                          [--probes PROBE,...] [--folder FOLDER]

For each number of classes a memory-mapped file of IMAGES x 512 float32 is written into FOLDER (a
temporary one by default; 2 GB), class centres and noise. Each probe then reads it in a process of
its own: peak resident memory, the mapped pages included, and time.

quick protocol  `evaluate_features` as `sslkit evaluate` calls it: kNN, and, of so many features, 20
                linear heads in place of the logistic regression.
full protocol   With `FULL` but for its layers and pixels (which are other features), with one seed
                and one epoch: kNN over a grid, linear heads, the logistic regression on 1 % and
                10 % of the labels and on 1, 5 and 10 images of every class.
linear_sweep    20 heads, one epoch.
knn_grid        Votes of up to 200 neighbours, chosen on 10,000 of the images.
linear_probe    L-BFGS, as many of the images as are ever fitted, one value of C.
figures         `describe_features`, of IMAGES scored images.
spectrum        RankMe, effective rank, deviations and sparsity of all rows.

More epochs and seeds take time, not memory. 10,000 images are scored, by kNN 1,000.

Records `evaluation.cache.CLASSES.json`: ``setting``; ``probes``, of each ``seconds``, ``peak_MiB``,
``images`` where they are not all, and the ``notes`` of what was left out. With --probes, those of
the other probes stay, if they were measured in the same setting. Linux only.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import records
import torch
from evaluation import WIDTH, made_features, status

from sslkit.data import Batch
from sslkit.evaluation import FULL, Features, Plan, evaluate_features, knn_grid, linear_sweep
from sslkit.evaluation.linear import linear_probe
from sslkit.evaluation.linear_limits import why_not_fitted
from sslkit.evaluation.representation import describe_features
from sslkit.evaluation.sweep import HEADS
from sslkit.functional import dimension_std, effective_rank, rankme, sparsity
from sslkit.nn import Encoder

EPOCHS = 1
SCORED, SCORED_BY_KNN = 10_000, 1000
# Rows of the file that are made and written at once.
_ROWS = 20_000

Found = dict[str, Any]


def quick_protocol(train: Features, test: Features) -> Found:
    """What there is for every evaluation."""
    return {"notes": evaluate_features(train, test, seed=0, plan=Plan(epochs=EPOCHS)).notes}


def full_protocol(train: Features, test: Features) -> Found:
    """All that is measured on one set of features."""
    plan = replace(FULL, name="full, changed", epochs=EPOCHS, layers=0, seeds=1, pixels=False)
    return {"notes": evaluate_features(train, test, seed=0, plan=plan).notes}


def sweep(train: Features, test: Features) -> Found:
    """The linear heads."""
    linear_sweep(train, test, seed=0, epochs=EPOCHS)
    return {}


def knn(train: Features, test: Features) -> Found:
    """The grid of votes."""
    few = Features(test.features[:SCORED_BY_KNN], test.labels[:SCORED_BY_KNN])
    knn_grid(train, few, seed=0)
    return {}


def logistic_regression(train: Features, test: Features) -> Found:
    """Of as many images as the protocol would fit one of."""
    classes, images = int(train.labels.max()) + 1, len(train.labels)
    while why_not_fitted(images, WIDTH, classes):
        images -= 1000
    sides = (train.features[:images], train.labels[:images]), (test.features, test.labels)
    fitted, scored = ((features.numpy(), labels.numpy()) for features, labels in sides)
    linear_probe(fitted, scored, seed=0, grid=(1e-3,))
    return {"images": images}


def figures(train: Features, test: Features) -> Found:
    """As of a test set of this size; the images of which views are made are gray."""
    unknown = torch.full((500,), -1)
    batch = Batch(torch.full((500, 3, 32, 32), 128, dtype=torch.uint8), unknown, unknown)
    loader = [batch] * -(-len(train.labels) // 500)
    describe_features(Encoder("resnet18", small_images=True), loader, train, seed=0)
    return {}


def spectrum(train: Features, test: Features) -> Found:
    """Of all rows, no sample."""
    for figure in (rankme, effective_rank, dimension_std, sparsity):
        figure(train.features)
    return {}


PROBES: dict[str, Callable[[Features, Features], Found]] = {
    "quick protocol": quick_protocol,
    "full protocol": full_protocol,
    "linear_sweep": sweep,
    "knn_grid": knn,
    "linear_probe": logistic_regression,
    "figures": figures,
    "spectrum": spectrum,
}


def write_cache(images: int, classes: int, folder: Path) -> None:
    """The features and labels, as arrays in files."""
    labels = np.empty(images, dtype=np.int64)
    features = np.lib.format.open_memmap(
        folder / "features.npy", mode="w+", dtype=np.float32, shape=(images, WIDTH)
    )
    for start in range(0, images, _ROWS):
        part = slice(start, min(images, start + _ROWS))
        made = made_features(part.stop - start, classes, seed=start)
        features[part], labels[part] = made.features.numpy(), made.labels.numpy()
    features.flush()
    np.save(folder / "labels.npy", labels)


def run_probe(probe: str, classes: int, folder: Path) -> Found:
    """Probe the file, memory-mapped; for a process that does nothing else."""
    # Copy on write, as torch takes no read-only memory; nothing is written.
    mapped = torch.from_numpy(np.load(folder / "features.npy", mmap_mode="c"))
    train = Features(mapped, torch.from_numpy(np.load(folder / "labels.npy")))
    test = made_features(SCORED, classes, seed=-1)
    begin = time.perf_counter()
    found = PROBES[probe](train, test)
    return {"seconds": time.perf_counter() - begin, "peak_MiB": status("VmHWM"), **found}


def in_own_process(probe: str, classes: int, folder: Path, threads: int) -> Found:
    """What this script prints as JSON when it is called for one probe."""
    command = [sys.executable, __file__, "--one", probe, "--folder", str(folder)]
    command += ["--classes", str(classes), "--threads", str(threads)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Write the files and probe them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--classes", default="10,1000")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--probes", default=",".join(PROBES))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.one:
        print(json.dumps(run_probe(options.one, int(options.classes), options.folder)))
        return
    probes = options.probes.split(",")
    for unknown in set(probes) - set(PROBES):
        parser.error(f"there is no probe {unknown}")
    for classes in map(int, options.classes.split(",")):
        setting = {
            "images": options.images,
            "width": WIDTH,
            "classes": classes,
            "heads": len(HEADS),
            "epochs": EPOCHS,
            "threads": options.threads,
        }
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            write_cache(options.images, classes, Path(folder))
            for probe in probes:
                found = in_own_process(probe, classes, Path(folder), options.threads)
                print(f"{classes} classes, {probe}: {found}", flush=True)
                own = {**measured(setting), probe: found}
                ordered = {name: own[name] for name in PROBES if name in own}
                records.write(record_name(setting), {"setting": setting, "probes": ordered})


def record_name(setting: dict[str, int]) -> str:
    """One record for each number of classes."""
    return f"evaluation.cache.{setting['classes']}"


def measured(setting: dict[str, int]) -> dict[str, Found]:
    """The probes that the record has, if it is of the same setting."""
    path = records.FOLDER / f"{record_name(setting)}.json"
    if not path.is_file():
        return {}
    record = json.loads(path.read_text())
    return record["probes"] if record["setting"] == setting else {}


if __name__ == "__main__":
    main()
