"""Contrastive objectives whose candidates are the other view of all images (MoCo v3, NNCLR).

Notation: B images on this rank, N = W·B on all W ranks, D embedding size, K rows in a support set.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from sslkit.distributed import gather_no_grad, rank
from sslkit.functional import (
    cross_view_nce_per_anchor,
    nearest_neighbour_nce_per_anchor,
    nearest_rows,
    unit_rows,
)
from sslkit.functional.checks import check_temperature
from sslkit.negatives.pairs import Pairs
from sslkit.negatives.plugin import Plugin, Setting
from sslkit.negatives.sources import CrossView
from sslkit.nn.queue import Queue
from sslkit.objectives.gathered import check_views, gather_views
from sslkit.objectives.image_info import batch_info, gathered_info, stacked
from sslkit.objectives.pair_losses import Decoupled, InfoNCE
from sslkit.objectives.pair_objective import PairObjective
from sslkit.objectives.queue_rows import enqueue_views
from sslkit.objectives.routes import Routes


class MoCoV3Objective(PairObjective):
    """MoCo v3: each prediction finds its key among the other view's keys of the whole batch.

    The loss is 2τ times `sslkit.functional.cross_view_nce`, summed over both directions. Keys are
    gathered from all ranks without gradient. Chen, Xie, He, 2021, algorithm 1,
    https://arxiv.org/abs/2104.02057.

    Args:
        temperature: τ > 0; 1.0 for ResNet-50 and 0.2 for vision transformers.
        plugins: What treats positives and negatives, in this order; None is nothing.

    Raises:
        ValueError: If the temperature is not a finite number above 0, or a plug-in cannot work
            here.
    """

    routes = Routes(online=(0, 1), target=(0, 1))

    def __init__(
        self, *, temperature: float = 1.0, plugins: Sequence[Plugin] | None = None
    ) -> None:
        check_temperature(temperature)
        super().__init__(plugins, Setting(source="batch", loss="InfoNCE", momentum=True))
        self.temperature = temperature
        self.pair_loss = InfoNCE()

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's B images.

        Args:
            online: (2, B, D) raw predictions of the two views.
            target: (2, B, D) raw keys of the two views; detached.
            batch: For plug-ins only.

        Returns:
            ``loss``: scalar, mean over the local images.
            ``per_anchor``: detached (B,), the sum of both directions.
            ``positive_similarity``: detached mean cosine of predictions and their keys.

        Raises:
            ValueError: If ``online`` or ``target`` is not two views of B embeddings.
        """
        check_views(online, 2, "online", "MoCoV3Objective")
        check_views(target, 2, "target", "MoCoV3Objective")
        keys = gather_no_grad(target.transpose(0, 1)).transpose(0, 1)  # (2, N, D)
        first = rank() * online.shape[1]
        guide = stacked(self.guide_features(batch), (0, 1))
        if self.plugins.guide == "momentum":
            guide = unit_rows(target.detach().flatten(0, 1)).view_as(target)

        def direction(view: int) -> Tensor:
            q, k = online[view], keys[1 - view]
            source = CrossView(self.temperature, self.pair_loss)
            treated = self.treated(
                lambda: cross_view_pairs(source, q, k, batch, guide, view), part=view
            )
            if treated is not None:
                return self.pair_loss(treated)
            return cross_view_nce_per_anchor(q, k, temperature=self.temperature, offset=first)

        one, two = direction(0), direction(1)
        per_anchor = 2 * self.temperature * (one + two)
        return {
            "loss": per_anchor.mean(),
            "per_anchor": per_anchor.detach(),
            "positive_similarity": _mean_cosine(online, target.flip(0)),
        }

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return f"temperature={self.temperature}"


