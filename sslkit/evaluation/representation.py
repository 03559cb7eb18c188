"""What features are like, told without labels: how they spread, and how alike two views are.

M scored images, F feature width.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sslkit.evaluation.features import Features, frozen
from sslkit.evaluation.raw_pixels import RawPixels
from sslkit.evaluation.shown import images_at
from sslkit.functional import (
    alignment,
    dimension_std,
    effective_rank,
    rankme,
    singular_values,
    sparsity,
    uniformity,
)
from sslkit.functional.normalise import unit_rows
from sslkit.nn import Encoder
from sslkit.seeding import counter_generator
from sslkit.views import RandomResizedCrop, View, Views

# At most so many images: of the ranks and the spectrum (as in RankMe's paper), of pairs of images
# (time is quadratic), and of pairs of views (each is encoded twice).
SPECTRUM_IMAGES, PAIR_IMAGES, VIEW_IMAGES = 25_600, 4_096, 1_024
CROP = (0.2, 1.0)
# The streams of the draws of images and of views.
_IMAGES, _VIEWS = 15485917, 15485927
_BATCH = 256


@dataclass(frozen=True, eq=False)
class Representation:
    """Figures of the features of some scored images.

    Attributes:
        figures: ``alignment``, ``uniformity``, ``rankme``, ``effective_rank``, ``std`` (mean over
            dimensions of the standard deviation of unit rows, times √F: 1 where rows point in all
            directions alike) and ``sparsity``; see `sslkit.functional`.
        images: Of how many images each is.
        singular_values: ``(min(M, F),)`` in descending order.
        dimension_std: ``(F,)``.
    """

    figures: dict[str, float]
    images: dict[str, int]
    singular_values: Tensor
    dimension_std: Tensor

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; the long lists with six digits."""
        return {
            **self.figures,
            "images": self.images,
            "singular_values": _digits(self.singular_values),
            "dimension_std": _digits(self.dimension_std),
        }


def describe_features(
    encoder: Encoder | RawPixels,
    loader: Iterable[Any],
    features: Features,
    *,
    seed: int,
    device: torch.device | str = "cpu",
) -> Representation:
    """Describe the features of scored images.

    Args:
        encoder: It encodes the views for the alignment; moved to ``device`` and left there.
        loader: The images, in the order of the features.
        features: The encoder's output for them, at least two images.
        seed: Of the choice of images and of the views.
        device: Where the encoder runs.

    Raises:
        ValueError: If there is one image only, or features are not finite.
    """
    order = torch.randperm(len(features.features), generator=counter_generator(_IMAGES, seed))
    z = features.features[order[:SPECTRUM_IMAGES]]
    pairs = z[:PAIR_IMAGES]
    rows = order[:VIEW_IMAGES].sort().values
    first, second = _encode_views(encoder, images_at(loader, features, rows), seed, device)
    figures = {
        "alignment": alignment(first, second),
        "uniformity": uniformity(pairs),
        "rankme": rankme(z),
        "effective_rank": effective_rank(z),
        "std": dimension_std(unit_rows(z)).mean() * z.shape[1] ** 0.5,
        "sparsity": sparsity(z),
    }
    spread = dict.fromkeys(("rankme", "effective_rank", "std", "sparsity"), len(z))
    return Representation(
        figures={name: float(value) for name, value in figures.items()},
        images={"alignment": len(rows), "uniformity": len(pairs), **spread},
        singular_values=singular_values(z),
        dimension_std=dimension_std(z),
    )


def _encode_views(
    encoder: Encoder | RawPixels, images: Tensor, seed: int, device: torch.device | str
) -> list[Tensor]:
    """Two views of each image, a crop that may be mirrored, as features."""
    with frozen(encoder, device), torch.inference_mode():
        side = encoder.preprocess(images[:1].to(device)).shape[-1]
        view = View([RandomResizedCrop(size=side, scale=CROP, flip=0.5)])
        views = Views([view, view], mean=encoder.mean.tolist(), std=encoder.std.tolist()).to(device)
        generator = counter_generator(_VIEWS, seed)
        parts = [
            [encoder(view).float().cpu() for view in views(batch.to(device), generator)]
            for batch in images.split(_BATCH)
        ]
    return [torch.cat(column) for column in zip(*parts, strict=True)]


def _digits(values: Tensor) -> list[float]:
    return [float(f"{value:.6g}") for value in values.tolist()]
