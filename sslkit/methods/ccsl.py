"""CCSL: BYOL with similar images as further positives; a reconstruction."""

from typing import Literal

from sslkit.methods.branches import Momentum
from sslkit.methods.byol import byol_head
from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.methods.tribyol import small_batch_sgd
from sslkit.nn import Encoder, MomentumSchedule
from sslkit.objectives import SelfLabelledMSE
from sslkit.optim import Constant, LRScaling, Schedule
from sslkit.views import BYOLViews, Views


class CCSL(JointEmbedding):
    """BYOL, also pulled to the targets of images that look alike [reconstruction].

    Unverified: of Garg and Jain, "Self-Labeling Refinement for Robust Representation Learning with
    Bootstrap Your Own Latent", 2022 (https://arxiv.org/abs/2204.04545), the abstract is public and
    the code lacks the losses. This is this toolkit's reading, so the paper's figures say nothing of
    this class (and they are of fine-tuned networks, no linear probes). With S the cosines of
    predictions and targets of the global batch, P_i = {i} and all j with S_ij >= theta_positive,
    M_i all other j with S_ij <= theta_negative::

        l_i = mean_{j in P_i} (2 - 2 S_ij) + negative_weight * mean_{j in M_i} max(S_ij, 0)

    and L is the mean over images of both directions' sum.

    When to use it: to let similar images attract each other in `BYOL`, which it is with
    ``theta_positive`` above 1.

    Shapes: images (B,C,H,W) uint8 -> 2 views (B,C,S,S) -> features (B,F) -> embeddings (B,D).
    Views are encoded one by one. The defaults are what the paper's repository shows for STL-10,
    at batch 16; its augmentation is not public, and that of `BYOL` stands in for it.

    Args:
        encoder: The backbone, or a timm model name.
        views: The augmentation; None is `BYOLViews` at 96 px.
        hidden_dim: Width of the hidden layers of projector and predictor.
        output_dim: Width D of the embeddings.
        norm: Normalisation in projector and predictor, see `BYOL`.
        theta_positive: Cosine from which on a pair is alike.
        theta_negative: Cosine up to which a pair is unlike, below ``theta_positive``.
        negative_weight: Weight of the unlike pairs, at least 0.
        momentum: Momentum of the first update, in [0, 1].
        momentum_schedule: ``constant``, or ``cosine`` from there to 1.
        optimizer: None is SGD with momentum 0.9 and weight decay 4e-4.
        base_lr: Learning rate before scaling.
        lr_scaling: How it grows with the batch.
        schedule: None is `Constant`.
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
        output_dim: int = 512,
        norm: Literal["batch", "group"] = "batch",
        theta_positive: float = 0.8,
        theta_negative: float = 0.2,
        negative_weight: float = 0.0,
        momentum: float = 0.996,
        momentum_schedule: MomentumSchedule = "constant",
        optimizer: OptimizerFactory | None = None,
        base_lr: float = 0.03,
        lr_scaling: LRScaling = "none",
        schedule: Schedule | None = None,
        exclude_bias_and_norm: bool = False,
        compile: bool = False,
    ) -> None:
        encoder = Encoder(encoder) if isinstance(encoder, str) else encoder
        super().__init__(
            encoder=encoder,
            projector=byol_head(encoder.num_features, hidden_dim, output_dim, norm),
            predictor=byol_head(output_dim, hidden_dim, output_dim, norm),
            objective=SelfLabelledMSE(
                theta_positive=theta_positive,
                theta_negative=theta_negative,
                negative_weight=negative_weight,
            ),
            views=views if views is not None else BYOLViews(size=96),
            optimizer=optimizer if optimizer is not None else small_batch_sgd,
            base_lr=base_lr,
            lr_scaling=lr_scaling,
            schedule=schedule if schedule is not None else Constant(),
            exclude_bias_and_norm=exclude_bias_and_norm,
            compile=compile,
            momentum=Momentum(base=momentum, schedule=momentum_schedule),
        )
