"""Debiased contrastive learning and hard negatives (Chuang et al. 2020, Robinson et al. 2021)."""

from collections.abc import Iterable, Sequence

from torch.optim import Adam

from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.negatives.plugin import Plugin
from sslkit.nn import Encoder, MLPHead
from sslkit.objectives import DebiasedNCE
from sslkit.optim import Constant, LRScaling, Schedule
from sslkit.views import MoCoV2Views, Views


class DebiasedSimCLR(JointEmbedding):
    """SimCLR corrected for negatives of the anchor's own class; with beta above 0 it is HCL.

    Chuang, Robinson, Lin, Torralba, Jegelka, "Debiased Contrastive Learning", NeurIPS 2020
    (https://arxiv.org/abs/2007.00224); Robinson, Chuang, Sra, Jegelka, "Contrastive Learning with
    Hard Negative Samples", ICLR 2021 (https://arxiv.org/abs/2010.04592). For each of 2N anchors,
    with P = exp(s+/t), the M = 2N - 2 negatives e_j = exp(s_j/t) and w_j = e_j^beta over its mean::

        G = max( (sum_j w_j e_j - tau_plus M P) / (1 - tau_plus),  M exp(-1/t) )
        L = mean of -log( P / (P + G) )

    ``tau_plus=0, beta=0`` is SimCLR's loss.

    When to use it: few classes, where many negatives are no negatives. Watch the logged
    ``clamped_fraction``: anchors at the bound of G learn nothing from their negatives, which at
    temperature 0.1 may be all of them. Published, ResNet-50 on STL-10, batch 256, 400 epochs,
    linear (the authors' README): biased 80.2 %, tau_plus 0.1 84.3 %, with beta 1 87.4 %.

    Shapes: images (B,C,H,W) uint8 -> 2 views (B,C,S,S) -> features (B,F) -> embeddings (B,D).
    Views are encoded one by one. Defaults are those of the authors' code for small images.

    Args:
        encoder: The backbone, or a timm model name; None is a ResNet-50 for small images.
        views: The augmentation; None is 32 px, crops of 8 to 100 % and the colours of
            `MoCoV2Views`.
        hidden_dim: Width of the projector's hidden layer.
        output_dim: Width D of the embeddings.
        temperature: t, above 0.
        tau_plus: Chance in [0, 1) that a negative is of the anchor's class.
        beta: How much harder negatives weigh more, at least 0; 0 is the debiased loss, HCL has
            0.5 to 2.
        plugins: Treatments of positives and negatives (`sslkit.negatives`), in this order; None
            is the plain method.
        optimizer: None is Adam with weight decay 1e-6.
        base_lr: Learning rate before scaling.
        lr_scaling: How it grows with the batch.
        schedule: None is `Constant`.
        exclude_bias_and_norm: Keep biases and normalisation out of decay.
        compile: Run encoder and heads through `torch.compile`.

    Raises:
        ValueError: If ``temperature``, a width or ``base_lr`` is not above 0, ``tau_plus`` or
            ``beta`` is outside its range, or a plug-in cannot work here.
    """

    def __init__(
        self,
        *,
        encoder: Encoder | str | None = None,
        views: Views | None = None,
        hidden_dim: int = 512,
        output_dim: int = 128,
        temperature: float = 0.5,
        tau_plus: float = 0.1,
        beta: float = 0.0,
        plugins: Sequence[Plugin] | None = None,
        optimizer: OptimizerFactory | None = None,
        base_lr: float = 1e-3,
        lr_scaling: LRScaling = "none",
        schedule: Schedule | None = None,
        exclude_bias_and_norm: bool = False,
        compile: bool = False,
    ) -> None:
        if encoder is None:
            encoder = Encoder("resnet50", small_images=True)
        encoder = Encoder(encoder) if isinstance(encoder, str) else encoder
        if views is None:
            views = MoCoV2Views(size=32, crop_scale=(0.08, 1.0))
        super().__init__(
            encoder=encoder,
            projector=MLPHead(encoder.num_features, [hidden_dim, output_dim], hidden_bias=False),
            objective=DebiasedNCE(
                temperature=temperature, tau_plus=tau_plus, beta=beta, plugins=plugins
            ),
            views=views,
            optimizer=optimizer if optimizer is not None else _adam,
            base_lr=base_lr,
            lr_scaling=lr_scaling,
            schedule=schedule if schedule is not None else Constant(),
            exclude_bias_and_norm=exclude_bias_and_norm,
            compile=compile,
        )


def _adam(groups: Iterable) -> Adam:
    return Adam(groups, weight_decay=1e-6)
