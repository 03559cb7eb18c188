"""How far a figure could have come out otherwise with other test images: the bootstrap, in numpy.

Efron, "Bootstrap methods: another look at the jackknife", 1979: percentile intervals of the mean
over n images drawn with replacement from the n images.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVEL = 0.95
RESAMPLES = 10_000
_CELLS = 2_000_000  # of the table of draws that is held at once


def bootstrap_interval(
    hits: ArrayLike, *, seed: int, level: float = LEVEL, resamples: int = RESAMPLES
) -> tuple[float, float]:
    """The interval of a mean over images.

    It speaks of other images of the same kind, not of other runs or seeds. Of images that all have
    one value it is a point, however few they are.

    Args:
        hits: ``(n,)``, one number an image: right or wrong, or a score.
        seed: Of the draws.
        level: The share of the resampled means inside, in (0, 1).
        resamples: How often n images are drawn.

    Returns:
        Its lower and upper end.

    Raises:
        ValueError: If there are no images, a number is not finite, or an argument is out of range.
    """
    values = _checked(hits, "hits")
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(
            f"the bootstrap needs a level in (0, 1) and at least one resample, got {level} and "
            f"{resamples}."
        )
    # Only how often each value is drawn matters, which is quick where there are few of them.
    distinct, counts = np.unique(values, return_counts=True)
    generator = np.random.default_rng(seed)
    means: list[NDArray[np.float64]] = []
    chunk = max(1, _CELLS // len(distinct))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        drawn = generator.multinomial(len(values), counts / len(values), size=size)
        means.append(drawn @ distinct / len(values))
    low, high = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def paired_bootstrap(
    hits_a: ArrayLike,
    hits_b: ArrayLike,
    *,
    seed: int,
    level: float = LEVEL,
    resamples: int = RESAMPLES,
) -> tuple[float, float, float]:
    """The difference of two means over the same images, and its interval.

    Images are drawn in pairs, so what is hard for both does not widen the interval.

    Args:
        hits_a: ``(n,)``, one number an image.
        hits_b: ``(n,)``, of the same images in the same order.
        seed: Of the draws.
        level: See `bootstrap_interval`.
        resamples: See `bootstrap_interval`.

    Returns:
        The mean of a minus that of b, and the lower and upper end of its interval.

    Raises:
        ValueError: See `bootstrap_interval`; and if the two differ in length.
    """
    a, b = _checked(hits_a, "hits_a"), _checked(hits_b, "hits_b")
    if len(a) != len(b):
        raise ValueError(
            f"a paired bootstrap needs the same images twice, got {len(a)} and {len(b)} of them."
        )
    low, high = bootstrap_interval(a - b, seed=seed, level=level, resamples=resamples)
    return float((a - b).mean()), low, high


def _checked(hits: ArrayLike, name: str) -> NDArray[np.float64]:
    values = np.asarray(hits, dtype=np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(
            f"the bootstrap's {name} must be one finite number an image, shape (n,) with n of at "
            f"least 1, got shape {values.shape}."
        )
    return values
