"""The engine of the joint-embedding methods: views, branches, objective, optimisation, state.

One batch: ``on_after_batch_transfer`` makes V views of B images on the device; the objective's
routes say which of them are encoded (B,F), projected (B,D) and compared; the step's output carries
detached features for the callbacks that watch.
"""

from typing import Any

import torch
from torch import Tensor, nn

from sslkit.data import Batch, ViewBatch
from sslkit.distributed import rank
from sslkit.methods.augmenting import augmented
from sslkit.methods.branches import Momentum, check_views, follow, targets, through
from sslkit.methods.channels import check_channels
from sslkit.methods.compilation import compile_networks, networks
from sslkit.methods.finite import FiniteWatch
from sslkit.methods.optimisation import (
    OptimizerFactory,
    check_bias_lr_ratio,
    effective_lr,
    epoch_steps,
    optimiser_and_schedule,
    optimiser_of,
    total_steps,
)
from sslkit.methods.ranks import keep_queues_local, synchronise_batch_norm
from sslkit.methods.reporting import announce, log_step
from sslkit.methods.run_record import resume_record, write_record
from sslkit.methods.safe_loading import SafelyLoaded
from sslkit.methods.statistics import share_statistics
from sslkit.methods.worker_crops import AfterCrop, share_crops
from sslkit.negatives.plugin import Progress
from sslkit.nn import Encoder, MomentumBranch
from sslkit.objectives import Objective
from sslkit.optim import LRScaling, Schedule, parameter_groups
from sslkit.views import Views


