"""Objectives that pull predictions to a momentum target, without negatives (BYOL and its kin).

Notation: B images on this rank, N on all ranks, D embedding size, p predictions of the online
branch, z projections of the target branch, ℓ(p, z) = 2 - 2cos(p, z).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sslkit.distributed import gather_no_grad, rank
from sslkit.functional import normalized_mse_per_anchor, self_labelled_bce, self_labelled_mse
from sslkit.functional.checks import check_temperature
from sslkit.functional.self_labels import check_similarity_labels
from sslkit.objectives.gathered import check_views
from sslkit.objectives.objective import Objective
from sslkit.objectives.routes import Routes


class BYOLObjective(Objective):
    """BYOL: each view's prediction is near the target's projection of the other view.

    L = mean over images of ℓ(p1, z2) + ℓ(p2, z1), in [0, 8]: directions are summed. The loss is
    `sslkit.functional.normalized_mse`; nothing is gathered, since no image looks at another. Grill
    et al., 2020, equation 2, https://arxiv.org/abs/2006.07733.

    With more views than two (`sslkit.views.MultiCropViews`), the first two have targets, and every
    view predicts those of the others: twice the mean over these pairs, which of two views is the
    same.

    Args:
        views: V, how many views of an image predict.

    Raises:
        ValueError: If there are fewer than two.
    """

    routes = Routes(online=(0, 1), target=(0, 1))

    def __init__(self, *, views: int = 2) -> None:
        super().__init__()
        if views < 2:
            raise ValueError(f"BYOLObjective needs views of at least 2, got {views}.")
        self.routes = Routes(online=tuple(range(views)), target=(0, 1))

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's B images.

        Args:
            online: (V, B, D) raw predictions of the views.
            target: (2, B, D) raw projections of the first two views; detached.
            batch: Not read.

        Returns:
            ``loss``: scalar, mean over the local images.
            ``per_anchor``: detached (B,), with two views the sum of both directions.

        Raises:
            ValueError: If ``online`` is not V views of B embeddings or ``target`` not two.
        """
        del batch
        views = len(self.routes.online)
        check_views(online, views, "online", "BYOLObjective")
        check_views(target, 2, "target", "BYOLObjective")
        pairs = [(p, z) for p in range(views) for z in (1, 0) if p != z]
        losses = [normalized_mse_per_anchor(online[p], target[z]) for p, z in pairs]
        per_anchor = sum(losses[1:], losses[0])
        if views > 2:
            per_anchor = per_anchor / (views - 1)
        return {"loss": per_anchor.mean(), "per_anchor": per_anchor.detach()}

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        views = len(self.routes.online)
        return f"views={views}" if views > 2 else ""


