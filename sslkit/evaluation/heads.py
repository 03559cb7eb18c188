"""Many linear classifiers trained side by side: one product each way for all that see the same.

H heads, C classes, B rows in a batch, F feature width, F_l that of one set of features (a layer).
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import batch_norm

from sslkit.nn.layers import OUTPUT

MOMENTUM = 0.9


class Head(NamedTuple):
    """What one linear classifier is trained with.

    Attributes:
        learning_rate: At the start; it falls to 0 along a cosine.
        weight_decay: Of the weights, not of the biases.
        batch_norm: Whether the features go through batch normalisation without scale and shift.
        layer: Which features it sees, by the name of `sslkit.nn.LayeredEncoder`.
    """

    learning_rate: float
    weight_decay: float = 0.0
    batch_norm: bool = False
    layer: str = OUTPUT


class LinearHeads:
    """Linear classifiers that see the same batches, each as if trained alone by `torch.optim.SGD`.

    The loss of each is softmax cross-entropy, mean over the batch; with ``multi_label`` it is
    binary cross-entropy, mean over the batch and summed over classes. Its gradient with respect to
    the logits is written down (probability minus target), so all heads of one layer, with or
    without batch-norm, share one product forward and one back, and momentum is added up by the
    second. Weights start at 0: nothing is drawn.

    A head without batch-norm sees features times the ``scale`` of its layer. That costs nothing:
    training W on s·x with learning rate a and decay d is training s·W on x with a·s² and d / s².

    Args:
        heads: At least one.
        widths: Of each layer, in the order in which their features stand side by side in a row.
        classes: C.
        scales: What the features of a layer are multiplied by for heads without batch-norm; 1 where
            it is not named.
        multi_label: Whether an image may have several classes.
        dtype: Of weights and products.
        device: Where the heads are.

    Attributes:
        heads: In the order of all results: by layer, and those without batch-norm first.
    """

    def __init__(
        self,
        heads: Sequence[Head],
        *,
        widths: Mapping[str, int],
        classes: int,
        scales: Mapping[str, float] | None = None,
        multi_label: bool = False,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.dtype, self._classes = dtype, classes
        self._parts: list[_Part] = []
        start = 0
        for layer, width in widths.items():
            columns = slice(start, start + width)
            start += width
            scale = (scales or {}).get(layer, 1.0)
            for norm in (False, True):
                same = [h for h in heads if h.layer == layer and h.batch_norm == norm]
                if same:
                    part = _Part(
                        same, columns, classes, scale, multi_label, dtype=dtype, device=device
                    )
                    self._parts.append(part)
        self.heads = [head for part in self._parts for head in part.heads]

    @property
    def outputs(self) -> int:
        """H * C."""
        return len(self.heads) * self._classes

    def step(self, rows: Tensor, target: Tensor, factor: float) -> None:
        """One step of SGD with momentum.

        Args:
            rows: ``(B, F)`` raw features; at least 2 rows where a head has batch-norm.
            target: ``(C, B)``, 1 for the classes of each row and 0 for the others.
            factor: What the learning rates are multiplied by in this step.
        """
        for part in self._parts:
            part.step(rows, target, factor)

    def logits(self, rows: Tensor) -> Tensor:
        """What every head says of ``(B, F)`` raw features, by running statistics: ``(H, C, B)``."""
        return torch.cat([part.logits(rows) for part in self._parts])

    def only(self, index: int) -> "LinearHeads":
        """A copy of one head, to be read, not trained on."""
        kept = LinearHeads([], widths={}, classes=self._classes, dtype=self.dtype)
        for part in self._parts:
            if index < len(part.heads):
                kept._parts = [part.only(index)]
                break
            index -= len(part.heads)
        kept.heads = kept._parts[0].heads
        return kept

    def finite(self) -> list[bool]:
        """Whether each head's weights are; a head that diverges leaves the others alone."""
        return [flag for part in self._parts for flag in part.finite()]


class _Part:
    """Heads that see the same input: one layer, with batch-norm or without.

    weight (h * C, F_l) is of raw features, or of normalised ones with batch-norm; bias (h * C, 1).
    """

    def __init__(
        self,
        heads: list[Head],
        columns: slice,
        classes: int,
        scale: float,
        multi_label: bool,
        **new: Any,
    ) -> None:
        self.heads, self.columns, self.classes = heads, columns, classes
        self.multi_label, self.norm = multi_label, heads[0].batch_norm
        width = columns.stop - columns.start
        self.weight = torch.zeros(len(heads) * classes, width, **new)
        self.bias = torch.zeros(len(heads) * classes, 1, **new)
        self.mean, self.variance = torch.zeros(width, **new), torch.ones(width, **new)
        self._velocity = torch.zeros_like(self.weight), torch.zeros_like(self.bias)
        self._bias_rate, self._decay = (
            torch.tensor(values, **new).repeat_interleave(classes).unsqueeze(1)
            for values in ([h.learning_rate for h in heads], [h.weight_decay for h in heads])
        )
        square = 1.0 if self.norm else scale**2
        self._rate, self._decay = self._bias_rate * square, self._decay / square

    def step(self, rows: Tensor, target: Tensor, factor: float) -> None:
        given = self._see(rows, training=True)
        gradient = self._logits(given)
        gradient = gradient.sigmoid_() if self.multi_label else gradient.softmax(dim=1)
        gradient = gradient.sub_(target).flatten(0, 1)
        velocity, bias_velocity = self._velocity
        velocity.addmm_(gradient, given, beta=MOMENTUM, alpha=1 / len(rows))
        velocity.addcmul_(self.weight, self._decay)
        self.weight.addcmul_(velocity, self._rate, value=-factor)
        bias_velocity.mul_(MOMENTUM).add_(gradient.mean(dim=1, keepdim=True))
        self.bias.addcmul_(bias_velocity, self._bias_rate, value=-factor)

    def logits(self, rows: Tensor) -> Tensor:
        return self._logits(self._see(rows, training=False))

    def only(self, index: int) -> "_Part":
        """A copy of one head."""
        new = {"dtype": self.weight.dtype, "device": self.weight.device}
        kept = _Part([self.heads[index]], self.columns, self.classes, 1.0, self.multi_label, **new)
        rows = slice(index * self.classes, (index + 1) * self.classes)
        kept.weight, kept.bias = self.weight[rows].clone(), self.bias[rows].clone()
        kept.mean, kept.variance = self.mean.clone(), self.variance.clone()
        return kept

    def finite(self) -> list[bool]:
        each = self.weight.view(len(self.heads), -1).isfinite().all(dim=1)
        return (each & self.bias.view(len(self.heads), -1).isfinite().all(dim=1)).tolist()

    def _see(self, rows: Tensor, *, training: bool) -> Tensor:
        rows = rows[:, self.columns]
        if not self.norm:
            return rows
        return batch_norm(rows, self.mean, self.variance, training=training)

    def _logits(self, given: Tensor) -> Tensor:
        """``(h, C, B)``."""
        logits = torch.addmm(self.bias, self.weight, given.T)
        return logits.view(len(self.heads), self.classes, len(given))
