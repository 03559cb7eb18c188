"""MoCo's objective, against a queue of past keys.

Notation: V directions (1, or 2 when symmetric), B images on this rank, K rows in the queue, D
embedding size. An anchor needs its own key and the queue only, and the queue is the same on every
rank, so the mean over ranks is the loss of the global batch.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sslkit.distributed import gather_no_grad, rank
from sslkit.functional import (
    positive_weights,
    queue_dcl_per_anchor,
    queue_nce_per_anchor,
    unit_rows,
)
from sslkit.functional.checks import check_temperature
from sslkit.functional.debiased import check_debiasing
from sslkit.functional.decoupled import check_sigma
from sslkit.negatives.pairs import Info, Pairs
from sslkit.negatives.plugin import Plugin, Setting
from sslkit.negatives.sources import Queue as QueueSource
from sslkit.nn.queue import Queue
from sslkit.objectives.gathered import check_views
from sslkit.objectives.image_info import batch_info, stacked
from sslkit.objectives.pair_losses import Debiased, Decoupled, InfoNCE
from sslkit.objectives.pair_objective import PairObjective
from sslkit.objectives.queue_rows import enqueue_views, mean_similarities
from sslkit.objectives.routes import Routes

_ONE_WAY = Routes(online=(0,), target=(1,))
_BOTH_WAYS = Routes(online=(0, 1), target=(0, 1))


class QueueInfoNCE(PairObjective):
    """MoCo's objective: each query finds its key among the keys of past batches.

    The loss is `sslkit.functional.queue_nce`, mean over the anchors. One way (MoCo v1 and v2):
    queries of the first view, keys of the second. Symmetric (v2+): the mean of both directions,
    against the same queue. In training mode the keys of this batch enter the queue after the loss
    (all first views, then all second views), so no query meets its own key there; in evaluation
    mode the queue stands still. He et al., 2020, algorithm 1, https://arxiv.org/abs/1911.05722.

    Decoupled, it is DCL with the queue as negatives, and with ``sigma`` DCLW, whose weights are
    normalised over the global batch of a direction. Both are derived from Yeh et al., 2022,
    https://arxiv.org/abs/2110.06848, which states them for negatives in the batch. With
    ``tau_plus`` it is the debiased loss with the K rows as negatives, derived likewise from Chuang
    et al., 2020, https://arxiv.org/abs/2007.00224.

    Args:
        dim: D, the output width of the projector.
        queue_size: K; 65536 for ImageNet in the paper, 4096 for CIFAR in the authors' notebook.
        temperature: τ > 0; 0.07 in MoCo v1, 0.2 in v2.
        symmetric: Use both views as queries.
        decoupled: Leave the positive out of the denominator.
        sigma: σ > 0 weighs the positives of a decoupled loss (0.5 in the paper); None does not.
        tau_plus: τ⁺ in [0, 1), the chance that a row of the queue is of the anchor's class; not
            with ``decoupled``.
        plugins: What treats positives and negatives, in this order; None is nothing.

    Raises:
        ValueError: If an argument is outside its range, ``sigma`` is set without ``decoupled``,
            ``tau_plus`` with it, or a plug-in cannot work here.
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
        tau_plus: float = 0.0,
        plugins: Sequence[Plugin] | None = None,
    ) -> None:
        check_temperature(temperature)
        check_debiasing(tau_plus, 0.0)
        if sigma is not None:
            check_sigma(sigma)
            if not decoupled:
                raise ValueError(
                    f"sigma={sigma} weighs the positives of a decoupled loss: set decoupled=True "
                    "too, or leave sigma out."
                )
        if decoupled and tau_plus > 0:
            raise ValueError(
                f"tau_plus={tau_plus} corrects a loss whose positive is a candidate, and "
                "decoupled=True has it left out: choose one of the two."
            )
        super().__init__(
            plugins,
            Setting(
                source="queue",
                loss="DCL" if decoupled else "debiased" if tau_plus > 0 else "InfoNCE",
                negatives=queue_size,
                momentum=True,
            ),
        )
        self.routes = _BOTH_WAYS if symmetric else _ONE_WAY
        self.queue = Queue(queue_size, dim, guide_dim=self.plugins.guide_width())
        self.temperature = temperature
        self.decoupled = decoupled
        self.sigma = sigma
        self.tau_plus = tau_plus
        self.pair_loss = (
            Decoupled() if decoupled else Debiased(tau_plus) if tau_plus > 0 else InfoNCE()
        )

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
            ``clamped_fraction``: with ``tau_plus``, as `DebiasedNCE` has it.

        Raises:
            ValueError: If the shapes do not fit the routes or the queue.
        """
        for name, views in (("online", online), ("target", target)):
            check_views(views, len(self.routes.online), name, "QueueInfoNCE")
        rows = self.queue.rows
        # The general loss of pairs may read them again on the way back, when they have moved on.
        kept = bool(self.plugins) or isinstance(self.pair_loss, Debiased)
        keys = target.detach().flip(0)  # of the other view, when there are two
        seen = self.guide_features(batch)
        scalars: dict[str, Tensor] = {}

        def make() -> Pairs:
            bank = self.queue.snapshot() if kept else rows
            return self._pairs(online, target.detach(), bank, batch, seen)

        treated = self.treated(make)
        if isinstance(self.pair_loss, Debiased):
            per_anchor, clamped = self.pair_loss.with_bound(treated or make())
            scalars["clamped_fraction"] = clamped.to(per_anchor.dtype).mean()
        elif treated is not None:
            per_anchor = self.pair_loss(treated)
        else:
            per_anchor = torch.cat(
                [self._losses(q, k, rows) for q, k in zip(online, keys, strict=True)]
            )
        scalars |= mean_similarities(online, keys, rows)
        if self.training:
            enqueue_views(self.queue, target, batch, stacked(seen, self.routes.target))
        return {"loss": per_anchor.mean(), "per_anchor": per_anchor.detach(), **scalars}

    def _losses(self, q: Tensor, k: Tensor, rows: Tensor) -> Tensor:
        if not self.decoupled:
            return queue_nce_per_anchor(q, k, rows, temperature=self.temperature)
        weight = None if self.sigma is None else self._weights(q, k, self.sigma)
        return queue_dcl_per_anchor(q, k, rows, temperature=self.temperature, weight=weight)

    def _pairs(
        self, online: Tensor, target: Tensor, rows: Tensor, batch: Any, seen: dict[int, Tensor]
    ) -> Pairs:
        """All directions at once: queries (V, B, D), keys of the same views, rows (K, D)."""
        keys = target.flip(0)
        weight = None
        if self.sigma is not None:
            each = zip(online, keys, strict=True)
            weight = torch.cat([self._weights(q, k, self.sigma) for q, k in each])
        guide, kept = stacked(seen, self.routes.online), self.queue.guide
        if self.plugins.guide == "momentum":
            # One way, the key of the query's own view is not there: its image has the other's.
            guide, kept = unit_rows(target.flatten(0, 1)).view_as(target), rows
        own = batch_info(batch, online[0], views=len(online), guide=guide)
        return QueueSource(self.temperature, self.pair_loss)(
            online.flatten(0, 1),
            keys.flatten(0, 1),
            rows,
            positive_weight=weight,
            query_info=own,
            bank_info=Info(
                self.queue.labels.clone(),
                self.queue.index.clone(),
                None if kept is None else kept.clone(),
            ),
        )

    @torch.no_grad()
    def _weights(self, q: Tensor, k: Tensor, sigma: float) -> Tensor:
        cosines = gather_no_grad(torch.linalg.vecdot(unit_rows(q), unit_rows(k)))
        first = rank() * q.shape[0]
        return positive_weights(cosines, sigma=sigma)[first : first + q.shape[0]]

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return (
            f"temperature={self.temperature}, symmetric={self.routes == _BOTH_WAYS}, "
            f"decoupled={self.decoupled}, sigma={self.sigma}, tau_plus={self.tau_plus}"
        )
