"""Decoupled contrastive learning, without and with weights on the positives (Yeh et al. 2022)."""

from collections.abc import Sequence

from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.methods.simclr import simclr_lars, simclr_projector
from sslkit.negatives.plugin import Plugin
from sslkit.nn import Encoder
from sslkit.objectives import DCL as DCLObjective
from sslkit.optim import LRScaling, Schedule, WarmupCosine
from sslkit.views import SimCLRViews, Views


class DCL(JointEmbedding):
    """SimCLR without the positive in the denominator, which helps small batches most.

    Yeh, Hong, Hsu, Liu, Chen, LeCun, "Decoupled Contrastive Learning", ECCV 2022
    (https://arxiv.org/abs/2110.06848). With 2N unit embeddings of N images, i+ the
    other view of i::

        L = 1/(2N) sum_i [ -s(i,i+)/t + log sum_{j not in {i,i+}} exp(s(i,j)/t) ],   s = cosine

    The paper sums over both views, which is twice this mean. The loss may be negative. The same on
    a queue is `MoCo` with ``decoupled=True``, on nearest neighbours `NNCLR` with it.

    When to use it: in place of `SimCLR`, with batches of 32 to 512. Published: ResNet-50 on
    ImageNet, batch 256, 200 epochs, linear: 68.2 % (abstract; 6.4 points above SimCLR). ResNet-50
    on CIFAR-10, 100 epochs, batch 32 / 256, linear: 84.6 / 85.4 % against 78.3 / 83.3 % with the
    positive in the denominator (the reimplementation raminnakhli/Decoupled-Contrastive-Learning).

    Shapes: images (B,C,H,W) uint8 -> 2 views (B,C,S,S) -> features (B,F) -> embeddings (B,D).
    Everything but the loss is SimCLR's, as in the paper; so are the defaults.

    Args:
        encoder: The backbone, or a timm model name.
        views: The augmentation; None is `SimCLRViews` with the ImageNet settings.
        hidden_dim: Width of the projector's hidden layers; None is the encoder's feature width.
        output_dim: Width D of the embeddings.
        projector_layers: Linear layers of the projector.
        temperature: t, above 0; 0.1 on ImageNet and 0.07 on CIFAR in the paper.
        plugins: Treatments of positives and negatives (`sslkit.negatives`), in this order; None
            is the plain method.
        optimizer: None is SimCLR's LARS, weight decay 1e-4.
        base_lr: Learning rate before scaling.
        lr_scaling: How it grows with the batch.
        schedule: None is `WarmupCosine` with 10 epochs of warm-up.
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
            objective=DCLObjective(temperature=temperature, plugins=plugins),
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


class DCLW(JointEmbedding):
    """DCL with a larger weight on positives that are still far apart.

    Yeh et al., "Decoupled Contrastive Learning", ECCV 2022 (https://arxiv.org/abs/2110.06848).
    The positive term of image i in `DCL`, -s(i,i+)/t, is multiplied by::

        w_i = 2 - N softmax_i(s(i,i+)/sigma),   whose mean over the batch is 1

    The softmax runs over the global batch, so the loss does not depend on the number of ranks.

    When to use it: it is seldom ahead of `DCL`. Published, ResNet-50 on CIFAR-10, 100 epochs, batch
    32 / 256, linear: 83.3 / 82.7 % (the reimplementation named in `DCL`).

    Shapes and defaults are those of `DCL`.

    Args:
        encoder: The backbone, or a timm model name.
        views: The augmentation; None is `SimCLRViews` with the ImageNet settings.
        hidden_dim: Width of the projector's hidden layers; None is the encoder's feature width.
        output_dim: Width D of the embeddings.
        projector_layers: Linear layers of the projector.
        temperature: t, above 0.
        sigma: Temperature of the weights, above 0.
        weight_gradient: Let gradient flow through the weights. The paper does not say, and public
            code does either.
        plugins: Treatments of positives and negatives (`sslkit.negatives`), in this order; None
            is the plain method.
        optimizer: None is SimCLR's LARS, weight decay 1e-4.
        base_lr: Learning rate before scaling.
        lr_scaling: How it grows with the batch.
        schedule: None is `WarmupCosine` with 10 epochs of warm-up.
        exclude_bias_and_norm: Keep biases and normalisation out of decay and adaptation.
        compile: Run encoder and heads through `torch.compile`.

    Raises:
        ValueError: If ``temperature``, ``sigma``, a width or ``base_lr`` is not above 0, or a
            plug-in cannot work here.
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
        sigma: float = 0.5,
        weight_gradient: bool = False,
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
            objective=DCLObjective(
                temperature=temperature,
                sigma=sigma,
                weight_gradient=weight_gradient,
                plugins=plugins,
            ),
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
