"""The score of a run that trained a classifier: its own, on images that its training has not seen.

N images, K classes.
"""

import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_info
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch import Tensor

from sslkit.bootstrap import LEVEL, RESAMPLES, bootstrap_interval
from sslkit.counted import counted
from sslkit.data import ImageDataModule, as_batch
from sslkit.evaluation.metrics import top1_hits
from sslkit.evaluation.protocol_text import SCORED
from sslkit.evaluation.report import SCHEMA, library_versions
from sslkit.methods.classifier import Classifier
from sslkit.predictions import FILE, Predictions, predictions_bytes
from sslkit.seeding import global_seed
from sslkit.whole_file import whole_file

_TOP = 5
_WIDTH = 88


def score_classifier(trainer: pl.Trainer, model: Classifier, data: ImageDataModule) -> None:
    """Score the classifier as training left it; write ``evaluation.json``, ``.txt``, predictions.

    Scored are the test images; without any, those of a validation split.

    Args:
        trainer: After ``fit``; the files go into its run's folder.
        model: What was trained.
        data: What it was trained on.
    """
    split = data.evaluation_split() or ("val" if "val" in data.splits() else None)
    if split is None:
        rank_zero_info("The evaluation is left out: there are no labelled images to score.")
        return
    loader = data.eval_dataloader(split)
    best, label, index, empty = _predict(model, loader, trainer.strategy.root_device)
    notes = [f"{empty:,} more have an empty label set and are left out."] if empty else []
    if not len(label):
        rank_zero_info(f"The evaluation is left out: the {SCORED[split]} images have no labels.")
        return
    several = label.ndim == 2
    hits = torch.stack([top1_hits(one, label) for one in best.unbind(1)], dim=1).numpy()
    right = {"top1": hits[:, 0]} | ({f"top{_TOP}": hits.any(1)} if hits.shape[1] == _TOP else {})
    name = type(model).__name__
    folder = Path(trainer.log_dir or trainer.default_root_dir)
    content = {
        "version": SCHEMA,
        "checkpoint": str(folder / "checkpoints" / "last.ckpt"),
        "data": {"data": data.description},
        "split": SCORED[split],
        "n_train": data.splits()["train"],
        "n_test": len(label),
        **({"n_empty": empty} if several else {}),
        "num_classes": model.classes,
        "feature_width": model.encoder.num_features,
        "metric": "in_set" if several else "top1",
        "seeds": {"held_out": data.seed or 0, "random_initialisation": global_seed()},
        "protocol": _protocol(trainer, model, split, several),
        "notes": notes,
        "rows": [
            {
                "encoder": name,
                **{figure: float(found.mean()) for figure, found in right.items()},
                "intervals": {f: [*bootstrap_interval(h, seed=0)] for f, h in right.items()},
            }
        ],
        "versions": library_versions(),
    }
    predictions = Predictions(index.numpy(), label.numpy(), {"top1": best[:, 0].numpy()})
    files = {
        "evaluation.json": (json.dumps(content, indent=2, allow_nan=False) + "\n").encode(),
        "evaluation.txt": _text(content).encode(),
        FILE: predictions_bytes({name: predictions}),
    }
    for file, written in files.items():
        with whole_file(folder / file) as unfinished:
            unfinished.write_bytes(written)
    Console().print(_table(content))
    print(f"Written to {folder / 'evaluation.json'} and evaluation.txt beside it.")


@torch.inference_mode()
def _predict(
    model: Classifier, loader: Iterable[Any], device: torch.device
) -> tuple[Tensor, Tensor, Tensor, int]:
    """Of the labelled images the classes with the highest scores, label and index, on the CPU.

    And how many have an empty label set.
    """
    model.to(device).eval()
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    empty = 0
    for item in loader:
        batch: Any = as_batch(item)
        with torch.autocast(device.type, enabled=False):
            logits = model.classify(model.encode(batch.image.to(device))).cpu()
        several = batch.label.ndim == 2
        known = batch.label.any(dim=1) if several else batch.label >= 0
        empty += int((~known).sum()) if several else 0
        best = logits.topk(min(_TOP, logits.shape[1])).indices
        parts.append((best[known], batch.label[known], batch.index[known]))
    best, label, index = (torch.cat(column) for column in zip(*parts, strict=True))
    return best, label, index, empty


def _protocol(trainer: pl.Trainer, model: Classifier, split: str, several: bool) -> dict[str, str]:
    epochs = trainer.current_epoch
    seen = (
        "Test images are scored once, after training."
        if split == "test"
        else "These images were scored after every epoch too; no epoch was chosen by it."
    )
    sets = "one of whose classes (ReaL; images without a class are left out)"
    own = sets if several else "whose class"
    crop = f", the centre of {model.eval_crop:.1%} of its side" if model.eval_crop < 1 else ""
    how = (
        f"of {model.trains}, on augmented images for {counted(epochs, 'epoch')}, at the last "
        f"epoch; settings are in config.yaml. One view of each image{crop}, float32. {seen}"
    )
    return {
        "top1": f"Share of the {SCORED[split]} images {own} has the highest score {how}",
        f"top{_TOP}": f"The same, {own} is among the {_TOP} with the highest scores.",
        "intervals": (
            f"{LEVEL:.0%} percentile bootstrap over the {SCORED[split]} images ({RESAMPLES:,} "
            "resamples, seed 0): what other images of the kind could have given."
        ),
    }


def _table(content: dict[str, Any]) -> RenderableType:
    (row,) = content["rows"]
    table = Table()
    table.add_column("classifier")
    cells = []
    for figure, (low, high) in row["intervals"].items():
        table.add_column(figure.replace("top", "top-"), justify="right")
        cells.append(f"{100 * row[figure]:.1f} %\n{100 * low:.1f} – {100 * high:.1f}")
    table.add_row(Text(row["encoder"]), *cells)
    about = (
        f"{content['data']['data']}: {content['n_train']:,} training and {content['n_test']:,} "
        f"{content['split']} images, {content['num_classes']} classes."
    )
    about = " ".join([about, *content["notes"]])
    texts = Table.grid(padding=(0, 2))
    for name, text in content["protocol"].items():
        if name in row or name == "intervals":
            texts.add_row(Text(name.replace("top", "top-"), style="bold"), Text(text))
    return Group(
        Text(f"Classifier of {content['checkpoint']}", style="bold"), table, Text(about), texts
    )


def _text(content: dict[str, Any]) -> str:
    file = io.StringIO()
    Console(file=file, width=_WIDTH, color_system=None, legacy_windows=False).print(_table(content))
    return "\n".join(line.rstrip() for line in file.getvalue().splitlines()) + "\n"
