"""The engine of what learns from labels: an encoder, a linear head, one weak view of each image.

One batch: ``on_after_batch_transfer`` makes V views of B images on the device; they are encoded
(V,B,F) and classified (V*B,K). `LinearProbe` and `FineTune` are constructors of this class.
"""

from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as transforms

from sslkit.data import Batch, ViewBatch
from sslkit.methods.augmenting import augmented
from sslkit.methods.branches import through
from sslkit.methods.channels import check_channels
from sslkit.methods.class_counts import ClassCounts, mean_cross_entropy
from sslkit.methods.compilation import compile_networks
from sslkit.methods.finite import FiniteWatch
from sslkit.methods.optimisation import (
    OptimizerFactory,
    effective_lr,
    optimiser_and_schedule,
    optimiser_of,
)
from sslkit.methods.run_record import resume_record, write_record
from sslkit.methods.safe_loading import SafelyLoaded
from sslkit.methods.trained import TrainedEncoder
from sslkit.methods.worker_crops import AfterCrop, share_crops
from sslkit.nn.heads import linear_head
from sslkit.optim import LRScaling, Schedule
from sslkit.views import Views, WeakViews


class Classifier(SafelyLoaded):
    """An encoder and a linear head, trained by softmax cross-entropy on labelled images.

    Unlabelled images (label −1) are left out of the loss and of all figures. Logs ``train/loss``,
    ``train/top1`` and ``train/lr``, and of the validation images ``val/loss``, ``val/top1`` and,
    with more than five classes, ``val/top5``. Its checkpoints hold the encoder as those of
    pretraining do.

    Args:
        trained: The encoder. Views and validation images are normalised by its own mean and std,
            as it was trained; by the data's if it has none.
        views: Makes the training images; None is `sslkit.views.WeakViews` of the encoder's size, or
            of 224 pixels while it has none.
        optimizer: Builds the optimiser from parameter groups.
        base_lr: Learning rate before scaling.
        lr_scaling: How ``base_lr`` grows with the global batch, see `sslkit.optim.scaled_lr`.
        schedule: The factor on the learning rate at each optimiser step.
        batch_norm: Normalise features before the head, by batch statistics without scale or offset.
        label_smoothing: Share of the target that is spread over all classes, in [0, 1).
        eval_crop: Part of a validation image's shorter side that is seen, in (0, 1]; 0.875 resizes
            to 256 pixels and crops 224.
        num_classes: K. None: the data module knows.
        compile: Run encoder and head through `torch.compile`.

    Attributes:
        trains: What learns, for reports.

    Raises:
        ValueError: If a number is out of its range, or the views do not fit the encoder.
    """

    trains: ClassVar[str]

    def __init__(
        self,
        *,
        trained: TrainedEncoder,
        views: Views | None,
        optimizer: OptimizerFactory,
        base_lr: float,
        lr_scaling: LRScaling,
        schedule: Schedule,
        batch_norm: bool = False,
        label_smoothing: float = 0.0,
        eval_crop: float = 1.0,
        num_classes: int | None = None,
        compile: bool = False,
    ) -> None:
        super().__init__()
        if not base_lr > 0:
            raise ValueError(f"base_lr must be above 0, got {base_lr}.")
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing must be in [0, 1), got {label_smoothing}.")
        if not 0 < eval_crop <= 1:
            raise ValueError(f"eval_crop must be above 0 and at most 1, got {eval_crop}.")
        self.encoder = trained.encoder
        self.views = views or WeakViews(size=self.encoder.image_size or 224)
        self.encoder.fit_to(self.views.sizes)
        self.encoder.image_size = self.views.sizes[0]  # a CNN may have been trained on another
        self.head: nn.Module | None = None
        self.classes = 0  # K, once there is a head
        self.optimizer = optimizer
        self.base_lr = base_lr
        self.lr_scaling: LRScaling = lr_scaling
        self.schedule = schedule
        self.batch_norm = batch_norm
        self.label_smoothing = label_smoothing
        self.eval_crop = eval_crop
        self.compiled = compile
        if num_classes is not None:
            self.make_head(num_classes)
        self.after_crop: AfterCrop | None = None
        # Training batches so far: names the draws of the next one.
        self.batches_drawn = 0
        self._statistics_are_its_own = trained.has_statistics
        self._finite = FiniteWatch()
        self._counts = ClassCounts()  # of this validation

    # --- data ---------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Make the head for the data's classes; agree with the data on channels and statistics."""
        data = getattr(self.trainer, "datamodule", None)
        check_channels(self.encoder, data)
        if getattr(data, "label_sets", False):
            raise ValueError(
                f"{type(self).__name__} learns one class an image, and the training images have "
                "several classes each (labels of a column for each class). Give data of one class "
                "an image; `sslkit evaluate` and OfflineProbe score frozen features on such labels."
            )
        mean, std = getattr(data, "mean", None), getattr(data, "std", None)
        if self._statistics_are_its_own:
            mean, std = self.encoder.mean.tolist(), self.encoder.std.tolist()
        if mean is not None and std is not None:
            self.views.set_statistics(mean, std)
        if self.views.mean is not None and self.views.std is not None:
            self.encoder.set_statistics(self.views.mean.tolist(), self.views.std.tolist())
        self.after_crop = share_crops(self.views, data)
        if self.head is None:
            classes = getattr(data, "num_classes", None)
            if classes is None:
                raise ValueError(
                    f"{type(self).__name__} learns from labels, and the training data has none (or "
                    "of an unknown number of classes: then give num_classes). Give images in one "
                    "folder per class, or arrays with labels."
                )
            self.make_head(classes)
        if self.compiled and stage == "fit":
            compile_networks(filter(None, (self.encoder, self.head)))
        learning = sum(p.numel() for p in self.parameters() if p.requires_grad) / 1e6
        rank_zero_info(
            f"{type(self).__name__}: {self.encoder.name} with {self.encoder.num_features} "
            f"features, {self.classes} classes; {learning:.2f} million parameters learn."
        )

    def make_head(self, classes: int) -> None:
        """The head, (N,F) -> (N,K), in place of any other.

        Args:
            classes: K, at least 2.

        Raises:
            ValueError: If there are fewer.
        """
        self.head = linear_head(self.encoder.num_features, classes, batch_norm=self.batch_norm)
        self.classes = classes

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch | ViewBatch:
        """Augment a training batch on its device; other batches stay as they are."""
        return augmented(self, batch, training=self.trainer.training)

    # --- steps --------------------------------------------------------------------------------

    def training_step(self, batch: ViewBatch, batch_idx: int) -> dict[str, Tensor]:
        """One forward pass.

        Returns:
            ``loss``, and for callbacks ``features`` (V,B,F) float32 detached, ``label``, ``index``.

        Raises:
            ValueError: If images have several classes each.
            FloatingPointError: If the loss is not finite; names the quantity that went first.
        """
        self.batches_drawn += 1
        features = through(self.encoder, batch.views, jointly=True)
        label = _classes(batch.label).repeat(len(features))
        logits = self.classify(features.flatten(0, 1))
        loss = mean_cross_entropy(logits, label, smoothing=self.label_smoothing)
        self._finite.watch(features=features, logits=logits, loss=loss)
        self._finite.check_now_and_then(batch_idx, self.global_step)
        images = len(batch.label)
        self.log("train/loss", loss.detach(), prog_bar=True, batch_size=images)
        top1 = (logits.argmax(1) == label).sum() / (label >= 0).sum().clamp(min=1)
        self.log("train/top1", top1, batch_size=images)
        # On the host: a number would be copied to the device and waited for.
        lr = torch.tensor(self.trainer.optimizers[0].param_groups[-1]["lr"])
        self.log("train/lr", lr, batch_size=images)
        return {
            "loss": loss,
            "features": features.detach().float(),
            "label": batch.label,
            "index": batch.index,
        }

    def on_train_epoch_end(self) -> None:
        """Check before the epoch's checkpoint is written, so that none holds a diverged network."""
        self._finite.check(self.global_step)

    def classify(self, features: Tensor) -> Tensor:
        """Features (N,F) -> logits (N,K) in at least float32."""
        assert self.head is not None, "setup() makes the head"
        logits = self.head(features)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def encode(self, images: Tensor) -> Tensor:
        """Un-augmented images (B,C,H,W) uint8 -> features (B,F), see ``eval_crop``."""
        side = self.encoder.image_size
        if side is not None and self.eval_crop < 1:
            images = transforms.resize(images, [round(side / self.eval_crop)], antialias=True)
            images = transforms.center_crop(images, [side, side])
        return self.encoder(self.encoder.preprocess(images))

    def on_validation_epoch_start(self) -> None:
        """Count from zero."""
        self._counts = ClassCounts(self.device)

    def validation_step(
        self, batch: Batch | ViewBatch, batch_idx: int, dataloader_idx: int = 0
    ) -> dict[str, Tensor]:
        """Features (B,F) float32 of un-augmented images, for callbacks; the first loader's count.

        Raises:
            ValueError: If images have several classes each.
        """
        views = isinstance(batch, ViewBatch)
        features = self.encoder(batch.views[0]) if views else self.encode(batch.image)
        if dataloader_idx == 0:
            self._counts.add(self.classify(features), _classes(batch.label))
        return {"features": features.float(), "label": batch.label, "index": batch.index}

    def on_validation_epoch_end(self) -> None:
        """Log the figures of the labelled validation images of all ranks."""
        for name, value in self._counts.figures().items():
            shown = name == "top1"
            self.log(f"val/{name}", value, prog_bar=shown, batch_size=1, sync_dist=True)

    # --- optimisation and state ---------------------------------------------------------------

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """What learns, in groups for the optimiser; the head's last."""
        return [{"params": [p for p in self.parameters() if p.requires_grad]}]

    def configure_optimizers(self) -> Any:
        """The optimiser at its effective learning rate, and the schedule per optimiser step."""
        lr = effective_lr(self.trainer, self.base_lr, self.lr_scaling)
        optimiser = optimiser_of(self.optimizer, self.parameter_groups())
        return optimiser_and_schedule(self.trainer, optimiser, lr, self.schedule)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what rebuilds the encoder and what a resumed run must find again."""
        write_record(self, checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the checkpoint is of this configuration, then take over its counters."""
        resume_record(self, checkpoint)


def _classes(label: Tensor) -> Tensor:
    """Labels ``(B,)``.

    Raises:
        ValueError: If images have several classes each.
    """
    if label.ndim != 1:
        raise ValueError(
            f"a classifier needs labels of one class an image, and these are of shape "
            f"{tuple(label.shape)}, several classes an image."
        )
    return label
