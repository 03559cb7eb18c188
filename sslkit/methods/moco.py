"""MoCo, versions 1, 2 and the symmetric one (He et al. 2020, Chen et al. 2020)."""

from collections.abc import Iterable, Sequence

from torch.optim import SGD

from sslkit.methods.branches import Momentum
from sslkit.methods.head_sizes import head_sizes
from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.negatives.plugin import Plugin
from sslkit.nn import Encoder, MLPHead, MomentumSchedule, split_batch_norm
from sslkit.objectives import QueueInfoNCE
from sslkit.optim import LRScaling, Schedule, WarmupCosine
from sslkit.views import MoCoV2Views, Views


class MoCo(JointEmbedding):
    """A query finds its key, from a slowly moving encoder, among the keys of past batches.

    He, Fan, Wu, Xie, Girshick, "Momentum Contrast for Unsupervised Visual Representation Learning",
    CVPR 2020 (https://arxiv.org/abs/1911.05722), equation 1; Chen, Fan, Girshick, He, "Improved
    Baselines with Momentum Contrastive Learning", 2020 (https://arxiv.org/abs/2003.04297); code:
    facebookresearch/moco. With unit query q of view 1, key k of view 2 and K queue rows n_j::

        L = mean over images of -log[ exp(q.k/t) / (exp(q.k/t) + sum_j exp(q.n_j/t)) ]

    The key encoder follows after every optimiser step, m key + (1 - m) query; keys enter the queue
    after the loss. The defaults are version 2. Version 1: ``projector_layers=1, temperature=0.07,
    views=MoCoV1Views(), schedule=MultiStep([120, 160])`` for 200 epochs. The
    symmetric version (v2+, "MoCo v2 symmetric" in the authors' CIFAR notebook) has both views as
    queries and is the mean of both directions; an epoch of it costs about two.

    When to use it: small batches (256 and less), since the negatives come from the queue. On one
    device set ``bn_splits`` to 8, as the authors' notebook does: without, a query and its key share
    batch statistics. Published, ResNet-50 on ImageNet, linear: version 1 60.8 % and version 2
    67.5 % at 200 epochs, version 2 71.1 % at 800 (README). ResNet-18 on CIFAR-10, batch 512,
    kNN-200 at 200 epochs: 82.6 %, symmetric 85.3 % (notebook).

    Shapes: images (B,C,H,W) uint8 -> 2 views (B,C,S,S) -> features (B,F) -> embeddings (B,D).

    Args:
        encoder: The backbone, or a timm model name.
        views: The augmentation; None is `MoCoV2Views` with the ImageNet settings.
        hidden_dim: Width of the projector's hidden layers; None is the encoder's feature width.
        output_dim: Width D of the embeddings.
        projector_layers: Linear layers of the projector, without normalisation; 1 in version 1.
        queue_size: K; the notebook has 4,096 for CIFAR.
        temperature: t, above 0.
        momentum: m of the first update, in [0, 1].
        momentum_schedule: ``constant``, or ``cosine`` from there to 1.
        symmetric: Use both views as queries and keys.
        shuffle: Encode keys in an order shuffled across ranks (ShuffleBN). Batch statistics are
            then a rank's own; without it and without splits they are taken over all GPUs.
        bn_splits: Parts of a batch that the encoder's batch normalisation treats as if they lay on
            as many devices.
        decoupled: Leave the positive out of the denominator, which is `DCL` on a queue.
        sigma: With ``decoupled``, weigh the positives as `DCLW` does (0.5 there); None does not.
        tau_plus: Chance in [0, 1) that a row of the queue is of the anchor's class, which
            `DebiasedSimCLR` corrects for; not with ``decoupled``.
        plugins: Treatments of positives and negatives (`sslkit.negatives`), in this order; None
            is the plain method.
        optimizer: None is SGD with momentum 0.9 and weight decay 1e-4.
        base_lr: Learning rate before scaling.
        lr_scaling: How it grows with the batch.
        schedule: None is a cosine that moves once an epoch, without warm-up.
        exclude_bias_and_norm: Keep biases and normalisation out of decay; MoCo does not.
        compile: Run encoder and heads through `torch.compile`.

    Raises:
        ValueError: If an argument is outside its range, ``sigma`` is set without ``decoupled`` or
            ``tau_plus`` with it, a plug-in cannot work here, or ``bn_splits`` is set for an encoder
            without batch normalisation.
    """

    def __init__(
        self,
        *,
        encoder: Encoder | str = "resnet50",
        views: Views | None = None,
        hidden_dim: int | None = None,
        output_dim: int = 128,
        projector_layers: int = 2,
        queue_size: int = 65536,
        temperature: float = 0.2,
        momentum: float = 0.999,
        momentum_schedule: MomentumSchedule = "constant",
        symmetric: bool = False,
        shuffle: bool = True,
        bn_splits: int = 1,
        decoupled: bool = False,
        sigma: float | None = None,
        tau_plus: float = 0.0,
        plugins: Sequence[Plugin] | None = None,
        optimizer: OptimizerFactory | None = None,
        base_lr: float = 0.03,
        lr_scaling: LRScaling = "linear",
        schedule: Schedule | None = None,
        exclude_bias_and_norm: bool = False,
        compile: bool = False,
    ) -> None:
        encoder = Encoder(encoder) if isinstance(encoder, str) else encoder
        if bn_splits != 1:
            split_batch_norm(encoder, bn_splits)
        super().__init__(
            encoder=encoder,
            projector=moco_projector(encoder, hidden_dim, output_dim, projector_layers),
            objective=QueueInfoNCE(
                dim=output_dim,
                queue_size=queue_size,
                temperature=temperature,
                symmetric=symmetric,
                decoupled=decoupled,
                sigma=sigma,
                tau_plus=tau_plus,
                plugins=plugins,
            ),
            views=views if views is not None else MoCoV2Views(),
            optimizer=optimizer if optimizer is not None else moco_sgd,
            base_lr=base_lr,
            lr_scaling=lr_scaling,
            schedule=(
                schedule if schedule is not None else WarmupCosine(warmup_epochs=0, per_epoch=True)
            ),
            exclude_bias_and_norm=exclude_bias_and_norm,
            compile=compile,
            momentum=Momentum(base=momentum, schedule=momentum_schedule, shuffle=shuffle),
            sync_batchnorm=not shuffle and bn_splits == 1,
        )


def moco_projector(
    encoder: Encoder, hidden_dim: int | None, output_dim: int, layers: int
) -> MLPHead:
    """MoCo's projector: biases and no normalisation.

    Raises:
        ValueError: If it is to have no layer.
    """
    sizes = head_sizes(encoder, hidden_dim, output_dim, layers)
    return MLPHead(encoder.num_features, sizes, norm="none")


def moco_sgd(groups: Iterable) -> SGD:
    """The optimiser of MoCo, versions 1 and 2."""
    return SGD(groups, momentum=0.9, weight_decay=1e-4)
