"""What is known about the images of a batch, as pairs carry it.

V views, B images on this rank, N on all ranks, G width of a guide's features.
"""

from typing import Any

import torch
from torch import Tensor

from sslkit.distributed import gather_no_grad
from sslkit.negatives.pairs import Info


def batch_info(batch: Any, like: Tensor, *, views: int, guide: Tensor | None) -> Info:
    """Of the views of the local images, view by view.

    Args:
        batch: With ``label`` and ``index``; None has neither.
        like: (B, D) their embeddings in one view.
        views: V.
        guide: (V, B, G) what a guide sees in them; None without one.
    """
    unknown = torch.full((like.shape[0],), -1, device=like.device)
    label, index = (unknown, unknown) if batch is None else (batch.label, batch.index)
    if label.ndim == 2:  # several classes an image
        label = unknown
    return Info(
        label.to(unknown).repeat(views),
        index.to(unknown).repeat(views),
        None if guide is None else guide.flatten(0, 1),
    )


def gathered_info(info: Info, views: int) -> Info:
    """Of the views of all ranks' images, view by view; (V·B) to (V·N) rows.

    Args:
        info: Of the local ones, as `batch_info` gives it.
        views: V.
    """
    marks = torch.stack([info.label, info.index], 1)
    label, index = _gathered(marks, views).unbind(1)
    return Info(label, index, None if info.guide is None else _gathered(info.guide, views))


def stacked(features: dict[int, Tensor], views: tuple[int, ...]) -> Tensor | None:
    """What a guide sees in some views, (V, B, G); None without a guide."""
    return torch.stack([features[view] for view in views]) if features else None


def _gathered(x: Tensor, views: int) -> Tensor:
    by_image = x.unflatten(0, (views, -1)).transpose(0, 1)
    return gather_no_grad(by_image).transpose(0, 1).flatten(0, 1)
