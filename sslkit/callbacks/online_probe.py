"""Linear probes that learn beside the encoder and never touch it.

B images, V views, F feature width, C classes.
"""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from sslkit.callbacks.layer_features import LayerFeatures
from sslkit.callbacks.softmax_probe import SoftmaxProbes
from sslkit.callbacks.step_output import SEVERAL, as_views, read_step, why_unlabelled
from sslkit.distributed import mean_across_ranks

_TOP = 5


class OnlineProbe(pl.Callback):
    """Softmax regression on the training step's detached features, scored on the validation set.

    It learns in float32 from every view of every labelled image (label −1 is left out), by SGD with
    momentum 0.9 on standardised features. It starts at zero and draws nothing from any random
    generator: the encoder is bit-identical with and without it. Its weights, statistics and
    momentum travel in the checkpoint; all ranks hold the same probe.

    Logs ``online_probe/train_loss``, ``online_probe/val_top1`` and, with more than five classes,
    ``online_probe/val_top5``. Several layers and learning rates are probed in one step; their
    figures are ``online_probe/<layer>/...`` and ``online_probe/lr_<rate>/...``. The probe follows
    a moving encoder and learns on augmented images: read these as curves, and take the score from
    ``sslkit evaluate``. Of several validation loaders the first is read. Without labels the
    callback switches itself off and says so.

    In a module of your own, return ``features`` (V,B,F) or (B,F) and ``label`` (B,) beside ``loss``
    from ``training_step``, and ``features`` (B,F) and ``label`` from ``validation_step``.

    Args:
        num_classes: C. None: the datamodule knows.
        lr: Learning rate at 128 features, or several, each of a head of its own; for other widths
            they are scaled by 128 / F.
        layers: Layers to probe beside the features: names of modules in the encoder's backbone
            (``layer3`` of a ResNet, ``blocks.5`` of a ViT), whose outputs are averaged over places.

    Raises:
        ValueError: If an argument is out of range; in ``fit``, if nothing tells the number of
            classes, a label is not below it, or the encoder has no such layer.
    """

    def __init__(
        self,
        num_classes: int | None = None,
        *,
        lr: float | list[float] = 0.1,
        layers: Sequence[str] = (),
    ) -> None:
        if num_classes is not None and num_classes < 2:
            raise ValueError(f"OnlineProbe needs num_classes of at least 2, got {num_classes}.")
        self.lrs = list(lr) if isinstance(lr, (list, tuple)) else [lr]
        if not self.lrs or not min(self.lrs) > 0:
            raise ValueError(f"OnlineProbe needs an lr above 0, got {lr}.")
        self.num_classes = num_classes
        self.layers = list(layers)
        if len({*self.lrs}) < len(self.lrs) or len({*self.layers}) < len(self.layers):
            raise ValueError(f"OnlineProbe got one of lr={lr}, layers={self.layers} twice.")
        self.names = [
            "online_probe" + "".join(f"/{part}" for part in (layer, rate) if part)
            for layer in ("", *self.layers)
            for rate in ([f"lr_{rate:g}" for rate in self.lrs] if len(self.lrs) > 1 else [""])
        ]
        self._off = False
        self._told: set[str] = set()
        self._classes = 0
        self._probes: SoftmaxProbes | None = None
        self._watched: LayerFeatures | None = None
        self._restored: dict[str, Any] = {}
        # All stay on the device: the highest label so far; of this epoch the sums of the losses;
        # of this validation hits among 1 and among 5, and images.
        self._highest: Tensor | None = None
        self._losses: Tensor | None = None
        self._batches = 0
        self._counts: Tensor | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Start anew for a fit; the state of a checkpoint comes after this."""
        self._unwatch()
        if self.layers:
            encoder = getattr(pl_module, "encoder", None)
            if not isinstance(encoder, torch.nn.Module):
                raise ValueError(
                    f"OnlineProbe looks for the layers {self.layers} in the module's encoder, and "
                    f"{type(pl_module).__name__} has no attribute `encoder`: give it one, or leave "
                    "layers out."
                )
            self._watched = LayerFeatures(encoder, self.layers)
        if stage != "fit":
            return
        self._off, self._probes, self._restored, self._highest = False, None, {}, None
        self._losses, self._batches = None, 0
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

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Watch the layers."""
        if self._watched is not None and not self._off:
            self._watched.start()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """One step of the probes."""
        step = None if self._off else read_step(outputs, "OnlineProbe")
        if step is None:
            return
        features, label = as_views(step[0]), step[1]
        if self._probes is None and not self._restored:
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
        layers = self._layers(features.flatten(0, 1))
        # Whatever the order in which a layer saw the views: each view has the batch's labels.
        losses = self._probes_for(layers).step(layers, known.repeat(len(features)))
        self._losses = losses if self._losses is None else self._losses.to(losses.device) + losses
        self._batches += 1

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the epoch's mean losses; make sure that no label was left out unnoticed."""
        self._check_labels()
        if self._losses is None:
            return
        losses = mean_across_ranks(self._losses / self._batches).tolist()
        self._losses, self._batches = None, 0
        for name, loss in zip(self.names, losses, strict=True):
            pl_module.log(f"{name}/train_loss", loss, batch_size=1, sync_dist=True)

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count from zero, if there is a probe to be scored."""
        learned = self._probes is not None or self._restored
        skipped = self._off or trainer.sanity_checking or not learned
        self._counts = None if skipped else torch.zeros(3, len(self.names), device=pl_module.device)

    def on_validation_batch_start(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Watch the layers."""
        if self._watched is not None and self._counts is not None and dataloader_idx == 0:
            self._watched.start()

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count what the probes get right."""
        if self._counts is None or dataloader_idx > 0:
            return
        step = read_step(outputs, "OnlineProbe")
        if step is None:
            return
        features, label = step
        if label.ndim == 2:  # the training images have one class each
            self._counts = None
            self._tell(f"does not score: the validation images {SEVERAL}")
            return
        layers = self._layers(features)
        scores = self._probes_for(layers)(layers)
        right = scores.topk(min(_TOP, scores.shape[1]), dim=1).indices == label
        images = (label >= 0).sum().expand(len(scores))
        self._counts += torch.stack([right[:, 0].sum(1), right.sum((1, 2)), images])

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the accuracies over the labelled validation images of all ranks."""
        if self._counts is None or self._probes is None:
            return
        top1, top5, images = mean_across_ranks(self._counts).tolist()
        if not images[0]:
            return
        shares = {"val_top1": top1} | ({"val_top5": top5} if self._probes.classes > _TOP else {})
        for figure, hits in shares.items():
            for name, right in zip(self.names, hits, strict=True):
                value = right / images[0]
                pl_module.log(f"{name}/{figure}", value, batch_size=1, sync_dist=True)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave the encoder unwatched."""
        self._unwatch()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Leave the encoder unwatched."""
        self._unwatch()

    def state_dict(self) -> dict[str, Any]:
        """The probes: weights, statistics, momentum, and the epoch's losses; empty without any."""
        if self._probes is None:
            return self._restored
        return {**self._probes.state(), "losses": self._losses, "batches": self._batches}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the state until the first features tell the device and the width."""
        self._restored = state_dict
        self._losses, self._batches = state_dict.get("losses"), state_dict.get("batches", 0)

    def _layers(self, features: Tensor) -> list[Tensor]:
        """The features ``(N, F)``, and those of the layers beside them."""
        watched = [] if self._watched is None else self._watched.take(len(features))
        return [features, *watched]

    def _probes_for(self, layers: Sequence[Tensor]) -> SoftmaxProbes:
        """The probes, made at the first features (N, F_l) that they are needed for."""
        if self._probes is None:
            classes = self._classes or self._restored["classes"]
            widths = [rows.shape[1] for rows in layers]
            # Validation runs in inference mode, whose tensors could not be changed later.
            with torch.inference_mode(False):
                probes = SoftmaxProbes(widths, classes, lrs=self.lrs).to(layers[0].device)
                if self._restored:
                    probes.restore(self._restored)
            self._probes, self._restored = probes, {}
        return self._probes

    def _check_labels(self) -> None:
        if self._highest is not None and self._highest >= self._classes:
            raise ValueError(
                f"OnlineProbe got the label {int(self._highest)} with num_classes="
                f"{self._classes}: labels run from 0 to {self._classes - 1}. Give the number of "
                "classes that the data has."
            )

    def _switch_off(self, reason: str) -> None:
        self._off = True
        self._tell(f"is off: {reason}")

    def _tell(self, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            rank_zero_info(f"OnlineProbe {what}.")

    def _unwatch(self) -> None:
        if self._watched is not None:
            self._watched.close()
            self._watched = None
