"""A whole training step beside its encoder's bare forward and backward, and what makes it up.

    python benchmarks/step.py [--rounds 7] [--batch 256] [--precision bf16-mixed] [--quick]
    python benchmarks/results.py

SimCLR, MoCo (also with split batch statistics), BYOL and Barlow Twins with the settings of
``recipes/small/``: 32 px, a narrow ResNet, channels-last. The bare encoder runs forward and
backward on ready views in that memory format and precision, and for MoCo and BYOL the target's
encoder runs forward as well. Beside it each other part of a step is timed alone, with what it needs
ready: the sum of all parts over the bare encoder is one ratio. The other ("end to end") is a step
of a ``Trainer.fit`` with the online probe over a bare run right after it, so that both meet the
same machine: the median of such pairs.

``--compile`` times the same step without Lightning, its networks compiled or not. The first
compiled step takes minutes. ``--loading`` times data and views alone: the steps a second that they
would allow, for sslkit in one process and for lightly's loader with two workers (needs the extra
``benchmarks``). Both are on unless ``--no-compile`` or ``--no-loading`` is given.

All of a round's runs take turns in one process, and the record ``step`` has every round's:
``parts`` (method, part; seconds), ``end_to_end`` (method; ratios), ``compiled`` (method, plain or
compiled; seconds) and ``loading`` (images per second). --quick tries everything once at a small
size and records nothing.
"""

import argparse
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytorch_lightning as pl
import records
import step_parts
import torch
from step_parts import BARE, METHODS, Step

from sslkit.callbacks import OnlineProbe
from sslkit.data import ImageArrays, ImageDataModule
from sslkit.methods.compilation import compile_networks
from sslkit.seeding import counter_generator
from sslkit.views import SimCLRViews

Seconds = dict[str, dict[str, list[float]]]


def seconds(run: Callable[[], Any], times: int) -> float:
    """The median of a few runs."""
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        run()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def arrays(count: int) -> ImageArrays:
    """Labelled noise, held in memory as CIFAR-10 would be."""
    pixels = step_parts.images(count).permute(0, 2, 3, 1).numpy().copy()
    return ImageArrays({"x": pixels, "y": np.arange(count) % step_parts.CLASSES})


class StepTimes(pl.Callback):
    """Seconds of each training step, and of the bare encoder that runs after it."""

    def __init__(self, bare: Callable[[], Any]) -> None:
        """Nothing yet."""
        self.bare = bare
        self.begin: float | None = None
        self.steps: list[float] = []
        self.bares: list[float] = []

    def on_train_batch_end(self, *args: Any) -> None:
        """Note the time since the last bare run, and run the next."""
        end = time.perf_counter()
        if self.begin is not None:
            self.steps.append(end - self.begin)
        self.bare()
        self.begin = time.perf_counter()
        if self.steps:
            self.bares.append(self.begin - end)


