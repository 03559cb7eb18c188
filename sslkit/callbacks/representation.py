"""How the representation spreads while it is trained, told without labels.

B images, V views, F feature width, W ranks.
"""

import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from sslkit.callbacks.step_output import as_views, read_step
from sslkit.distributed import gather_no_grad, gather_objects, world_size
from sslkit.functional import representation_figures


class RepresentationMonitor(pl.Callback):
    """Alignment, uniformity, RankMe, effective rank, spread and sparsity of the features.

    Logs ``representation/train_<figure>`` of a batch every few steps and
    ``representation/val_<figure>`` of the validation images; see
    `sslkit.functional.representation_figures` for the figures. Both are of the images of all ranks.
    ``alignment`` needs two views and is of the first two of a training batch. A rank is at most the
    number of images and the width F: that of a batch shows a collapse, the one to compare runs by
    is that of the validation images, at equal ``images``.

    It needs no labels, draws nothing from any random generator and leaves the network bit-identical
    to a run without it.

    Args:
        images: At most so many images are looked at: of a batch the first ones, of the validation
            images (the first loader's) some at equal distances. 1,024 of 512 features take about
            0.3 s on one core of a CPU.
        every_n_steps: Look in every n-th optimiser step; what is found goes to the loggers when
            they are due next.

    Raises:
        ValueError: If ``images`` is below 2 or ``every_n_steps`` below 1.
    """

    def __init__(self, *, images: int = 1024, every_n_steps: int = 100) -> None:
        for name, value, lowest in (("images", images, 2), ("every_n_steps", every_n_steps, 1)):
            if value < lowest:
                raise ValueError(
                    f"RepresentationMonitor needs {name} of at least {lowest}, got {value}."
                )
        self.images = images
        self.every_n_steps = every_n_steps
        self._step, self._logged = -1, -1
        self._found: dict[str, Tensor] = {}  # not logged yet
        self._rows: list[Tensor] | None = None  # of this validation, (n, F) each
        self._passed = self._stride = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start anew; steps before a checkpoint have been looked at."""
        self._step = self._logged = trainer.global_step
        self._found = {}

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Describe the batch if its step is due; log when the loggers are."""
        step = trainer.global_step
        if step % self.every_n_steps == 0 and step > self._step:  # once between accumulated ones
            output = read_step(outputs, "RepresentationMonitor")
            if output is not None:
                self._step = step
                views = as_views(output[0])[:2, : self._share()]
                views = gather_no_grad(views.transpose(0, 1).contiguous()).transpose(0, 1)
                self._found = _describe(*views.unbind(), prefix="train")
        every = getattr(trainer, "log_every_n_steps", 0)  # public, but its type does not declare it
        if self._found and step > self._logged and every and step % every == 0:
            self._logged = step
            for name, value in self._found.items():
                pl_module.log(name, value, on_step=True, on_epoch=False, batch_size=1)
            self._found = {}

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Begin to collect."""
        self._rows = None if trainer.sanity_checking else []
        self._passed = self._stride = 0

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Keep some images of the batch, so that in the end they come from all of the split."""
        if self._rows is None or dataloader_idx > 0:
            return
        output = read_step(outputs, "RepresentationMonitor")
        if output is None:
            return
        features = as_views(output[0])[0]
        if not self._stride:
            batches = trainer.num_val_batches
            batches = batches[0] if isinstance(batches, list) else batches
            # Without a length there is nothing to spread over: the first images then.
            total = len(features) * batches if math.isfinite(batches) else 0
            self._stride = max(1, math.ceil(total / self._share()))
        left = self._share() - sum(map(len, self._rows))
        # A copy, which does not hold the batch that it is taken from.
        self._rows.append(features[-self._passed % self._stride :: self._stride][:left].clone())
        self._passed += len(features)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Describe what was kept, of all ranks, and log it."""
        if self._rows is None:
            return
        rows, self._rows = self._rows, None
        if world_size() > 1:  # ranks may hold different numbers of images
            device = pl_module.device
            own = [part.cpu() for part in rows]
            rows = [part.to(device) for parts in gather_objects(own) for part in parts]
        if sum(map(len, rows)) < 2:
            return
        for name, value in _describe(torch.cat(rows), prefix="val").items():
            pl_module.log(name, value, batch_size=1, sync_dist=True)

    def _share(self) -> int:
        """How many images this rank adds."""
        return max(2, self.images // world_size())


def _describe(z: Tensor, partner: Tensor | None = None, *, prefix: str) -> dict[str, Tensor]:
    """Figures of features (n, F) under the names that they are logged by.

    None of features that are not finite: the method says what went wrong with them.
    """
    given = [z] if partner is None else [z, partner]
    if len(z) < 2 or not all(rows.isfinite().all() for rows in given):
        return {}
    figures = representation_figures(z, partner)
    return {f"representation/{prefix}_{name}": value for name, value in figures.items()}
