"""Contrastive objectives: embeddings of all ranks in, loss of the local anchors out.

Notation: B images on this rank, N = W·B on all W ranks, D embedding size.
"""

from typing import Any

import torch
from torch import Tensor

from sslkit.distributed import gather, rank
from sslkit.functional.checks import check_temperature
from sslkit.functional.contrastive import mean_cosines, nt_xent_per_anchor
from sslkit.objectives.objective import Objective
from sslkit.objectives.routes import Routes


class NTXent(Objective):
    """SimCLR's objective: each view finds the other view of its image among all views.

    The loss is `sslkit.functional.nt_xent`. Both views are gathered from all ranks with gradient;
    a rank computes its own anchors, so the mean over ranks is the loss of the global batch.
    Chen et al., 2020, equation 1, https://arxiv.org/abs/2002.05709.

    Args:
        temperature: τ > 0; the paper's ImageNet value is 0.1, its CIFAR-10 value 0.5.

    Raises:
        ValueError: If the temperature is not a finite number above 0.
    """

    routes = Routes(online=(0, 1), target=())

    def __init__(self, *, temperature: float = 0.1) -> None:
        super().__init__()
        check_temperature(temperature)
        self.temperature = temperature

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's 2B anchors, and what to watch.

        Args:
            online: (2, B, D) raw projections of the two views.
            target: Not read; NT-Xent has no target branch.
            batch: Not read; NT-Xent uses no labels or indices.

        Returns:
            ``loss``: scalar, mean over the local anchors.
            ``per_anchor``: detached (2B,), the first views' anchors before the second views'.
            ``positive_similarity``: detached mean cosine of the two views of an image.
            ``negative_similarity``: detached mean cosine of the anchors' negatives.

        Raises:
            ValueError: If ``online`` is not two views of B embeddings.
        """
        del target, batch
        if online.ndim != 3 or online.shape[0] != 2:
            raise ValueError(
                f"online must hold two views, (2, B, D), got shape {tuple(online.shape)}. NTXent "
                "compares pairs: use views that return two images of a kind."
            )
        # Widened before the gather, so that the gradients that come back from the other ranks are
        # summed in float32; views side by side, so that one message carries both.
        online = online.to(torch.promote_types(online.dtype, torch.float32))
        everyone = gather(online.transpose(0, 1)).transpose(0, 1)  # (2, N, D)
        local, offset = (online[0], online[1]), rank() * online.shape[1]
        per_anchor = nt_xent_per_anchor(
            *local, everyone[0], everyone[1], temperature=self.temperature, offset=offset
        )
        with torch.no_grad():
            positive, negative = mean_cosines(*local, everyone[0], everyone[1], offset=offset)
        return {
            "loss": per_anchor.mean(),
            "per_anchor": per_anchor.detach(),
            "positive_similarity": positive,
            "negative_similarity": negative,
        }

    def extra_repr(self) -> str:
        """What the printed module says of its arguments."""
        return f"temperature={self.temperature}"
