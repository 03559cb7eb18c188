"""MoCo with a loss on keys too, against the hardest rows of the queue.

B images on this rank, V directions, K rows in the queue, D embedding size.
"""

from typing import Any

import torch
from torch import Tensor

from sslkit.functional import dual_view_nce_per_anchor, hard_queue_nce_per_anchor
from sslkit.functional.checks import check_temperature
from sslkit.nn.queue import Queue
from sslkit.objectives.gathered import check_views
from sslkit.objectives.objective import Objective
from sslkit.objectives.queue_rows import enqueue_views, mean_similarities
from sslkit.objectives.routes import Routes

_ONE_WAY = Routes(online=(0,), target=(1,))
_BOTH_WAYS = Routes(online=(0, 1), target=(0, 1))


class DualViewNCE(Objective):
    """MoCo with a loss on keys too, against the hardest rows of the queue [reconstruction].

    Unverified: of Hoang et al., "Momentum Contrastive Learning with Enhanced Negative Sampling and
    Hard Negative Filtering", 2025, https://arxiv.org/abs/2501.16360, only the abstract could be
    read and no code is public, so the paper's figures say nothing of this class. The loss is
    `sslkit.functional.dual_view_nce_per_anchor`. Symmetric, the second term takes the second view's
    query and the first view's key instead of exchanging the roles of one pair.

    Args:
        dim: D, the output width of the projector.
        queue_size: K.
        temperature: τ > 0.
        hardest: How many rows of the queue each anchor is compared with; None is a quarter.
        key_weight: Weight of the second term in [0, 1]; the first has the rest.
        symmetric: Use both views as queries.

    Raises:
        ValueError: If an argument is outside its range.
    """

    def __init__(
        self,
        *,
        dim: int,
        queue_size: int = 65536,
        temperature: float = 0.2,
        hardest: int | None = None,
        key_weight: float = 0.5,
        symmetric: bool = False,
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        hardest = max(queue_size // 4, 1) if hardest is None else hardest
        if not 1 <= hardest <= queue_size:
            raise ValueError(
                f"hardest must lie between 1 and queue_size={queue_size}, got {hardest}."
            )
        if not 0 <= key_weight <= 1:
            raise ValueError(f"key_weight must lie in [0, 1], got {key_weight}.")
        self.routes = _BOTH_WAYS if symmetric else _ONE_WAY
        self.queue = Queue(queue_size, dim)
        self.temperature = temperature
        self.hardest = hardest
        self.key_weight = key_weight

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's B images; then their keys enter the queue.

        Args:
            online: (V, B, D) raw queries.
            target: (V, B, D) raw keys; detached. Symmetric: of the same two views.
            batch: Its labels and indices go into the queue beside the keys; None has neither.

        Returns:
            As `QueueInfoNCE.forward`, with ``per_anchor`` (B,).

        Raises:
            ValueError: If the shapes do not fit the routes or the queue.
        """
        for name, views in (("online", online), ("target", target)):
            check_views(views, len(self.routes.online), name, "DualViewNCE")
        rows = self.queue.snapshot()
        keys = target.detach().flip(0)
        options = {"temperature": self.temperature, "hardest": self.hardest}
        if len(online) == 1:
            per_anchor = dual_view_nce_per_anchor(
                online[0], keys[0], rows, key_weight=self.key_weight, **options
            )
        else:
            first, second = (
                hard_queue_nce_per_anchor(q, k, rows, **options)
                for q, k in zip(online, keys, strict=True)
            )
            per_anchor = torch.lerp(first, second, self.key_weight)
        similarities = mean_similarities(online, keys, rows)
        if self.training:
            enqueue_views(self.queue, target, batch)
        return {"loss": per_anchor.mean(), "per_anchor": per_anchor.detach(), **similarities}

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return (
            f"temperature={self.temperature}, hardest={self.hardest}, "
            f"key_weight={self.key_weight}, symmetric={self.routes == _BOTH_WAYS}"
        )
