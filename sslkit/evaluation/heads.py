"""Many linear classifiers trained side by side: one product each way for all of them.

H heads, C classes, B rows in a batch, F feature width.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import batch_norm

MOMENTUM = 0.9


class Head(NamedTuple):
    """What one linear classifier is trained with.

    Attributes:
        learning_rate: At the start; it falls to 0 along a cosine.
        weight_decay: Of the weights, not of the biases.
        batch_norm: Whether the features go through batch normalisation without scale and shift.
    """

    learning_rate: float
    weight_decay: float = 0.0
    batch_norm: bool = False


class LinearHeads:
    """Linear classifiers that see the same batches, each as if trained alone by `torch.optim.SGD`.

    The loss of each is softmax cross-entropy, mean over the batch; with ``multi_label`` it is
    binary cross-entropy, mean over the batch and summed over classes. Its gradient with respect to
    the logits is written down (probability minus target), so all heads share one product forward
    and one back, and momentum is added up by the second. Weights start at 0: nothing is drawn.

    A head without batch-norm sees features times ``scale``. That costs nothing: training W on s·x
    with learning rate a and decay d is training s·W on x with a·s² and d / s².

    Args:
        heads: At least one.
        width: F.
        classes: C.
        scale: What the features of heads without batch-norm are multiplied by.
        multi_label: Whether an image may have several classes.
        dtype: Of weights and products.
        device: Where the heads are.

    Attributes:
        heads: In the order of all results: those without batch-norm come first.
        weight: ``(H * C, F)``, of raw features, or of normalised ones for heads with batch-norm.
        bias: ``(H * C, 1)``.
        mean: ``(F,)`` running mean of batch-norm.
        variance: ``(F,)`` running variance.
    """

    def __init__(
        self,
        heads: Sequence[Head],
        *,
        width: int,
        classes: int,
        scale: float = 1.0,
        multi_label: bool = False,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.heads = sorted(heads, key=lambda head: head.batch_norm)
        self.multi_label = multi_label
        new = {"dtype": dtype, "device": device}
        self.weight = torch.zeros(len(heads) * classes, width, **new)
        self.bias = torch.zeros(len(heads) * classes, 1, **new)
        self.mean, self.variance = torch.zeros(width, **new), torch.ones(width, **new)
        self._momenta = torch.zeros_like(self.weight), torch.zeros_like(self.bias)
        bias_rate, decay, square = (
            torch.tensor(values, **new).repeat_interleave(classes).unsqueeze(1)
            for values in (
                [head.learning_rate for head in self.heads],
                [head.weight_decay for head in self.heads],
                [1.0 if head.batch_norm else scale**2 for head in self.heads],
            )
        )
        self._rate, self._decay, self._bias_rate = bias_rate * square, decay / square, bias_rate
        plain = sum(not head.batch_norm for head in self.heads) * classes
        self._parts = (slice(0, plain), slice(plain, None))
        self._classes = classes

    def step(self, rows: Tensor, target: Tensor, factor: float) -> None:
        """One step of SGD with momentum.

        Args:
            rows: ``(B, F)`` raw features; at least 2 rows where a head has batch-norm.
            target: ``(C, B)``, 1 for the classes of each row and 0 for the others.
            factor: What the learning rates are multiplied by in this step.
        """
        inputs = self._inputs(rows, training=True)
        gradient = self._logits(inputs).view(len(self.heads), self._classes, len(rows))
        gradient = gradient.sigmoid_() if self.multi_label else gradient.softmax(dim=1)
        gradient = gradient.sub_(target).flatten(0, 1)
        velocity, bias_velocity = self._momenta
        for part, given in inputs:
            velocity[part].addmm_(gradient[part], given, beta=MOMENTUM, alpha=1 / len(rows))
        velocity.addcmul_(self.weight, self._decay)
        self.weight.addcmul_(velocity, self._rate, value=-factor)
        bias_velocity.mul_(MOMENTUM).add_(gradient.mean(dim=1, keepdim=True))
        self.bias.addcmul_(bias_velocity, self._bias_rate, value=-factor)

    def logits(self, rows: Tensor) -> Tensor:
        """What every head says of ``(B, F)`` raw features, by running statistics: ``(H, C, B)``."""
        logits = self._logits(self._inputs(rows, training=False))
        return logits.view(len(self.heads), self._classes, len(rows))

    def only(self, index: int) -> "LinearHeads":
        """A copy of one head, to be read, not trained on."""
        head = self.heads[index]
        kept = LinearHeads(
            [head],
            width=self.weight.shape[1],
            classes=self._classes,
            multi_label=self.multi_label,
            dtype=self.weight.dtype,
            device=self.weight.device,
        )
        rows = slice(index * self._classes, (index + 1) * self._classes)
        kept.weight, kept.bias = self.weight[rows].clone(), self.bias[rows].clone()
        kept.mean, kept.variance = self.mean.clone(), self.variance.clone()
        return kept

    def finite(self) -> list[bool]:
        """Whether each head's weights are; a head that diverges leaves the others alone."""
        each = self.weight.view(len(self.heads), -1).isfinite().all(dim=1)
        return (each & self.bias.view(len(self.heads), -1).isfinite().all(dim=1)).tolist()

    def _inputs(self, rows: Tensor, *, training: bool) -> list[tuple[slice, Tensor]]:
        """What the heads without and with batch-norm see, where there are any."""
        plain, normalised = self._parts
        inputs = [(plain, rows)] if not self.heads[0].batch_norm else []
        if self.heads[-1].batch_norm:
            rows = batch_norm(rows, self.mean, self.variance, training=training)
            inputs.append((normalised, rows))
        return inputs

    def _logits(self, inputs: list[tuple[slice, Tensor]]) -> Tensor:
        """``(H * C, B)``."""
        logits = self.bias.new_empty(len(self.bias), len(inputs[0][1]))
        for part, given in inputs:
            torch.addmm(self.bias[part], self.weight[part], given.T, out=logits[part])
        return logits
