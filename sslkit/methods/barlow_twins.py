"""Barlow Twins (Zbontar et al. 2021)."""

from collections.abc import Iterable

from sslkit.methods.head_sizes import head_sizes
from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.nn import Encoder, MLPHead
from sslkit.objectives import BarlowTwins as BarlowTwinsObjective
from sslkit.objectives.redundancy import GradScale
from sslkit.optim import LARS, LRScaling, Schedule, WarmupCosine
from sslkit.views import BYOLViews, Views


class BarlowTwins(JointEmbedding):
    """The dimensions of two views agree, each with itself and with no other.

    Zbontar, Jing, Misra, LeCun, Deny, "Barlow Twins: Self-Supervised Learning via Redundancy
    Reduction", ICML 2021 (https://arxiv.org/abs/2103.03230), equation 1; code:
    facebookresearch/barlowtwins. With C the D x D correlation between the views' embeddings, each
    dimension standardised over the global batch::

        L = sum_a (1 - C_aa)^2 + off_diagonal_weight * sum_{a != b} C_ab^2

    When to use it: without negatives and without a momentum branch; wants wide embeddings and
    medium batches (256 to 2,048). Published, ResNet-50 on ImageNet, batch 2,048, 1,000 epochs,
    linear: 73.5 % (README). ResNet-18 on CIFAR-10, batch 256, 1,000 epochs: 92.1 % (solo-learn,
    2,048 wide).

    Shapes: images (B,C,H,W) uint8 -> 2 views (B,C,S,S) -> features (B,F) -> embeddings (B,D).
    Views are encoded one by one. Defaults are those of the authors' code.

    Args:
        encoder: The backbone, or a timm model name.
        views: The augmentation; None is `BYOLViews` with the ImageNet settings.
        hidden_dim: Width of the projector's hidden layers.
        output_dim: Width D of the embeddings.
        projector_layers: Linear layers of the projector.
        off_diagonal_weight: At least 0.
        grad_scale: ``true``, or ``official`` for 1/W of the gradient on W ranks, as the authors'
            code has it; see `sslkit.objectives.BarlowTwins`.
        optimizer: None is LARS with weight decay 1e-6.
        base_lr: Learning rate of the weights before scaling.
        bias_lr_ratio: Rate of biases and normalisation over it; 0.0048 / 0.2 in the authors' code,
            tuned on 16 GPUs with ``grad_scale="official"``.
        lr_scaling: How rates grow with the batch.
        schedule: None is `WarmupCosine` with 10 epochs of warm-up, down to 0.001.
        exclude_bias_and_norm: Keep biases and normalisation out of decay and adaptation.
        compile: Run encoder and heads through `torch.compile`.

    Raises:
        ValueError: If an argument is outside its range.
    """

    def __init__(
        self,
        *,
        encoder: Encoder | str = "resnet50",
        views: Views | None = None,
        hidden_dim: int = 8192,
        output_dim: int = 8192,
        projector_layers: int = 3,
        off_diagonal_weight: float = 0.0051,
        grad_scale: GradScale = "true",
        optimizer: OptimizerFactory | None = None,
        base_lr: float = 0.2,
        bias_lr_ratio: float = 0.024,
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
                hidden_bias=False,
                last_bias=False,
            ),
            objective=BarlowTwinsObjective(
                off_diagonal_weight=off_diagonal_weight, grad_scale=grad_scale
            ),
            views=views if views is not None else BYOLViews(),
            optimizer=optimizer if optimizer is not None else _lars,
            base_lr=base_lr,
            lr_scaling=lr_scaling,
            schedule=schedule if schedule is not None else WarmupCosine(final_fraction=0.001),
            exclude_bias_and_norm=exclude_bias_and_norm,
            compile=compile,
            bias_lr_ratio=bias_lr_ratio,
        )


def _lars(groups: Iterable) -> LARS:
    return LARS(groups, weight_decay=1e-6)
