"""Contrastive objectives against a queue of past keys (MoCo and its kin).

Notation: V directions (1, or 2 when symmetric), B images on this rank, K rows in the queue, D
embedding size. An anchor needs its own key and the queue only, and the queue is the same on every
rank, so the mean over ranks is the loss of the global batch.
"""

from typing import Any

import torch
from torch import Tensor

from sslkit.distributed import gather_no_grad, rank
from sslkit.functional import (
    dual_view_nce_per_anchor,
    hard_queue_nce_per_anchor,
    positive_weights,
    queue_dcl_per_anchor,
    queue_nce_per_anchor,
    unit_rows,
)
from sslkit.functional.checks import check_temperature
from sslkit.functional.decoupled import check_sigma
from sslkit.nn.queue import Queue
from sslkit.objectives.gathered import check_views
from sslkit.objectives.objective import Objective
from sslkit.objectives.routes import Routes

_ONE_WAY = Routes(online=(0,), target=(1,))
_BOTH_WAYS = Routes(online=(0, 1), target=(0, 1))


class QueueInfoNCE(Objective):
    """MoCo's objective: each query finds its key among the keys of past batches.

    The loss is `sslkit.functional.queue_nce`, mean over the anchors. One way (MoCo v1 and v2):
    queries of the first view, keys of the second. Symmetric (v2+): the mean of both directions,
    against the same queue. In training mode the keys of this batch enter the queue after the loss
    (all first views, then all second views), so no query meets its own key there; in evaluation
    mode the queue stands still. He et al., 2020, algorithm 1, https://arxiv.org/abs/1911.05722.

    Decoupled, it is DCL with the queue as negatives, and with ``sigma`` DCLW, whose weights are
    normalised over the global batch of a direction. Both are derived from Yeh et al., 2022,
    https://arxiv.org/abs/2110.06848, which states them for negatives in the batch.

    Args:
        dim: D, the output width of the projector.
        queue_size: K; 65536 for ImageNet in the paper, 4096 for CIFAR in the authors' notebook.
        temperature: τ > 0; 0.07 in MoCo v1, 0.2 in v2.
        symmetric: Use both views as queries.
        decoupled: Leave the positive out of the denominator.
        sigma: σ > 0 weighs the positives of a decoupled loss (0.5 in the paper); None does not.

    Raises:
        ValueError: If an argument is outside its range, or ``sigma`` is set without ``decoupled``.
    """

    def __init__(
        self,
        *,
        dim: int,
        queue_size: int = 65536,
        temperature: float = 0.2,
        symmetric: bool = False,
        decoupled: bool = False,
        sigma: float | None = None,
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        if sigma is not None:
            check_sigma(sigma)
            if not decoupled:
                raise ValueError(
                    f"sigma={sigma} weighs the positives of a decoupled loss: set decoupled=True "
                    "too, or leave sigma out."
                )
        self.routes = _BOTH_WAYS if symmetric else _ONE_WAY
        self.queue = Queue(queue_size, dim)
        self.temperature = temperature
        self.decoupled = decoupled
        self.sigma = sigma

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's V·B anchors; then their keys enter the queue.

        Args:
            online: (V, B, D) raw queries.
            target: (V, B, D) raw keys; detached. Symmetric: of the same two views.
            batch: Its labels and indices go into the queue beside the keys; None has neither.

        Returns:
            ``loss``: scalar, mean over the local anchors.
            ``per_anchor``: detached (V·B,), direction by direction.
            ``positive_similarity``: detached mean cosine of queries and their keys.
            ``negative_similarity``: detached mean cosine of queries and the queue.

        Raises:
            ValueError: If the shapes do not fit the routes or the queue.
        """
        for name, views in (("online", online), ("target", target)):
            check_views(views, len(self.routes.online), name, "QueueInfoNCE")
        rows = self.queue.snapshot()
        keys = target.detach().flip(0)  # of the other view, when there are two
        per_anchor = torch.cat(
            [self._losses(q, k, rows) for q, k in zip(online, keys, strict=True)]
        )
        similarities = mean_similarities(online, keys, rows)
        if self.training:
            enqueue_views(self.queue, target, batch)
        return {"loss": per_anchor.mean(), "per_anchor": per_anchor.detach(), **similarities}

    def _losses(self, q: Tensor, k: Tensor, rows: Tensor) -> Tensor:
        if not self.decoupled:
            return queue_nce_per_anchor(q, k, rows, temperature=self.temperature)
        weight = None if self.sigma is None else self._weights(q, k, self.sigma)
        return queue_dcl_per_anchor(q, k, rows, temperature=self.temperature, weight=weight)

    @torch.no_grad()
    def _weights(self, q: Tensor, k: Tensor, sigma: float) -> Tensor:
        cosines = gather_no_grad(torch.linalg.vecdot(unit_rows(q), unit_rows(k)))
        first = rank() * q.shape[0]
        return positive_weights(cosines, sigma=sigma)[first : first + q.shape[0]]

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return (
            f"temperature={self.temperature}, symmetric={self.routes == _BOTH_WAYS}, "
            f"decoupled={self.decoupled}, sigma={self.sigma}"
        )


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


def enqueue_views(queue: Queue, views: Tensor, batch: Any) -> None:
    """Write embeddings into a queue, all images of one view before those of the next.

    Args:
        queue: The queue.
        views: (V, B, D) raw embeddings of this rank.
        batch: A batch with ``label`` and ``index``; None has neither.
    """
    labels, index = (None, None) if batch is None else (batch.label, batch.index)
    for view in views:
        queue.enqueue(view, labels, index)


@torch.no_grad()
def mean_similarities(queries: Tensor, keys: Tensor, rows: Tensor) -> dict[str, Tensor]:
    """Mean cosine of queries with their keys and with the queue.

    Args:
        queries: (V, B, D) raw queries.
        keys: (V, B, D) raw keys, row by row the queries' partners.
        rows: (K, D) unit rows.

    Returns:
        ``positive_similarity`` and ``negative_similarity``, two scalars.
    """
    q, k = unit_rows(queries.flatten(0, 1)), unit_rows(keys.flatten(0, 1))
    return {
        "positive_similarity": torch.linalg.vecdot(q, k).mean(),
        "negative_similarity": q.mean(0) @ rows.to(q.dtype).mean(0),
    }
