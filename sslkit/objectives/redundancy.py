"""Barlow Twins over all ranks.

Notation: B images on this rank, N on all W ranks, D embedding size.
"""

from typing import Any, Literal, get_args

from torch import Tensor

from sslkit.distributed import mean_with_grad, world_size
from sslkit.functional.redundancy import check_off_diagonal_weight, redundancy
from sslkit.objectives.gathered import check_views
from sslkit.objectives.objective import Objective
from sslkit.objectives.routes import Routes

GradScale = Literal["true", "official"]


class BarlowTwins(Objective):
    """Barlow Twins: the cross-correlation of two views is pulled to the identity.

    The loss is `sslkit.functional.barlow_twins` of the global batch, the same on every rank: mean,
    variance and cross-correlation are averaged over ranks, forward and backward. Zbontar et al.,
    2021, equation 1, https://arxiv.org/abs/2103.03230.

    The authors' code sums over ranks without telling autograd, so its gradient is 1/W of the true
    one. LARS hides that on weights but not on biases and normalisation, whose published learning
    rate was tuned with it.

    Args:
        off_diagonal_weight: λ >= 0.
        grad_scale: ``true`` is the gradient of the loss; ``official`` is 1/W of it, to train as the
            authors' code does on W ranks.

    Raises:
        ValueError: If the weight is negative or ``grad_scale`` neither of the two.
    """

    routes = Routes(online=(0, 1), target=())

    def __init__(
        self, *, off_diagonal_weight: float = 0.0051, grad_scale: GradScale = "true"
    ) -> None:
        super().__init__()
        check_off_diagonal_weight(off_diagonal_weight)
        if grad_scale not in get_args(GradScale):
            raise ValueError(f"grad_scale must be 'true' or 'official', got {grad_scale!r}.")
        self.off_diagonal_weight = off_diagonal_weight
        self.grad_scale: GradScale = grad_scale

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of the global batch.

        Args:
            online: (2, B, D) raw embeddings of the two views.
            target: Not read; there is no target branch.
            batch: Not read.

        Returns:
            ``loss``: scalar, the same on every rank. It is no mean over anchors, so there is no
            ``per_anchor``.
            ``on_diagonal``: detached Σ_a (1 - C_aa)².
            ``off_diagonal``: detached Σ_{a≠b} C_ab², not weighted.

        Raises:
            ValueError: If ``online`` is not two views of B embeddings.
        """
        del target, batch
        check_views(online, 2, "online", "BarlowTwins")
        across = mean_with_grad if world_size() > 1 else None
        on_diagonal, off_diagonal = redundancy(online[0], online[1], across=across)
        loss = on_diagonal + self.off_diagonal_weight * off_diagonal
        if self.grad_scale == "official":
            share = loss / world_size()
            loss = share + (loss - share).detach()
        return {
            "loss": loss,
            "on_diagonal": on_diagonal.detach(),
            "off_diagonal": off_diagonal.detach(),
        }

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return f"off_diagonal_weight={self.off_diagonal_weight}, grad_scale={self.grad_scale}"
