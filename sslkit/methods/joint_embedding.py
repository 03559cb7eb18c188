"""The engine of the joint-embedding methods: views, branches, objective, optimisation, state.

One batch: ``on_after_batch_transfer`` makes V views of B images on the device; the objective's
routes say which of them are encoded (B,F), projected (B,D) and compared; the step's output carries
detached features for the callbacks that watch.
"""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn

from sslkit._version import __version__
from sslkit.data import Batch, ViewBatch, as_batch
from sslkit.distributed import gather_objects, rank
from sslkit.methods.finite import FiniteWatch
from sslkit.methods.optimisation import OptimizerFactory, effective_lr, optimiser_and_schedule
from sslkit.nn import Encoder
from sslkit.nn.checkpoint import FORMAT, RECORD
from sslkit.objectives import Objective
from sslkit.optim import LRScaling, Schedule
from sslkit.seeding import counter_generator, global_seed, restore_rng_state, rng_state
from sslkit.views import Views

# Batches between looks at whether the loss is finite, on an accelerator, which a look waits for.
_CHECK_EVERY = 50


class JointEmbedding(pl.LightningModule):
    """Encoder, projector and objective over several views of the same images.

    Named methods (`SimCLR`, ...) are constructors of this class. It reads batches of uint8 images
    (`sslkit.data.Batch`, a tensor, or a tuple with labels) and augments them on the device, or
    takes ready-made float views.

    Args:
        encoder: The backbone, (B,C,S,S) -> (B,F).
        projector: From features to embeddings, (B,F) -> (B,D).
        objective: What the embeddings are compared by; its ``routes`` name the views it needs.
        views: Makes the views of a batch of uint8 images on the device.
        optimizer: Builds the optimiser from parameter groups: a class, or a callable returning one.
        base_lr: Learning rate before scaling.
        lr_scaling: How ``base_lr`` grows with the global batch, see `sslkit.optim.scaled_lr`.
        schedule: The factor on the learning rate at each optimiser step.
        exclude_bias_and_norm: Keep biases and normalisation parameters out of weight decay and,
            under LARS, out of adaptation.
    """

    def __init__(
        self,
        *,
        encoder: Encoder,
        projector: nn.Module,
        objective: Objective,
        views: Views,
        optimizer: OptimizerFactory,
        base_lr: float,
        lr_scaling: LRScaling,
        schedule: Schedule,
        exclude_bias_and_norm: bool = True,
    ) -> None:
        super().__init__()
        if not base_lr > 0:
            raise ValueError(f"base_lr must be above 0, got {base_lr}.")
        self.encoder = encoder
        self.projector = projector
        self.objective = objective
        self.views = views
        self.optimizer = optimizer
        self.base_lr = base_lr
        self.lr_scaling: LRScaling = lr_scaling
        self.schedule = schedule
        self.exclude_bias_and_norm = exclude_bias_and_norm
        # Training batches drawn so far: names the draw of the next batch's views.
        self.batches_drawn = 0
        self._finite = FiniteWatch()
        if encoder.image_size is None and len(set(views.sizes)) == 1:
            encoder.image_size = views.sizes[0]

    # --- data ---------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Take the data's channels and statistics; check that they fit the encoder."""
        data = getattr(self.trainer, "datamodule", None)
        channels = getattr(data, "channels", None)
        if channels is not None and channels != self.encoder.in_channels:
            raise ValueError(
                f"the data has {channels} channel(s) and the encoder takes "
                f"{self.encoder.in_channels}: set the data's channels={self.encoder.in_channels} "
                f"to convert the images, or the encoder's in_channels={channels}."
            )
        mean, std = getattr(data, "mean", None), getattr(data, "std", None)
        if mean is not None and std is not None:
            self.views.set_statistics(mean, std)
        size = sum(p.numel() for p in self.encoder.parameters()) / 1e6
        rank_zero_info(
            f"{type(self).__name__}: {self.encoder.name} with {size:.2f} million parameters and "
            f"{self.encoder.num_features} features, {self.objective}."
        )
        if self.views.mean is not None and self.views.std is not None:
            self.encoder.set_statistics(self.views.mean.tolist(), self.views.std.tolist())

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch | ViewBatch:
        """Augment a training batch on its device; other batches stay as they are."""
        batch = as_batch(batch)
        if isinstance(batch, ViewBatch) or not self.trainer.training:
            return batch
        generator = counter_generator(global_seed(), rank(), self.batches_drawn)
        self.batches_drawn += 1
        return ViewBatch(self.views(batch.image, generator), batch.label, batch.index)

    # --- steps --------------------------------------------------------------------------------

    def training_step(self, batch: ViewBatch, batch_idx: int) -> dict[str, Tensor]:
        """One forward pass.

        Returns:
            ``loss``, and for callbacks ``features`` (V,B,F) float32 detached, ``label``, ``index``.

        Raises:
            ValueError: If the batch has one image, or not the views that the objective needs.
            FloatingPointError: If the loss is not finite; names the quantity that went first.
        """
        routes = self.objective.routes
        needed = sorted({*routes.online, *routes.target})
        if max(needed) >= len(batch.views):
            raise ValueError(
                f"{type(self.objective).__name__} needs {max(needed) + 1} views of each image and "
                f"the batch has {len(batch.views)}."
            )
        images = len(batch.views[0])
        if images < 2:
            raise ValueError(
                f"{type(self).__name__} got a batch of {images} image, which has nothing to be "
                "compared with: use a batch_size of at least 2 (better 64 or more)."
            )
        features = self._encode([batch.views[i] for i in needed])
        z = self.projector(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        with torch.autocast(z.device.type, enabled=False):
            z = z.to(torch.promote_types(z.dtype, torch.float32))
            # Without a momentum branch, targets are embeddings of the online one.
            online = z[[needed.index(view) for view in routes.online]]
            target = z[[needed.index(view) for view in routes.target]]
            result = self.objective(online, target, batch)
        self._finite.watch(features=features, embeddings=z, loss=result["loss"])
        if self.device.type == "cpu" or batch_idx % _CHECK_EVERY == 0:
            self._finite.check(self.global_step)
        self._log_step(result, images)
        return {
            "loss": result["loss"],
            "features": features.detach().float(),
            "label": batch.label,
            "index": batch.index,
        }

    def on_train_epoch_end(self) -> None:
        """Check before the epoch's checkpoint is written, so that none holds a diverged network."""
        self._finite.check(self.global_step)

    def _encode(self, views: list[Tensor]) -> Tensor:
        # Jointly, as SimCLR's code does: batch statistics are those of both views together.
        features = self.encoder(torch.cat(views))
        return features.unflatten(0, (len(views), -1))

    def _log_step(self, result: dict[str, Tensor], images: int) -> None:
        self.log("train/loss", result["loss"].detach(), prog_bar=True, batch_size=images)
        for name, value in result.items():
            if name != "loss" and value.ndim == 0:
                self.log(f"train/{name}", value, batch_size=images)
        self.log("train/lr", self.trainer.optimizers[0].param_groups[0]["lr"], batch_size=images)

    def validation_step(
        self, batch: Batch | ViewBatch, batch_idx: int, dataloader_idx: int = 0
    ) -> dict[str, Tensor]:
        """Features (B,F) float32 of un-augmented images, for the callbacks that watch."""
        if isinstance(batch, ViewBatch):
            images = batch.views[0]
        else:
            images = self.encoder.preprocess(batch.image)
        features = self.encoder(images).float()
        return {"features": features, "label": batch.label, "index": batch.index}

    # --- optimisation -------------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        """The optimiser at its effective learning rate, and the schedule per optimiser step."""
        return optimiser_and_schedule(
            self,
            self.optimizer,
            effective_lr(self.trainer, self.base_lr, self.lr_scaling),
            self.schedule,
            exclude_bias_and_norm=self.exclude_bias_and_norm,
        )

    # --- state --------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what rebuilds the encoder and what a resumed run must find again, as plain values."""
        checkpoint[RECORD] = {
            "format": FORMAT,
            "version": __version__,
            "method": type(self).__name__,
            "encoder": self.encoder.spec(),
            "batches_drawn": self.batches_drawn,
            "rng": gather_objects(rng_state()),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the checkpoint is of this configuration, then take over counters and RNG."""
        record = checkpoint.get(RECORD)
        if record is None:
            raise ValueError(
                "the checkpoint was not written by this toolkit; it cannot be resumed."
            )
        if record["method"] != type(self).__name__:
            raise ValueError(
                f"the checkpoint is of {record['method']} and this run is of "
                f"{type(self).__name__}: resume with the configuration that wrote it."
            )
        differing = [
            f"{key} {record['encoder'].get(key)!r} in the checkpoint, {value!r} here"
            for key, value in self.encoder.spec().items()
            if record["encoder"].get(key) != value
        ]
        if differing:
            raise ValueError(
                f"the checkpoint is of another architecture ({'; '.join(differing)}): resume with "
                "the configuration that wrote it, or train anew without ckpt_path."
            )
        self.batches_drawn = record["batches_drawn"]
        if self.trainer.state.fn == TrainerFn.FITTING and rank() < len(record["rng"]):
            restore_rng_state(record["rng"][rank()])