def end_to_end(name: str, batch: int, precision: str, steps: int, bare: Callable[[], Any]) -> float:
    """A step of a fit, data and views and the online probe included, over a bare encoder beside it.

    Args:
        name: The method.
        batch: Images in a step.
        precision: Lightning's.
        steps: How many pairs; the ratio is the median of theirs.
        bare: Runs the encoder.
    """
    clock = StepTimes(bare)
    trainer = pl.Trainer(
        accelerator="cpu",
        precision=precision,  # type: ignore[arg-type]
        max_steps=steps + 1,
        callbacks=[OnlineProbe(), clock],  # the clock last
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    data = ImageDataModule(arrays(batch * 4), batch_size=batch, mean=[0.5] * 3, std=[0.25] * 3)
    trainer.fit(step_parts.build(name), data)
    return statistics.median(a / b for a, b in zip(clock.steps, clock.bares, strict=True))


def measure(options: argparse.Namespace) -> tuple[Seconds, dict[str, list[float]]]:
    """Seconds of every part and of the whole step, round by round."""
    steps = {name: Step(name, options.batch, options.precision) for name in METHODS}
    parts: Seconds = {name: {part: [] for part in steps[name].parts()} for name in METHODS}
    whole: dict[str, list[float]] = {name: [] for name in METHODS}
    for round_ in range(options.rounds + 1):
        for name, step in steps.items():
            found = {part: seconds(run, options.runs) for part, run in step.parts().items()}
            times = 2 * options.runs
            ratio = end_to_end(name, options.batch, options.precision, times, step.bare)
            if not round_:
                continue  # what is set up once
            whole[name].append(ratio)
            for part, value in found.items():
                parts[name][part].append(value)
            print(
                f"round {round_} {name}: bare {found[BARE] * 1e3:.0f} ms, sum of parts "
                f"{sum(found.values()) / found[BARE]:.3f}x, end to end {ratio:.3f}x",
                flush=True,
            )
    return parts, whole


def measure_compiled(options: argparse.Namespace) -> Seconds:
    """Seconds of a step whose networks are compiled, and of one whose networks are not."""
    found: Seconds = {}
    for name in METHODS:
        plain, compiled = (Step(name, options.batch, options.precision) for _ in range(2))
        compile_networks(compiled.method)
        begin = time.perf_counter()
        compiled.whole()
        first = time.perf_counter() - begin
        seconds(plain.whole, 1)
        found[name] = {"plain": [], "compiled": [], "first compiled step": [first]}
        for _ in range(options.rounds):
            found[name]["plain"].append(seconds(plain.whole, options.runs))
            found[name]["compiled"].append(seconds(compiled.whole, options.runs))
        ratio = statistics.median(found[name]["compiled"]) / statistics.median(found[name]["plain"])
        print(f"{name}: compiled {ratio:.2f}x the time, first step {first:.0f} s", flush=True)
    return found


def measure_loading(options: argparse.Namespace) -> dict[str, list[float]]:
    """Images per second of data and SimCLR's views, without a network."""
    import lightly_methods
    from lightly.transforms.simclr_transform import SimCLRTransform

    source, batch = arrays(options.batch * options.loading_batches), options.batch
    data = ImageDataModule(source, batch_size=batch, mean=[0.5] * 3, std=[0.25] * 3)
    data.setup()
    views = SimCLRViews(size=step_parts.SIDE, strength=0.5, blur=False)
    views.set_statistics(data.mean, data.std)
    ours = data.train_dataloader()
    transform = SimCLRTransform(input_size=step_parts.SIDE, cj_strength=0.5, gaussian_blur=0.0)
    theirs = lightly_methods.loader(
        source.images, source.labels.numpy(), transform, batch_size=batch, workers=2
    )

    def epoch_of_ours() -> None:
        for number, got in enumerate(ours):
            views(got.image, counter_generator(number))

    def epoch_of_theirs() -> None:
        for _ in theirs:
            pass

    found: dict[str, list[float]] = {"sslkit": [], "lightly, 2 workers": []}
    forms = dict(zip(found, (epoch_of_ours, epoch_of_theirs), strict=True))
    for round_ in range(options.rounds + 1):
        for form, run in forms.items():
            rate = len(source) / seconds(run, 1)
            if round_:
                found[form].append(rate)
    for form, rates in found.items():
        print(f"data and views, {form}: {statistics.median(rates):.0f} images/s", flush=True)
    return found


def main() -> None:
    """Measure what is asked for and write the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--runs", type=int, default=3, help="of each part in a round")
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--precision", choices=("bf16-mixed", "32-true"), default="bf16-mixed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--loading", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--quick", action="store_true", help="everything once, small, no record")
    options = parser.parse_args()
    options.loading_batches = 20
    if options.quick:
        options.rounds, options.runs, options.batch, options.loading_batches = 1, 1, 16, 2
    warnings.filterwarnings("ignore")
    torch.set_num_threads(options.threads)
    parts, whole = measure(options)
    record: dict[str, Any] = {"parts": parts, "end_to_end": whole}
    if options.loading:
        record["loading"] = measure_loading(options)
    if options.compile:
        record["compiled"] = measure_compiled(options)
    if options.quick:
        return
    setting = {"batch": options.batch, "precision": options.precision, "side": step_parts.SIDE}
    records.write("step", {"setting": setting, **record})


if __name__ == "__main__":
    main()
