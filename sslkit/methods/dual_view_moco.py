"""MoCo with a loss on keys too and hard negatives only; a reconstruction."""

from sslkit.methods.branches import Momentum
from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.moco import moco_projector, moco_sgd
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.nn import Encoder, MomentumSchedule, split_batch_norm
from sslkit.objectives import DualViewNCE
from sslkit.optim import LRScaling, Schedule, WarmupCosine
from sslkit.views import MoCoV2Views, Views


class DualViewMoCo(JointEmbedding):
    """MoCo with a loss on keys too, against the hardest rows of the queue [reconstruction].

    Unverified: of Hoang et al., "Momentum Contrastive Learning with Enhanced Negative Sampling and
    Hard Negative Filtering", 2025 (https://arxiv.org/abs/2501.16360), only the abstract could be
    read, and no code is public. Loss and defaults are this toolkit's reading of it, so the paper's
    figures say nothing of this class. With H(a) the rows of the queue nearest to a, k detached::

        L = (1 - w) NCE(a=q, positive=k, H(q)) + w NCE(a=k, positive=q, H(k))

    When to use it: to try hard negatives on `MoCo`; with ``hardest=queue_size, key_weight=0`` it is
    `MoCo`.

    Shapes: images (B,C,H,W) uint8 -> 2 views (B,C,S,S) -> features (B,F) -> embeddings (B,D).
    Network and optimisation are those of `MoCo`.

    Args:
        encoder: The backbone, or a timm model name.
        views: The augmentation; None is `MoCoV2Views` with the ImageNet settings.
        hidden_dim: Width of the projector's hidden layers; None is the encoder's feature width.
        output_dim: Width D of the embeddings.
        projector_layers: Linear layers of the projector, without normalisation.
        queue_size: K.
        temperature: t, above 0.
        hardest: Rows of the queue that an anchor is compared with; None is a quarter.
        key_weight: w in [0, 1].
        symmetric: Take view 2's query and view 1's key in the second term.
        momentum: Momentum of the first update, in [0, 1].
        momentum_schedule: ``constant``, or ``cosine`` from there to 1.
        shuffle: Encode keys in an order shuffled across ranks, see `MoCo`.
        bn_splits: Parts of a batch with batch statistics of their own, see `MoCo`.
        optimizer: None is SGD with momentum 0.9 and weight decay 1e-4.
        base_lr: Learning rate before scaling.
        lr_scaling: How it grows with the batch.
        schedule: None is a cosine that moves once an epoch, without warm-up.
        exclude_bias_and_norm: Keep biases and normalisation out of decay.
        compile: Run encoder and heads through `torch.compile`.

    Raises:
        ValueError: If an argument is outside its range, or ``bn_splits`` is set for an encoder
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
        hardest: int | None = None,
        key_weight: float = 0.5,
        symmetric: bool = False,
        momentum: float = 0.999,
        momentum_schedule: MomentumSchedule = "constant",
        shuffle: bool = True,
        bn_splits: int = 1,
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
            objective=DualViewNCE(
                dim=output_dim,
                queue_size=queue_size,
                temperature=temperature,
                hardest=hardest,
                key_weight=key_weight,
                symmetric=symmetric,
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
