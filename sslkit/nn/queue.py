"""A first-in, first-out memory of embeddings that is the same on every rank.

K rows, D embedding size, B embeddings on a rank, N = W·B on all W ranks.
"""

import torch
from torch import Tensor, nn

from sslkit.distributed import gather_no_grad
from sslkit.functional import unit_rows
from sslkit.seeding import counter_generator, global_seed

# Names this draw among those of the run's seed.
_INITIAL_ROWS = 0x71


class Queue(nn.Module):
    """The last K embeddings of all ranks, with the labels and indices of their images.

    It starts with random unit rows, drawn from the run's seed and the same on every rank. All of it
    is buffers, so a resumed run finds it again. He et al., "Momentum Contrast for Unsupervised
    Visual Representation Learning", 2020, section 3.2, https://arxiv.org/abs/1911.05722.

    Attributes:
        rows: (K, D) unit rows.
        labels: (K,) int64 labels of the rows' images; −1 = unknown, or not yet filled.
        index: (K,) int64 positions of the rows' images in their data set; −1 likewise.
        position: () int64, the row that is written next.
        filled: () int64, how many rows have been written, at most K.
        guide: (K, G) what a guide says of the rows' images, 0 until filled; None without a width.

    Args:
        size: K.
        dim: D, the width of the embeddings.
        guide_dim: G, the width of a guide's features, to be kept beside the rows; None keeps none.

    Raises:
        ValueError: If ``size``, ``dim`` or ``guide_dim`` is below 1.
    """

    rows: Tensor
    labels: Tensor
    index: Tensor
    position: Tensor
    filled: Tensor
    guide: Tensor | None

    def __init__(self, size: int, dim: int, *, guide_dim: int | None = None) -> None:
        super().__init__()
        if size < 1 or dim < 1:
            raise ValueError(
                f"a queue needs a size and a dim of at least 1, got size={size} and dim={dim}: it "
                "holds size embeddings of the projector's output width dim."
            )
        if guide_dim is not None and guide_dim < 1:
            raise ValueError(
                f"guide_dim must be at least 1, or None without a guide, got {guide_dim}."
            )
        generator = counter_generator(global_seed(), size, dim, _INITIAL_ROWS)
        # Where the generator is: the same rows on whatever device modules are being made.
        drawn = torch.randn(size, dim, generator=generator, device=generator.device)
        self.register_buffer("rows", unit_rows(drawn).to(torch.get_default_device()))
        self.register_buffer("labels", torch.full((size,), -1))
        self.register_buffer("index", torch.full((size,), -1))
        self.register_buffer("position", torch.tensor(0))
        self.register_buffer("filled", torch.tensor(0))
        guide = None if guide_dim is None else torch.zeros(size, guide_dim)
        self.register_buffer("guide", guide)

    def snapshot(self) -> Tensor:
        """The rows as they are now, for a loss that is followed by `enqueue`.

        A copy: autograd reads the rows once more on the way back, when the queue has moved on.

        Returns:
            (K, D) unit rows.
        """
        return self.rows.clone()

    @torch.no_grad()
    def enqueue(
        self,
        rows: Tensor,
        labels: Tensor | None = None,
        index: Tensor | None = None,
        guide: Tensor | None = None,
    ) -> None:
        """Write the embeddings of all ranks over the oldest rows.

        Rank by rank and row by row, as if one came after the other: of more than K, the last K
        stay. Every rank must call it.

        Args:
            rows: (B, D) raw embeddings of this rank; B must be the same on every rank.
            labels: (B,) integer labels of their images; None, or classes as (B, C) bool, is −1.
            index: (B,) positions of their images in the data set; None is −1.
            guide: (B, G) features of their images; needed where the queue keeps them, and ignored
                elsewhere.

        Raises:
            ValueError: If the embeddings are not (B, D), not as many as labels or indices, or
                without the guide's features that the queue keeps.
        """
        size, dim = self.rows.shape
        if rows.ndim != 2 or rows.shape[1] != dim:
            raise ValueError(
                f"rows must be (B, {dim}), got {tuple(rows.shape)}. Build the queue with dim="
                f"{rows.shape[-1] if rows.ndim else 0}, or give the embeddings it was built for."
            )
        everyone = gather_no_grad(unit_rows(rows))
        marks = gather_no_grad(
            torch.stack(
                [_marks(x, rows, name) for x, name in ((labels, "labels"), (index, "index"))], 1
            )
        )
        count = everyone.shape[0]
        skipped = max(count - size, 0)
        steps = torch.arange(skipped, count, device=rows.device)
        at = (self.position + steps) % size
        self.rows[at] = everyone[skipped:].to(self.rows.dtype)
        self.labels[at], self.index[at] = marks[skipped:].unbind(1)
        if self.guide is not None:
            self.guide[at] = gather_no_grad(_features(guide, rows, self.guide))[skipped:]
        self.position.add_(count).remainder_(size)
        self.filled.add_(count).clamp_(max=size)

    def extra_repr(self) -> str:
        """What the printed module says of its shape."""
        return f"size={self.rows.shape[0]}, dim={self.rows.shape[1]}"


def _features(given: Tensor | None, rows: Tensor, kept: Tensor) -> Tensor:
    """(B, G) in the precision of those that are kept."""
    shape = (rows.shape[0], kept.shape[1])
    if given is None or given.shape != shape:
        raise ValueError(
            f"this queue keeps a guide's features of width {kept.shape[1]}, so guide must be "
            f"{shape}, got {None if given is None else tuple(given.shape)}."
        )
    return given.to(kept)


def _marks(given: Tensor | None, rows: Tensor, name: str) -> Tensor:
    """(B,) int64, −1 where there is nothing to note."""
    if given is None or given.ndim == 2:
        return torch.full((rows.shape[0],), -1, device=rows.device)
    if given.shape != rows.shape[:1]:
        raise ValueError(
            f"{name} must be ({rows.shape[0]},), one for each of the rows, got "
            f"{tuple(given.shape)}."
        )
    return given.to(rows.device, torch.int64)
