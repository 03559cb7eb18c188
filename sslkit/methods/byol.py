"""BYOL, with and without batch statistics (Grill et al. 2020, Richemond et al. 2020)."""

from collections.abc import Iterable
from typing import Literal

from sslkit.methods.branches import Momentum
from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.nn import Encoder, MLPHead, MomentumSchedule
from sslkit.objectives import BYOLObjective
from sslkit.optim import LARS, LRScaling, Schedule, WarmupCosine
from sslkit.views import BYOLViews, Views


class BYOL(JointEmbedding):
    """Each view's prediction is near the other view's target; nothing is a negative.

    Grill, Strub, Altche et al., "Bootstrap Your Own Latent", NeurIPS 2020
    (https://arxiv.org/abs/2006.07733), equation 2; code: google-deepmind/deepmind-research, byol.
    With predictions p of the online branch and targets z of the momentum branch (no gradient)::

        L = mean over images of l(p1, z2) + l(p2, z1),   l(p, z) = 2 - 2 cos(p, z)

    After every optimiser step the target follows with 1 - (1 - m)(1 + cos(pi step/steps))/2.

    Without batch statistics (Richemond et al., "BYOL works even without batch statistics", 2020,
    https://arxiv.org/abs/2010.10241): ``encoder=Encoder(..., norm="group"), norm="group"``, that is
    group normalisation everywhere and standardised convolutions. Learning rate, decay and momentum
    must be tuned anew.

    When to use it: when negatives hurt, as with few or overlapping classes; medium to large
    batches, and smaller ones with a higher momentum. Published, ResNet-50 on ImageNet, linear,
    1,000 epochs: 74.3 % (paper), 73.9 % without batch statistics. ResNet-18 on CIFAR-10, batch 256,
    1,000 epochs: 92.6 % (solo-learn).

    With `MultiCropViews` the small views are predictions only: they pass through the online branch,
    and find the targets of the two large ones.

    Shapes: images (B,C,H,W) uint8 -> 2 views (B,C,S,S) -> features (B,F) -> embeddings (B,D).
    Views are encoded one by one. The defaults are those for 1,000 epochs; the authors' code has for
    100 and 300 epochs ``momentum=0.99``, weight decay 1e-6 and ``base_lr`` 0.45 and 0.3.

    Args:
        encoder: The backbone, or a timm model name.
        views: The augmentation; None is `BYOLViews` with the paper's ImageNet settings.
        hidden_dim: Width of the hidden layers of projector and predictor.
        output_dim: Width D of the embeddings.
        norm: Normalisation in projector and predictor.
        momentum: m, momentum of the first update, in [0, 1].
        momentum_schedule: ``cosine`` from there to 1, or ``constant``.
        optimizer: None is LARS with weight decay 1.5e-6.
        base_lr: Learning rate before scaling.
        lr_scaling: How it grows with the batch.
        schedule: None is `WarmupCosine` with 10 epochs of warm-up.
        exclude_bias_and_norm: Keep biases and normalisation out of decay and adaptation.
        compile: Run encoder and heads through `torch.compile`.

    Raises:
        ValueError: If a width or ``base_lr`` is not above 0, ``momentum`` is outside [0, 1], or 16
            groups do not divide the hidden width.
    """

    def __init__(
        self,
        *,
        encoder: Encoder | str = "resnet50",
        views: Views | None = None,
        hidden_dim: int = 4096,
        output_dim: int = 256,
        norm: Literal["batch", "group"] = "batch",
        momentum: float = 0.996,
        momentum_schedule: MomentumSchedule = "cosine",
        optimizer: OptimizerFactory | None = None,
        base_lr: float = 0.2,
        lr_scaling: LRScaling = "linear",
        schedule: Schedule | None = None,
        exclude_bias_and_norm: bool = True,
        compile: bool = False,
    ) -> None:
        encoder = Encoder(encoder) if isinstance(encoder, str) else encoder
        views = views if views is not None else BYOLViews()
        super().__init__(
            encoder=encoder,
            projector=byol_head(encoder.num_features, hidden_dim, output_dim, norm),
            predictor=byol_head(output_dim, hidden_dim, output_dim, norm),
            objective=BYOLObjective(views=views.num_views),
            views=views,
            optimizer=optimizer if optimizer is not None else _lars,
            base_lr=base_lr,
            lr_scaling=lr_scaling,
            schedule=schedule if schedule is not None else WarmupCosine(),
            exclude_bias_and_norm=exclude_bias_and_norm,
            compile=compile,
            momentum=Momentum(base=momentum, schedule=momentum_schedule),
        )


def byol_head(
    in_features: int, hidden_dim: int, output_dim: int, norm: Literal["batch", "group"]
) -> MLPHead:
    """BYOL's projector or predictor.

    Raises:
        ValueError: If a width is below 1, or there are no 16 groups in the hidden one.
    """
    return MLPHead(in_features, [hidden_dim, output_dim], norm=norm, last_bias=False)


def _lars(groups: Iterable) -> LARS:
    return LARS(groups, weight_decay=1.5e-6)
