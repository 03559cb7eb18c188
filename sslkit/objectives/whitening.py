"""W-MSE over slices of this rank's batch.

Notation: V views, B images on this rank, I permutations, s images in a slice, D embedding size.
"""

from typing import Any

import torch
from torch import Tensor

from sslkit.distributed import rank
from sslkit.functional import w_mse_per_image
from sslkit.functional.whitening import Distance, check_distance, check_slices
from sslkit.objectives.gathered import check_views
from sslkit.objectives.objective import Objective
from sslkit.objectives.routes import Routes
from sslkit.seeding import counter_generator, global_seed

# Names this draw among those of the run's seed, rank and step.
_SLICES = 0x57


class WMSE(Objective):
    """W-MSE: views of an image are near after whitening, slice by slice.

    The loss is `sslkit.functional.w_mse`. Slices hold images of one rank, so nothing is gathered,
    and the loss is that of a global batch whose permutations stay within each rank. They are drawn
    from the run's seed, the rank and a step counter, which is saved. Ermolov et al., 2021,
    https://arxiv.org/abs/2007.06346.

    Args:
        slice_size: s, a divisor of B above D (2D and more is recommended); 128 for CIFAR, 256 for
            STL-10 and Tiny ImageNet in the paper.
        views: V, how many views of an image are compared; 2 or 4 in the paper.
        iterations: I, over how many permutations the loss is averaged.
        eps: ε in [0, 1], the identity's share in every covariance.
        distance: ``cosine`` is 2 - 2cos; ``euclidean`` the mean square over the D dimensions.

    Attributes:
        step: () int64, training batches so far.

    Raises:
        ValueError: If an argument is outside its range.
    """

    step: Tensor

    def __init__(
        self,
        *,
        slice_size: int = 128,
        views: int = 2,
        iterations: int = 1,
        eps: float = 0.0,
        distance: Distance = "cosine",
    ) -> None:
        super().__init__()
        for name, value, least in (
            ("slice_size", slice_size, 2),
            ("views", views, 2),
            ("iterations", iterations, 1),
        ):
            if value < least:
                raise ValueError(f"{name} must be at least {least}, got {value}.")
        if not 0 <= eps <= 1:
            raise ValueError(f"eps must lie in [0, 1], got {eps}.")
        check_distance(distance)
        self.routes = Routes(online=tuple(range(views)), target=())
        self.slice_size = slice_size
        self.iterations = iterations
        self.eps = eps
        self.distance: Distance = distance
        self.register_buffer("step", torch.tensor(0))

    def draw(self, images: int) -> Tensor:
        """The permutations of this rank's next batch, a function of seed, rank and step.

        Args:
            images: B.

        Returns:
            (I, B) int64 on the CPU.
        """
        generator = counter_generator(global_seed(), rank(), int(self.step), _SLICES)
        return torch.stack(
            [torch.randperm(images, generator=generator) for _ in range(self.iterations)]
        )

    def check_batch(self, images: int, dim: int) -> None:
        """Refuse a batch that slices do not fill, or slices too small to be whitened."""
        check_slices(images, self.slice_size, dim, self.eps)

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's B images.

        Args:
            online: (V, B, D) raw embeddings of the views.
            target: Not read; there is no target branch.
            batch: Not read.

        Returns:
            ``loss``: scalar, mean over the local images.
            ``per_anchor``: detached (B,), in the images' order.

        Raises:
            ValueError: If ``online`` is not V views of B embeddings, slices do not fill B, or a
                slice has no more images than D.
        """
        del target, batch
        check_views(online, len(self.routes.online), "online", "WMSE")
        per_image = w_mse_per_image(
            online,
            permutations=self.draw(online.shape[1]),
            slice_size=self.slice_size,
            eps=self.eps,
            distance=self.distance,
        )
        if self.training:
            self.step.add_(1)
        return {"loss": per_image.mean(), "per_anchor": per_image.detach()}

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return (
            f"slice_size={self.slice_size}, views={len(self.routes.online)}, "
            f"iterations={self.iterations}, eps={self.eps}, distance={self.distance}"
        )
