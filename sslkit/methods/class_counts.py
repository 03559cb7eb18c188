"""What a classifier gets right over a split, summed over batches and ranks.

N rows, K classes.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from sslkit.distributed import mean_across_ranks, world_size

_TOP = 5


class ClassCounts:
    """Hits and losses of labelled rows; unlabelled ones (−1) are left out.

    Args:
        device: Where the logits are.
    """

    def __init__(self, device: torch.device | str = "cpu") -> None:
        self._sums = torch.zeros(4, device=device)  # top-1, top-5 hits, loss, rows
        self._classes = 0

    def add(self, logits: Tensor, label: Tensor) -> None:
        """Count rows: logits ``(N, K)`` and labels ``(N,)``."""
        self._classes = logits.shape[1]
        right = logits.topk(min(_TOP, self._classes)).indices == label[:, None]
        loss = summed_cross_entropy(logits, label)
        counts = right[:, 0].sum(), right.sum(), loss, (label >= 0).sum()
        self._sums += torch.stack(counts).to(self._sums)

    def figures(self) -> dict[str, float]:
        """``loss``, ``top1`` and, with more than five classes, ``top5``; nothing without a label.

        Of the rows of all ranks; every rank must ask.
        """
        top1, top5, loss, rows = mean_across_ranks(self._sums).tolist()
        if not rows:
            return {}
        figures = {"loss": loss / rows, "top1": top1 / rows}
        return figures | ({"top5": top5 / rows} if self._classes > _TOP else {})


def mean_cross_entropy(logits: Tensor, label: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """This rank's part of the mean softmax cross-entropy over labelled rows: 0 without any.

    The mean over ranks, as gradients are averaged, is that over the rows of all of them, however
    many of each rank's are labelled.

    Args:
        logits: ``(N, K)``, in at least float32.
        label: ``(N,)`` int64, −1 = unlabelled.
        smoothing: Share of the target that is spread over all classes.
    """
    rows = mean_across_ranks((label >= 0).sum().to(logits.dtype))
    # The least that one row on one rank makes of it; without any, the sum is 0.
    rows = rows.clamp(min=1 / world_size())
    return summed_cross_entropy(logits, label, smoothing=smoothing) / rows


def summed_cross_entropy(logits: Tensor, label: Tensor, *, smoothing: float = 0.0) -> Tensor:
    """Softmax cross-entropy, summed over labelled rows: 0 where there are none.

    Args:
        logits: ``(N, K)``, in at least float32.
        label: ``(N,)`` int64, −1 = unlabelled.
        smoothing: Share of the target that is spread over all classes.
    """
    with torch.autocast(logits.device.type, enabled=False):
        return F.cross_entropy(
            logits, label, ignore_index=-1, reduction="sum", label_smoothing=smoothing
        )
