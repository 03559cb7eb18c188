"""SimCLR (Chen et al. 2020)."""

from collections.abc import Iterable, Sequence

from sslkit.methods.head_sizes import head_sizes
from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.negatives.plugin import Plugin
from sslkit.nn import Encoder, MLPHead
from sslkit.objectives import NTXent
from sslkit.optim import LARS, LRScaling, Schedule, WarmupCosine
from sslkit.views import SimCLRViews, Views


class SimCLR(JointEmbedding):
    """Two views of an image agree, against every other view in the batch.

    Chen, Kornblith, Norouzi, Hinton, "A Simple Framework for Contrastive Learning of Visual
    Representations", ICML 2020 (https://arxiv.org/abs/2002.05709), equation 1; code:
    google-research/simclr. With 2N unit embeddings of N images, i+ the other view of i::

        L = 1/(2N) sum_i [ -s(i,i+)/t + log sum_{j != i} exp(s(i,j)/t) ],   s = cosine

    The official code sums both directions, which is twice this mean; LARS hides the factor.

    When to use it: the plain baseline; wants large batches (256 and more), since the negatives
    are the batch. Published, ResNet-50 on ImageNet, linear, 1,000 epochs at batch 4,096: 69.1 %
    (the released checkpoint). ResNet-18 on CIFAR-10, 1,000 epochs: about 91 % (README).

    Shapes: images (B,C,H,W) uint8 -> 2 views (B,C,S,S) -> features (B,F) -> embeddings (B,D).
    Views are encoded jointly. Defaults are the paper's for ImageNet.

    Args:
        encoder: The backbone, or a timm model name.
        views: The augmentation; None is `SimCLRViews` with the paper's ImageNet settings.
        hidden_dim: Width of the projector's hidden layers; None is the encoder's feature width.
        output_dim: Width D of the embeddings.
        projector_layers: Linear layers of the projector; 2 in SimCLR, 3 in SimCLR v2.
        temperature: t, above 0.
        plugins: Treatments of positives and negatives (`sslkit.negatives`), in this order; None
            is the plain method.
        optimizer: None is LARS in SimCLR's form (`LARS` with ``lr_in_buffer``), weight decay 1e-4
            as in the official ImageNet command (paper: 1e-6).
        base_lr: Learning rate before scaling.
        lr_scaling: ``sqrt`` is base_lr * sqrt(B); 0.3 with ``linear`` is the same at B = 4,096.
        schedule: Factor on the learning rate at each step.
        exclude_bias_and_norm: Keep biases and normalisation out of decay and adaptation.
        compile: Run encoder and heads through `torch.compile`.

    Raises:
        ValueError: If ``temperature``, a width or ``base_lr`` is not above 0, or a plug-in
            cannot work here.
    """

    def __init__(
        self,
        *,
        encoder: Encoder | str = "resnet50",
        views: Views | None = None,
        hidden_dim: int | None = None,
        output_dim: int = 128,
        projector_layers: int = 2,
        temperature: float = 0.1,
        plugins: Sequence[Plugin] | None = None,
        optimizer: OptimizerFactory | None = None,
        base_lr: float = 0.075,
        lr_scaling: LRScaling = "sqrt",
        schedule: Schedule | None = None,
        exclude_bias_and_norm: bool = True,
        compile: bool = False,
    ) -> None:
        encoder = Encoder(encoder) if isinstance(encoder, str) else encoder
        super().__init__(
            encoder=encoder,
            projector=simclr_projector(encoder, hidden_dim, output_dim, projector_layers),
            objective=NTXent(temperature=temperature, plugins=plugins),
            views=views if views is not None else SimCLRViews(),
            optimizer=optimizer if optimizer is not None else simclr_lars,
            base_lr=base_lr,
            lr_scaling=lr_scaling,
            schedule=schedule if schedule is not None else WarmupCosine(),
            exclude_bias_and_norm=exclude_bias_and_norm,
            compile=compile,
            encode_jointly=True,
            project_jointly=True,
        )


def simclr_projector(
    encoder: Encoder, hidden_dim: int | None, output_dim: int, layers: int
) -> MLPHead:
    """SimCLR's projector: no biases, and a last normalisation with scale but without offset.

    Raises:
        ValueError: If it is to have no layer.
    """
    return MLPHead(
        encoder.num_features,
        head_sizes(encoder, hidden_dim, output_dim, layers),
        hidden_bias=False,
        last_bias=False,
        last_norm="scale",
        weight_std=0.01,
    )


def simclr_lars(groups: Iterable) -> LARS:
    """LARS in SimCLR's form, with the weight decay of its ImageNet command."""
    return LARS(groups, weight_decay=1e-4, lr_in_buffer=True)