class TriBYOLObjective(Objective):
    """TriBYOL: three views, two targets, each pair as in BYOL, mean of the two targets.

    With target branches T1 (views 1 and 2) and T2 (views 1 and 3)::

        L = mean of [ ℓ(p1, T1 x2) + ℓ(p2, T1 x1) + ℓ(p1, T2 x3) + ℓ(p3, T2 x1) ] / 2

    Li et al., "TriBYOL: Triplet BYOL for Self-Supervised Representation Learning", 2022,
    https://arxiv.org/abs/2206.03012; derived from public reimplementations, since the authors'
    code is not public.
    """

    routes = Routes(online=(0, 1, 2), target=(0, 1), second_target=(0, 2))

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's B images.

        Args:
            online: (3, B, D) raw predictions of the three views.
            target: (4, B, D) raw projections: the first target's of views 1 and 2, then the second
                target's of views 1 and 3; detached.
            batch: Not read.

        Returns:
            ``loss``: scalar, mean over the local images.
            ``per_anchor``: detached (B,).

        Raises:
            ValueError: If ``online`` is not three views or ``target`` not four.
        """
        del batch
        check_views(online, 3, "online", "TriBYOLObjective")
        check_views(target, 4, "target", "TriBYOLObjective")
        p1, p2, p3 = online
        first_of_x1, first_of_x2, second_of_x1, second_of_x3 = target
        pairs = ((p1, first_of_x2), (p2, first_of_x1), (p1, second_of_x3), (p3, second_of_x1))
        per_anchor = torch.stack([normalized_mse_per_anchor(p, z) for p, z in pairs]).sum(0) / 2
        return {"loss": per_anchor.mean(), "per_anchor": per_anchor.detach()}


class SelfLabelledMSE(Objective):
    """CCSL: BYOL, also pulled to the targets of images that look alike [reconstruction].

    Unverified, see `sslkit.functional.self_labelled_mse`; both directions are summed. Targets are
    gathered from all ranks without gradient, so the candidates are those of the global batch. Garg
    and Jain, 2022, https://arxiv.org/abs/2204.04545.

    Args:
        theta_positive: Cosine from which on a pair is alike.
        theta_negative: Cosine up to which a pair is unlike.
        negative_weight: Weight of the unlike pairs; 0 follows the abstract.

    Raises:
        ValueError: If ``theta_positive`` is not above ``theta_negative`` or the weight is negative.
    """

    routes = Routes(online=(0, 1), target=(0, 1))

    def __init__(
        self,
        *,
        theta_positive: float = 0.8,
        theta_negative: float = 0.2,
        negative_weight: float = 0.0,
    ) -> None:
        super().__init__()
        check_similarity_labels(theta_positive, theta_negative, negative_weight)
        self.theta_positive = theta_positive
        self.theta_negative = theta_negative
        self.negative_weight = negative_weight

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's B images; arguments and result as `BYOLObjective.forward`."""
        del batch
        check_views(online, 2, "online", "SelfLabelledMSE")
        check_views(target, 2, "target", "SelfLabelledMSE")

        def loss(p: Tensor, all_z: Tensor) -> Tensor:
            return self_labelled_mse(
                p,
                all_z,
                theta_positive=self.theta_positive,
                theta_negative=self.theta_negative,
                negative_weight=self.negative_weight,
                offset=rank() * p.shape[0],
            )

        return _both_directions(loss, online, _gather_targets(target))

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return (
            f"theta_positive={self.theta_positive}, theta_negative={self.theta_negative}, "
            f"negative_weight={self.negative_weight}"
        )


class SelfLabelledBCE(Objective):
    """CSSL: binary cross-entropy of pairs that look alike or unlike [reconstruction].

    Unverified, see `sslkit.functional.self_labelled_bce`; both directions are summed. Targets are
    gathered from all ranks without gradient. Garg and Jain, 2022,
    https://arxiv.org/abs/2204.04545.

    Args:
        temperature: τ > 0 of the sigmoid.
        theta_positive: Sigmoid from which on a pair is alike.
        theta_negative: Sigmoid up to which a pair is unlike.

    Raises:
        ValueError: If the temperature is not positive or ``theta_positive`` not above
            ``theta_negative``.
    """

    routes = Routes(online=(0, 1), target=(0, 1))

    def __init__(
        self,
        *,
        temperature: float = 0.1,
        theta_positive: float = 0.8,
        theta_negative: float = 0.2,
    ) -> None:
        super().__init__()
        check_temperature(temperature)
        check_similarity_labels(theta_positive, theta_negative, 0.0)
        self.temperature = temperature
        self.theta_positive = theta_positive
        self.theta_negative = theta_negative

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's B images; arguments and result as `BYOLObjective.forward`."""
        del batch
        check_views(online, 2, "online", "SelfLabelledBCE")
        check_views(target, 2, "target", "SelfLabelledBCE")

        def loss(p: Tensor, all_z: Tensor) -> Tensor:
            return self_labelled_bce(
                p,
                all_z,
                temperature=self.temperature,
                theta_positive=self.theta_positive,
                theta_negative=self.theta_negative,
                offset=rank() * p.shape[0],
            )

        return _both_directions(loss, online, _gather_targets(target))

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return (
            f"temperature={self.temperature}, theta_positive={self.theta_positive}, "
            f"theta_negative={self.theta_negative}"
        )


def _gather_targets(target: Tensor) -> Tensor:
    """(2, B, D) -> (2, N, D), without gradient."""
    return gather_no_grad(target.transpose(0, 1)).transpose(0, 1)


def _both_directions(
    loss: Callable[[Tensor, Tensor], Tensor], online: Tensor, target: Tensor
) -> dict[str, Tensor]:
    """The sum of a loss (B,) over both directions, and its mean over images."""
    per_anchor = loss(online[0], target[1]) + loss(online[1], target[0])
    return {"loss": per_anchor.mean(), "per_anchor": per_anchor.detach()}
