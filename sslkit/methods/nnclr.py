"""NNCLR (Dwibedi et al. 2021)."""

from collections.abc import Iterable, Sequence

from sslkit.methods.head_sizes import head_sizes
from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.negatives.plugin import Plugin
from sslkit.nn import Encoder, MLPHead
from sslkit.objectives import NNCLRObjective
from sslkit.optim import LARS, LRScaling, Schedule, WarmupCosine
from sslkit.views import BYOLViews, Views


class NNCLR(JointEmbedding):
    """The nearest neighbour of one view, from past images, finds the other view in the batch.

    Dwibedi, Aytar, Tompson, Sermanet, Zisserman, "With a Little Help from My Friends:
    Nearest-Neighbor Contrastive Learning of Visual Representations", ICCV 2021
    (https://arxiv.org/abs/2104.14548), equation 3. With projections z, predictions p of N images
    and nn(z) the queue's unit row nearest to z (no gradient)::

        l(a, p) = mean_i -log[ exp(a_i.p_i/t) / sum_j exp(a_i.p_j/t) ]
        L = ( l(nn(z1), p2) + l(nn(z2), p1) ) / 2

    The first views' projections enter the queue after the lookup. Decoupled, the positive is left
    out of the sum, as in `DCL` (Yeh et al. 2022).

    When to use it: in place of `SimCLR` where the augmentations alone say too little; a crop may be
    enough of one. Published, ResNet-50 on ImageNet, linear: 75.6 % (abstract); decoupled, batch
    512, 400 epochs: 72.3 % (Yeh et al.). ResNet-18 on CIFAR-10, batch 256, 1,000 epochs: 91.9 %
    (solo-learn, temperature 0.2).

    Shapes: images (B,C,H,W) uint8 -> 2 views (B,C,S,S) -> features (B,F) -> embeddings (B,D).
    Views are encoded one by one. Defaults are the paper's; no code of the authors is public, and
    the views are those of solo-learn.

    Args:
        encoder: The backbone, or a timm model name.
        views: The augmentation; None is `BYOLViews` with the ImageNet settings.
        hidden_dim: Width of the projector's hidden layers.
        output_dim: Width D of the embeddings.
        projector_layers: Linear layers of the projector, each with batch normalisation.
        predictor_hidden_dim: Width of the predictor's hidden layer.
        queue_size: K; 65,536 in public code.
        temperature: t, above 0.
        decoupled: Leave the positive out of the denominator.
        plugins: Treatments of positives and negatives (`sslkit.negatives`), in this order; None
            is the plain method.
        optimizer: None is LARS with weight decay 1e-6.
        base_lr: Learning rate before scaling.
        lr_scaling: How it grows with the batch.
        schedule: None is `WarmupCosine` with 10 epochs of warm-up.
        exclude_bias_and_norm: Keep biases and normalisation out of decay and adaptation.
        compile: Run encoder and heads through `torch.compile`.

    Raises:
        ValueError: If ``temperature``, a size or ``base_lr`` is not above 0, or a plug-in
            cannot work here.
    """

    def __init__(
        self,
        *,
        encoder: Encoder | str = "resnet50",
        views: Views | None = None,
        hidden_dim: int = 2048,
        output_dim: int = 256,
        projector_layers: int = 3,
        predictor_hidden_dim: int = 4096,
        queue_size: int = 98304,
        temperature: float = 0.1,
        decoupled: bool = False,
        plugins: Sequence[Plugin] | None = None,
        optimizer: OptimizerFactory | None = None,
        base_lr: float = 0.3,
        lr_scaling: LRScaling = "linear",
        schedule: Schedule | None = None,
        exclude_bias_and_norm: bool = True,
        compile: bool = False,
    ) -> None:
        encoder = Encoder(encoder) if isinstance(encoder, str) else encoder
        super().__init__(
            encoder=encoder,
            projector=MLPHead(
                encoder.num_features,
                head_sizes(encoder, hidden_dim, output_dim, projector_layers),
                last_norm="affine",
            ),
            predictor=MLPHead(output_dim, [predictor_hidden_dim, output_dim]),
            objective=NNCLRObjective(
                dim=output_dim,
                queue_size=queue_size,
                temperature=temperature,
                decoupled=decoupled,
                plugins=plugins,
            ),
            views=views if views is not None else BYOLViews(),
            optimizer=optimizer if optimizer is not None else _lars,
            base_lr=base_lr,
            lr_scaling=lr_scaling,
            schedule=schedule if schedule is not None else WarmupCosine(),
            exclude_bias_and_norm=exclude_bias_and_norm,
            compile=compile,
        )


def _lars(groups: Iterable) -> LARS:
    return LARS(groups, weight_decay=1e-6)
