"""What a training engine asks of an objective."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from sslkit.negatives.plugin import Progress
from sslkit.objectives.routes import Routes


class Objective(nn.Module, ABC):
    """Compares the embeddings of a batch. A new one is a subclass in a file of its own.

    Attributes:
        routes: Which views go through which branch; set on the class, or by the constructor when it
            depends on an argument.
    """

    routes: Routes

    def begin(self, progress: Progress, batch: Any) -> None:
        """Take note of the training batch that comes next; called before its views are encoded.

        Args:
            progress: Where the run stands.
            batch: The `sslkit.data.ViewBatch` whose embeddings `forward` gets next.
        """
        del progress, batch

    def set_statistics(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Take note of how the views are normalised; called when a run is set up.

        Args:
            mean: Of each channel, on the scale [0, 1].
            std: Likewise.
        """
        del mean, std

    def check_batch(self, images: int, dim: int) -> None:
        """Refuse a batch that cannot be compared; for whoever checks a recipe before a run.

        Args:
            images: B, of one rank.
            dim: D.

        Raises:
            ValueError: If so; says what would do.
        """
        del images, dim

    @abstractmethod
    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        """The loss of this rank's batch.

        It runs with autocast off, on raw embeddings in at least float32. The mean over ranks must
        be the loss of the global batch, and `sslkit.distributed.gather` is what makes the gradient
        agree too.

        Args:
            online: (Vo, B, D) embeddings of the views in ``routes.online``, in that order.
            target: (Vt, B, D) embeddings of the views in ``routes.target``, in that order.
            batch: The `sslkit.data.ViewBatch` at hand, with labels and indices.

        Returns:
            ``loss``: scalar with gradient; ``per_anchor``: detached (anchors,), where the loss is a
            mean over anchors; every other entry is a detached scalar to log under its name.
        """
