"""W-MSE (Ermolov et al. 2021)."""

from collections.abc import Iterable

from torch.optim import Adam

from sslkit.functional.whitening import Distance
from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.nn import Encoder, MLPHead
from sslkit.objectives import WMSE as WMSEObjective
from sslkit.optim import LRScaling, MultiStep, Schedule
from sslkit.views import Views, WMSEViews


class WMSE(JointEmbedding):
    """Views of an image are near, after whitening has spread the images apart.

    Ermolov, Siarohin, Sangineto, Sebe, "Whitening for Self-Supervised Representation Learning",
    ICML 2021 (https://arxiv.org/abs/2007.06346); code: htdt/self-supervised. The
    batch is cut into slices at random. In each, every view is centred and whitened by the inverse
    Cholesky factor of its own covariance, with gradient; then, over all pairs of the d views::

        L = mean over pairs and images of dist(y_a, y_b),   dist = 2 - 2 cos, or mean square

    When to use it: without negatives, momentum or predictor, for small images and batches of 256
    and more; four views learn more from an image than two. Published, ResNet-18 on CIFAR-10, 1,000
    epochs, linear: 88.7 % (solo-learn, which cuts the gradient of one view; this class does not).

    Shapes: images (B,C,H,W) uint8 -> d views (B,C,S,S) -> features (B,F) -> embeddings (B,D).
    Views are encoded one by one and projected together. Slices hold images of one rank, so B per
    process must be a multiple of ``slice_size``. Defaults are those of the authors' code for
    CIFAR; STL-10 and Tiny ImageNet: ``output_dim=128, slice_size=256``, with two views
    ``iterations=4``, and ``base_lr=2e-3``.

    Args:
        encoder: The backbone, or a timm model name; None is a ResNet-18 for small images.
        views: The augmentation, whose number of views is d; None is `WMSEViews` with two.
        hidden_dim: Width of the projector's hidden layer.
        output_dim: Width D of the embeddings, below ``slice_size``.
        slice_size: Images that are whitened together, a divisor of B; at least 2D is recommended.
        iterations: Times that the batch is cut anew in a step.
        eps: Share in [0, 1] of the identity in every covariance.
        distance: ``cosine``, or ``euclidean`` for the mean square over the D dimensions.
        optimizer: None is Adam with weight decay 1e-6.
        base_lr: Learning rate before scaling.
        lr_scaling: How it grows with the batch.
        schedule: None is a fifth 50 and 25 epochs before the end, after 500 steps of warm-up.
        exclude_bias_and_norm: Keep biases and normalisation out of decay; the authors do not.
        compile: Run encoder and heads through `torch.compile`.

    Raises:
        ValueError: If an argument is outside its range, or a slice is not larger than D.
    """

    def __init__(
        self,
        *,
        encoder: Encoder | str | None = None,
        views: Views | None = None,
        hidden_dim: int = 1024,
        output_dim: int = 64,
        slice_size: int = 128,
        iterations: int = 1,
        eps: float = 0.0,
        distance: Distance = "cosine",
        optimizer: OptimizerFactory | None = None,
        base_lr: float = 3e-3,
        lr_scaling: LRScaling = "none",
        schedule: Schedule | None = None,
        exclude_bias_and_norm: bool = False,
        compile: bool = False,
    ) -> None:
        if encoder is None:
            encoder = Encoder("resnet18", small_images=True)
        encoder = Encoder(encoder) if isinstance(encoder, str) else encoder
        if slice_size <= output_dim:
            raise ValueError(
                f"slice_size must be above output_dim={output_dim}, got {slice_size}: fewer images "
                "than dimensions have no full covariance. At least twice as many is recommended."
            )
        views = views if views is not None else WMSEViews()
        if schedule is None:
            schedule = MultiStep([-50, -25], gamma=0.2, warmup_steps=500)
        super().__init__(
            encoder=encoder,
            projector=MLPHead(encoder.num_features, [hidden_dim, output_dim]),
            objective=WMSEObjective(
                slice_size=slice_size,
                views=views.num_views,
                iterations=iterations,
                eps=eps,
                distance=distance,
            ),
            views=views,
            optimizer=optimizer if optimizer is not None else _adam,
            base_lr=base_lr,
            lr_scaling=lr_scaling,
            schedule=schedule,
            exclude_bias_and_norm=exclude_bias_and_norm,
            compile=compile,
            project_jointly=True,
        )


def _adam(groups: Iterable) -> Adam:
    return Adam(groups, weight_decay=1e-6)