class NNCLRObjective(PairObjective):
    """NNCLR: the nearest neighbour of one view finds the other view's prediction in the batch.

    The loss is `sslkit.functional.nearest_neighbour_nce`, mean of both directions. Neighbours come
    from a queue of past projections, which the first views' projections of all ranks enter after
    the lookup, in training mode only. Predictions are gathered from all ranks with gradient.
    Dwibedi et al., 2021, equation 3, https://arxiv.org/abs/2104.14548.

    Args:
        dim: D, the output width of projector and predictor.
        queue_size: K; 98304 for ImageNet in the paper, 65536 in public code.
        temperature: τ > 0.
        decoupled: Leave the positive out of the denominator, as DCL does (derived from Yeh et al.,
            2022, https://arxiv.org/abs/2110.06848).
        plugins: What treats positives and negatives, in this order; None is nothing.

    Raises:
        ValueError: If an argument is outside its range, or a plug-in cannot work here.
    """

    routes = Routes(online=(0, 1), target=(0, 1))

    def __init__(
        self,
        *,
        dim: int,
        queue_size: int = 98304,
        temperature: float = 0.1,
        decoupled: bool = False,
        plugins: Sequence[Plugin] | None = None,
    ) -> None:
        check_temperature(temperature)
        loss = "DCL" if decoupled else "InfoNCE"
        super().__init__(plugins, Setting(source="batch", loss=loss, anchors_learn=False))
        self.queue = Queue(queue_size, dim)
        self.temperature = temperature
        self.decoupled = decoupled
        self.pair_loss = Decoupled() if decoupled else InfoNCE()

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's 2B anchors; then the first views' projections enter the queue.

        Args:
            online: (2, B, D) raw predictions of the two views.
            target: (2, B, D) raw projections of the two views, from before the predictor; detached.
            batch: Its labels and indices go into the queue; None has neither.

        Returns:
            ``loss``: scalar, mean over the local anchors.
            ``per_anchor``: detached (2B,), the neighbours of the first views before those of the
            second.
            ``positive_similarity``: detached mean cosine of neighbours and predictions.
            ``neighbour_similarity``: detached mean cosine of projections and their neighbours.

        Raises:
            ValueError: If the shapes do not fit, or a decoupled loss is asked of one image.
        """
        check_views(online, 2, "online", "NNCLRObjective")
        check_views(target, 2, "target", "NNCLRObjective")
        predictions = gather_views(online)  # (2, N, D)
        first = rank() * online.shape[1]
        rows = self.queue.rows
        neighbours = torch.stack([rows[nearest_rows(z, rows)] for z in target.detach()])
        guide = stacked(self.guide_features(batch), (0, 1))

        def direction(view: int) -> Tensor:
            near, p = neighbours[view], predictions[1 - view]
            source = CrossView(self.temperature, self.pair_loss)
            treated = self.treated(
                lambda: cross_view_pairs(source, near, p, batch, guide, view), part=view
            )
            if treated is not None:
                return self.pair_loss(treated)
            return nearest_neighbour_nce_per_anchor(
                near, p, temperature=self.temperature, offset=first, decoupled=self.decoupled
            )

        per_anchor = torch.cat([direction(0), direction(1)])
        if self.training:
            enqueue_views(self.queue, target[:1], batch)
        return {
            "loss": per_anchor.mean(),
            "per_anchor": per_anchor.detach(),
            "positive_similarity": _mean_cosine(neighbours, online.flip(0)),
            "neighbour_similarity": _mean_cosine(target, neighbours),
        }

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return f"temperature={self.temperature}, decoupled={self.decoupled}"


def cross_view_pairs(
    source: CrossView,
    anchors: Tensor,
    candidates: Tensor,
    batch: Any,
    guide: Tensor | None,
    view: int,
) -> Pairs:
    """The pairs of one direction, before plug-ins.

    Args:
        source: Makes them.
        anchors: (B, D) raw, of the local images in one view.
        candidates: (N, D) raw, of all images in the other view.
        batch: With labels and indices; None has neither.
        guide: (2, B, G) what a guide sees in the two views; None without one.
        view: Which view the anchors stand for.
    """
    own, other = (
        batch_info(batch, anchors, views=1, guide=None if guide is None else guide[v, None])
        for v in (view, 1 - view)
    )
    return source(
        anchors,
        candidates,
        offset=rank() * anchors.shape[0],
        query_info=own,
        bank_info=gathered_info(other, views=1),
    )


@torch.no_grad()
def _mean_cosine(a: Tensor, b: Tensor) -> Tensor:
    """Mean cosine of (V, B, D) embeddings, row by row."""
    return torch.linalg.vecdot(unit_rows(a.flatten(0, 1)), unit_rows(b.flatten(0, 1))).mean()
