"""TriBYOL (Li et al. 2022)."""

from collections.abc import Iterable
from typing import Literal

from torch.optim import SGD

from sslkit.methods.branches import Momentum
from sslkit.methods.byol import byol_head
from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.nn import Encoder, MomentumSchedule
from sslkit.objectives import TriBYOLObjective
from sslkit.optim import LRScaling, Schedule, WarmupCosine
from sslkit.views import MoCoV2Views, Views


class TriBYOL(JointEmbedding):
    """BYOL with three views and two targets, for small batches.

    Li, Togo, Ogawa, Haseyama, "TriBYOL: Triplet BYOL for Self-Supervised Representation Learning",
    2022 (https://arxiv.org/abs/2206.03012). No code of the authors is public: loss and settings
    follow reimplementations. With predictions p of three views, targets T1 (views 1 and 2) and T2
    (views 1 and 3), and l of `BYOL`::

        L = mean of [ l(p1, T1 x2) + l(p2, T1 x1) + l(p1, T2 x3) + l(p3, T2 x1) ] / 2

    After an optimiser step one of the targets follows, in turn, so that they stay different.

    When to use it: batches of 64 and less. None of the published figures could be checked.

    Shapes: images (B,C,H,W) uint8 -> 3 views (B,C,S,S) -> features (B,F) -> embeddings (B,D).
    Views are encoded one by one.

    Args:
        encoder: The backbone, or a timm model name.
        views: The augmentation, three views alike; None is `MoCoV2Views` with three of 224 px.
        hidden_dim: Width of the hidden layers of projector and predictor.
        output_dim: Width D of the embeddings.
        norm: Normalisation in projector and predictor, see `BYOL`.
        momentum: Momentum of the first update, in [0, 1].
        momentum_schedule: ``constant``, or ``cosine`` from there to 1.
        target_update: ``alternate``, or ``both`` targets in every step (they then stay equal).
        optimizer: None is SGD with momentum 0.9 and weight decay 4e-4.
        base_lr: Learning rate before scaling.
        lr_scaling: How it grows with the batch.
        schedule: None is a cosine without warm-up.
        exclude_bias_and_norm: Keep biases and normalisation out of decay.
        compile: Run encoder and heads through `torch.compile`.

    Raises:
        ValueError: If an argument is outside its range.
    """

    def __init__(
        self,
        *,
        encoder: Encoder | str = "resnet18",
        views: Views | None = None,
        hidden_dim: int = 512,
        output_dim: int = 128,
        norm: Literal["batch", "group"] = "batch",
        momentum: float = 0.996,
        momentum_schedule: MomentumSchedule = "constant",
        target_update: Literal["alternate", "both"] = "alternate",
        optimizer: OptimizerFactory | None = None,
        base_lr: float = 0.03,
        lr_scaling: LRScaling = "none",
        schedule: Schedule | None = None,
        exclude_bias_and_norm: bool = False,
        compile: bool = False,
    ) -> None:
        encoder = Encoder(encoder) if isinstance(encoder, str) else encoder
        if target_update not in ("alternate", "both"):
            raise ValueError(f"target_update must be 'alternate' or 'both', got {target_update!r}.")
        super().__init__(
            encoder=encoder,
            projector=byol_head(encoder.num_features, hidden_dim, output_dim, norm),
            predictor=byol_head(output_dim, hidden_dim, output_dim, norm),
            objective=TriBYOLObjective(),
            views=views if views is not None else MoCoV2Views(views=3),
            optimizer=optimizer if optimizer is not None else small_batch_sgd,
            base_lr=base_lr,
            lr_scaling=lr_scaling,
            schedule=schedule if schedule is not None else WarmupCosine(warmup_epochs=0),
            exclude_bias_and_norm=exclude_bias_and_norm,
            compile=compile,
            momentum=Momentum(
                base=momentum,
                schedule=momentum_schedule,
                alternate=target_update == "alternate",
            ),
        )


def small_batch_sgd(groups: Iterable) -> SGD:
    """SGD as the reimplementations of BYOL's kin have it."""
    return SGD(groups, momentum=0.9, weight_decay=4e-4)