class JointEmbedding(SafelyLoaded):
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
        bias_lr_ratio: Learning rate of biases and normalisation parameters over that of the
            weights, above 0; they must be excluded to have one of their own.
        predictor: From the online branch's embeddings to what the objective compares with the
            targets, (B,D) -> (B,D). With one, targets of the online branch are detached.
        momentum: How the target branches follow; None takes targets from the online branch.
        encode_jointly: Encode views of one size together; batch statistics are then joint.
        project_jointly: The same for the projector and the predictor.
        sync_batchnorm: On several GPUs, take batch statistics over all of them.
        compile: Train with encoder, heads and momentum branches compiled by `torch.compile`.
            Checkpoints are those of a run without.

    Raises:
        ValueError: If ``base_lr`` is not above 0, the momentum is outside [0, 1], or
            ``bias_lr_ratio`` is not above 0 or has no group of parameters to act on.
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
        bias_lr_ratio: float = 1.0,
        predictor: nn.Module | None = None,
        momentum: Momentum | None = None,
        encode_jointly: bool = False,
        project_jointly: bool = False,
        sync_batchnorm: bool = True,
        compile: bool = False,
    ) -> None:
        super().__init__()
        if not base_lr > 0:
            raise ValueError(f"base_lr must be above 0, got {base_lr}.")
        check_bias_lr_ratio(bias_lr_ratio, exclude_bias_and_norm)
        self.encoder = encoder
        self.projector = projector
        self.objective = objective
        self.views = views
        self.optimizer = optimizer
        self.base_lr = base_lr
        self.lr_scaling: LRScaling = lr_scaling
        self.schedule = schedule
        self.exclude_bias_and_norm = exclude_bias_and_norm
        self.bias_lr_ratio = bias_lr_ratio
        self.predictor = predictor
        self.momentum = momentum
        self.encode_jointly = encode_jointly
        self.project_jointly = project_jointly
        self.sync_batchnorm = sync_batchnorm
        self.compiled = compile
        self.after_crop: AfterCrop | None = None
        # Training batches so far: names the draws of the next one, its views and its plug-ins.
        self.batches_drawn = 0
        self._finite = FiniteWatch()
        encoder.fit_to(views.sizes)  # before the momentum branches copy it
        self.momentum_branches = nn.ModuleList()
        if momentum is not None:
            self.momentum_branches.extend(
                MomentumBranch((encoder, projector), shuffle=momentum.shuffle)
                for _ in targets(objective.routes)
            )

    # --- data ---------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Take the data's channels and statistics; check that they fit the encoder."""
        data = getattr(self.trainer, "datamodule", None)
        check_channels(self.encoder, data)
        share_statistics(data, self.views, self.encoder, self.objective)
        if self.sync_batchnorm:
            synchronise_batch_norm(self, self.trainer)
        keep_queues_local(self)
        announce(self)
        self.after_crop = share_crops(self.views, data)
        if self.compiled and stage == "fit":
            compile_networks(networks(self))

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Batch | ViewBatch:
        """Augment a training batch on its device; other batches stay as they are."""
        return augmented(self, batch, training=self.trainer.training)

    # --- steps --------------------------------------------------------------------------------

    def training_step(self, batch: ViewBatch, batch_idx: int) -> dict[str, Tensor]:
        """One forward pass.

        Returns:
            ``loss``, and for callbacks ``features`` (V,B,F) float32 detached, ``label``, ``index``.

        Raises:
            ValueError: If the batch has one image, or not the views that the objective needs.
            FloatingPointError: If the loss is not finite; names the quantity that went first.
        """
        check_views(batch.views, self)
        self.objective.begin(self._progress(), batch)
        self.batches_drawn += 1
        features, online, target = self.embed(batch.views)
        with torch.autocast(online.device.type, enabled=False):
            wide = torch.promote_types(online.dtype, torch.float32)
            result = self.objective(online.to(wide), target.to(wide), batch)
        self._finite.watch(features=features, embeddings=online, loss=result["loss"])
        self._finite.check_now_and_then(batch_idx, self.global_step)
        log_step(self, result, len(batch.views[0]))
        return {
            "loss": result["loss"],
            "features": features.detach().float(),
            "label": batch.label,
            "index": batch.index,
        }

    def _progress(self) -> Progress:
        return Progress(
            step=self.trainer.global_step,
            steps_per_epoch=epoch_steps(self.trainer),
            batch=self.batches_drawn,
            rank=rank(),
        )

    def on_train_epoch_end(self) -> None:
        """Check before the epoch's checkpoint is written, so that none holds a diverged network."""
        self._finite.check(self.global_step)

    def embed(self, views: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Views along their routes: features (V,B,F), online (Vo,B,D), target (Vt,B,D)."""
        routes = self.objective.routes
        following = bool(self.momentum_branches)
        # Without a momentum branch, targets are embeddings of the online one.
        encoded = sorted({*routes.online} if following else {*routes.online, *routes.target})
        features = through(self.encoder, [views[i] for i in encoded], jointly=self.encode_jointly)
        z = through(self.projector, features.unbind(), jointly=self.project_jointly)
        p = z
        if self.predictor is not None:
            p = through(self.predictor, z.unbind(), jointly=self.project_jointly)
        online = p[[encoded.index(view) for view in routes.online]]
        if following:
            branches = zip(self.momentum_branches, targets(routes), strict=True)
            each = [through(b, [views[i] for i in v], jointly=False) for b, v in branches]
            return features, online, torch.cat(each)
        fixed = z if self.predictor is None else z.detach()
        return features, online, fixed[[encoded.index(view) for view in routes.target]]

    def validation_step(
        self, batch: Batch | ViewBatch, batch_idx: int, dataloader_idx: int = 0
    ) -> dict[str, Tensor]:
        """Features (B,F) float32 of un-augmented images, for the callbacks that watch."""
        ready = isinstance(batch, ViewBatch)
        images = batch.views[0] if ready else self.encoder.preprocess(batch.image)
        features = self.encoder(images).float()
        return {"features": features, "label": batch.label, "index": batch.index}

    # --- optimisation -------------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        """The optimiser at its effective learning rate, and the schedule per optimiser step."""
        groups = parameter_groups(self, exclude_bias_and_norm=self.exclude_bias_and_norm)
        return optimiser_and_schedule(
            self.trainer,
            optimiser_of(self.optimizer, groups),
            effective_lr(self.trainer, self.base_lr, self.lr_scaling),
            self.schedule,
            bias_lr_ratio=self.bias_lr_ratio,
        )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """An optimiser step, after which the momentum branches follow once."""
        step = self.trainer.global_step  # steps before this one
        super().optimizer_step(*args, **kwargs)
        if self.momentum is not None:
            online, steps = (self.encoder, self.projector), total_steps(self.trainer)
            follow(self.momentum_branches, online, self.momentum, step, steps)

    # --- state --------------------------------------------------------------------------------

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what rebuilds the encoder and what a resumed run must find again."""
        write_record(self, checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that the checkpoint is of this configuration, then take over its counters."""
        resume_record(self, checkpoint)
