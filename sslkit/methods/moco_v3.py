"""MoCo v3 (Chen et al. 2021)."""

from collections.abc import Iterable, Sequence

from torch import nn

from sslkit.methods.branches import Momentum
from sslkit.methods.head_sizes import head_sizes
from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.negatives.plugin import Plugin
from sslkit.nn import Encoder, MLPHead, MomentumSchedule
from sslkit.objectives import MoCoV3Objective
from sslkit.optim import LARS, LRScaling, Schedule, WarmupCosine
from sslkit.views import BYOLViews, Views


class MoCoV3(JointEmbedding):
    """MoCo with a predictor, and the batch in place of the queue.

    Chen, Xie, He, "An Empirical Study of Training Self-Supervised Vision Transformers", ICCV 2021
    (https://arxiv.org/abs/2104.02057), algorithm 1; code: facebookresearch/moco-v3. With unit
    predictions q and momentum keys k of N images (no gradient through k)::

        ctr(q, k) = 2t * mean_i -log[ exp(q_i.k_i/t) / sum_j exp(q_i.k_j/t) ]
        L = ctr(q1, k2) + ctr(q2, k1)

    When to use it: vision transformers, and large batches (1,024 and more) on several GPUs.
    Published, batch 4,096, linear on ImageNet (README): ResNet-50 68.9 % at 100 epochs, 72.8 % at
    300, 74.6 % at 1,000; ViT-S 73.2 %, ViT-B 76.7 % at 300.

    Shapes: images (B,C,H,W) uint8 -> 2 views (B,C,S,S) -> features (B,F) -> embeddings (B,D).
    Views are encoded one by one. The defaults are ResNet-50's for 100 epochs. 300: ``base_lr=0.3``;
    1,000: also weight decay 1.5e-6 and ``momentum=0.996``. Vision transformers:
    ``projector_layers=3, predictor_norm=True, freeze_patches=True, temperature=0.2``, AdamW with
    ``base_lr=1.5e-4`` and weight decay 0.1, ``exclude_bias_and_norm=False``, 40 epochs of warm-up,
    crops from 8 %. (Their position embeddings are timm's; the authors' are fixed sines.)

    Args:
        encoder: The backbone, or a timm model name.
        views: The augmentation; None is `BYOLViews` with crops of at least 20 %.
        hidden_dim: Width of the hidden layers of projector and predictor.
        output_dim: Width D of the embeddings.
        projector_layers: Linear layers of the projector.
        predictor_norm: Batch normalisation after the predictor's last layer.
        freeze_patches: Keep a transformer's patch projection at its random initial weights.
        temperature: t, above 0.
        momentum: Momentum of the first update, in [0, 1].
        momentum_schedule: ``cosine`` from there to 1, or ``constant``.
        plugins: Treatments of positives and negatives (`sslkit.negatives`), in this order; None
            is the plain method.
        optimizer: None is LARS with weight decay 1e-6.
        base_lr: Learning rate before scaling.
        lr_scaling: How it grows with the batch.
        schedule: None is `WarmupCosine` with 10 epochs of warm-up.
        exclude_bias_and_norm: Keep biases and normalisation out of decay and adaptation.
        compile: Run encoder and heads through `torch.compile`.

    Raises:
        ValueError: If an argument is outside its range, the encoder has no patches to freeze, or a
            plug-in cannot work here.
    """

    def __init__(
        self,
        *,
        encoder: Encoder | str = "resnet50",
        views: Views | None = None,
        hidden_dim: int = 4096,
        output_dim: int = 256,
        projector_layers: int = 2,
        predictor_norm: bool = False,
        freeze_patches: bool = False,
        temperature: float = 1.0,
        momentum: float = 0.99,
        momentum_schedule: MomentumSchedule = "cosine",
        plugins: Sequence[Plugin] | None = None,
        optimizer: OptimizerFactory | None = None,
        base_lr: float = 0.6,
        lr_scaling: LRScaling = "linear",
        schedule: Schedule | None = None,
        exclude_bias_and_norm: bool = True,
        compile: bool = False,
    ) -> None:
        encoder = Encoder(encoder) if isinstance(encoder, str) else encoder
        if freeze_patches:
            _freeze_patches(encoder)
        projector = MLPHead(
            encoder.num_features,
            head_sizes(encoder, hidden_dim, output_dim, projector_layers),
            hidden_bias=False,
            last_bias=False,
            last_norm="plain",
        )
        predictor = MLPHead(
            output_dim,
            [hidden_dim, output_dim],
            hidden_bias=False,
            last_bias=False,
            last_norm="plain" if predictor_norm else "none",
        )
        super().__init__(
            encoder=encoder,
            projector=projector,
            predictor=predictor,
            objective=MoCoV3Objective(temperature=temperature, plugins=plugins),
            views=views if views is not None else BYOLViews(crop_scale=(0.2, 1.0)),
            optimizer=optimizer if optimizer is not None else _lars,
            base_lr=base_lr,
            lr_scaling=lr_scaling,
            schedule=schedule if schedule is not None else WarmupCosine(),
            exclude_bias_and_norm=exclude_bias_and_norm,
            compile=compile,
            momentum=Momentum(base=momentum, schedule=momentum_schedule),
        )


def _freeze_patches(encoder: Encoder) -> None:
    patches = getattr(encoder.backbone, "patch_embed", None)
    if not isinstance(patches, nn.Module):
        raise ValueError(
            f"freeze_patches=True keeps the patch projection of a vision transformer as it is, and "
            f"{encoder.name} has none: leave it out, or use a ViT."
        )
    patches.requires_grad_(False)


def _lars(groups: Iterable) -> LARS:
    return LARS(groups, weight_decay=1e-6)
