"""A linear probe that learns beside the encoder and never touches it.

B images, V views, F feature width, C classes.
"""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from sslkit.callbacks.softmax_probe import SoftmaxProbe
from sslkit.callbacks.step_output import as_views, read_step, why_unlabelled
from sslkit.distributed import mean_across_ranks


class OnlineProbe(pl.Callback):
    """Softmax regression on the training step's detached features, scored on the validation set.

    It learns in float32 from every view of every labelled image (label −1 is left out), by SGD with
    momentum 0.9 on standardised features. It starts at zero and draws nothing from any random
    generator: the encoder is bit-identical with and without it. Its weights, statistics and
    optimiser travel in the checkpoint; all ranks hold the same probe.

    Logs ``online_probe/train_loss``, ``online_probe/val_top1`` and, with more than five classes,
    ``online_probe/val_top5``. The probe follows a moving encoder and learns on augmented images:
    read these as curves, and take the score from ``sslkit evaluate``. Of several validation loaders
    the first is read. Without labels the callback switches itself off and says so.

    In a module of your own, return ``features`` (V,B,F) or (B,F) and ``label`` (B,) beside ``loss``
    from ``training_step``, and ``features`` (B,F) and ``label`` from ``validation_step``.

    Args:
        num_classes: C. None: the datamodule knows.
        lr: Learning rate at 128 features; for others it is scaled by 128 / F.

    Raises:
        ValueError: If an argument is out of range; in ``fit``, if nothing tells the number of
            classes, or a label is not below it.
    """

    def __init__(self, num_classes: int | None = None, *, lr: float = 0.1) -> None:
        if num_classes is not None and num_classes < 2:
            raise ValueError(f"OnlineProbe needs num_classes of at least 2, got {num_classes}.")
        if not lr > 0:
            raise ValueError(f"OnlineProbe needs an lr above 0, got {lr}.")
        self.num_classes = num_classes
        self.lr = lr
        self._off = False
        self._classes = 0
        self._probe: SoftmaxProbe | None = None
        self._restored: dict[str, Any] = {}
        # Both stay on the device: the highest label so far; top-1 hits, top-5 hits, images.
        self._highest: Tensor | None = None
        self._counts: Tensor | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Start anew for a fit; the state of a checkpoint comes after this."""
        if stage != "fit":
            return
        self._off, self._probe, self._restored, self._highest = False, None, {}, None
        data: Any = getattr(trainer, "datamodule", None)
        classes = self.num_classes
        if classes is None and hasattr(data, "num_classes"):
            classes = data.num_classes
            if classes is None:
                self._switch_off(
                    "the training data has no labels (or labels of an unknown number of classes: "
                    "then give it num_classes)"
                )
                return
            if classes < 2:
                self._switch_off("the training data has a single class")
                return
        if classes is None:
            raise ValueError(
                "OnlineProbe needs the number of classes, and there is no datamodule with "
                "num_classes: give OnlineProbe(num_classes=...), or remove the callback."
            )
        self._classes = classes

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """One step of the probe."""
        step = None if self._off else read_step(outputs, "OnlineProbe")
        if step is None:
            return
        features, label = as_views(step[0]), step[1]
        if self._probe is None and not self._restored:
            reason = why_unlabelled(label)
            if reason is not None:
                self._switch_off(reason)
                return
        highest = label.max()
        self._highest = highest if self._highest is None else self._highest.maximum(highest)
        # Reads a value from the device: on a GPU only here and at the end of the epoch.
        if label.device.type == "cpu" or batch_idx == 0:
            self._check_labels()
        known = label.masked_fill((label < 0) | (label >= self._classes), -1)
        loss = self._probe_for(features).step(features.flatten(0, 1), known.repeat(len(features)))
        pl_module.log(
            "online_probe/train_loss",
            loss,
            on_step=False,
            on_epoch=True,
            batch_size=len(label),
            sync_dist=True,
        )

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make sure that no label of this epoch was left out unnoticed."""
        self._check_labels()

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count from zero, if there is a probe to be scored."""
        learned = self._probe is not None or self._restored
        skipped = self._off or trainer.sanity_checking or not learned
        self._counts = None if skipped else torch.zeros(3, device=pl_module.device)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count what the probe gets right."""
        if self._counts is None or dataloader_idx > 0:
            return
        step = read_step(outputs, "OnlineProbe")
        if step is None:
            return
        features, label = step
        scores = self._probe_for(features)(features)
        right = scores.topk(min(5, scores.shape[1])).indices == label[:, None]
        self._counts += torch.stack([right[:, 0].sum(), right.sum(), (label >= 0).sum()])

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the accuracies over the labelled validation images of all ranks."""
        if self._counts is None or self._probe is None:
            return
        top1, top5, images = mean_across_ranks(self._counts).tolist()
        if images:
            pl_module.log("online_probe/val_top1", top1 / images, batch_size=1, sync_dist=True)
        if images and len(self._probe.bias) > 5:
            pl_module.log("online_probe/val_top5", top5 / images, batch_size=1, sync_dist=True)

    def state_dict(self) -> dict[str, Any]:
        """The probe: weights, statistics and optimiser; empty while there is none."""
        return self._restored if self._probe is None else self._probe.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state until the first features tell the device and the width."""
        self._restored = state_dict

    def _probe_for(self, features: Tensor) -> SoftmaxProbe:
        """The probe, made at the first features (..., F) it is needed for."""
        if self._probe is None:
            classes = self._classes or len(self._restored["weights"]["bias"])
            # Validation runs in inference mode, whose tensors could not be trained later.
            with torch.inference_mode(False):
                probe = SoftmaxProbe(features.shape[-1], classes, lr=self.lr).to(features.device)
                if self._restored:
                    probe.restore(self._restored)
            self._probe, self._restored = probe, {}
        return self._probe

    def _check_labels(self) -> None:
        if self._highest is not None and self._highest >= self._classes:
            raise ValueError(
                f"OnlineProbe got the label {int(self._highest)} with num_classes="
                f"{self._classes}: labels run from 0 to {self._classes - 1}. Give the number of "
                "classes that the data has."
            )

    def _switch_off(self, reason: str) -> None:
        self._off = True
        rank_zero_info(f"OnlineProbe is off: {reason}.")
