"""Linear maps of images that go along rows and columns one after the other, another for each image.

A point of the result is a weighted sum of points of its column, and these are sums along the rows:
``rows @ image @ columns.T`` with matrices that are mostly zeros. On an accelerator that is what is
computed, two products for the whole batch. A CPU gathers what has a weight instead: a weighted sum
of some rows of a table is what `torch.nn.functional.embedding_bag` is, at a fraction of a product's
arithmetic.

n images, C channels, H x W points, and H' x W' after the map.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from sslkit.views.operation import unit_float


class Taps(NamedTuple):
    """What the points of an axis are made of, for n images.

    Attributes:
        pixel: (n, points, K) int32, K different points of the axis before the map.
        weight: (n, points, K) float32.
    """

    pixel: Tensor
    weight: Tensor


def mapped(images: Tensor, rows: Taps, columns: Taps) -> Tensor:
    """Map both axes.

    Args:
        images: (n, C, H, W) uint8, which is divided by 255, or float32.
        rows: What the H' points of the vertical axis are made of, on the images' device.
        columns: What the W' points of the horizontal axis are made of.

    Returns:
        (n, C, H', W') float32.
    """
    form = _gathered if images.device.type == "cpu" else _multiplied
    return form(images, rows, columns)


def scattered(taps: Taps, points: int) -> Tensor:
    """The taps as matrices (n, points', points) with zeros elsewhere."""
    matrix = torch.zeros(*taps.pixel.shape[:2], points, device=taps.weight.device)
    return matrix.scatter_(2, taps.pixel.long(), taps.weight)


def _multiplied(images: Tensor, rows: Taps, columns: Taps) -> Tensor:
    n, c, h, w = images.shape
    across = scattered(columns, w).transpose(1, 2)
    narrowed = torch.bmm(unit_float(images).reshape(n, c * h, w), across).view(n, c, h, -1)
    return scattered(rows, h)[:, None] @ narrowed


def _gathered(images: Tensor, rows: Taps, columns: Taps) -> Tensor:
    n, c, h, w = images.shape
    # Reading along a stride of a multiple of 1 KiB always meets the same few lines of a cache.
    wide = h + 8 * (h % 256 == 0)
    table = torch.empty(n, c, w, wide, device=images.device)
    table[..., :h] = images.transpose(2, 3)
    if images.dtype == torch.uint8:
        table.div_(255)
    return _sums(_sums(table, columns)[..., :h].transpose(2, 3).contiguous(), rows)


def _sums(table: Tensor, taps: Taps) -> Tensor:
    """Weighted sums of rows of tables: (n, C, L, D) -> (n, C, points, D)."""
    n, c, length, wide = table.shape
    points, count = taps.pixel.shape[1:]
    start = torch.arange(0, n * c * length, length, dtype=torch.int32, device=table.device)
    index = (taps.pixel[:, None] + start.view(n, c, 1, 1)).view(-1, count)
    weight = taps.weight[:, None].expand(n, c, points, count).reshape(-1, count)
    sums = F.embedding_bag(index, table.view(-1, wide), mode="sum", per_sample_weights=weight)
    return sums.view(n, c, points, wide)
