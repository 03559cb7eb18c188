"""Which logistic regressions are not fitted, as they would take hours or a lot of memory.

N images to fit, F feature width, C classes.
"""

# N · F · C from which on the fit, some thousand products of that size on one core, takes hours.
MOST_WORK = 2e10
# Bytes that a fit holds beside the features, which may be memory-mapped: their standardised copy,
# and three arrays (N, C). No limit of time bounds them where there are few classes.
MOST_BYTES = 2**30
_FLOAT = 4


def why_not_fitted(images: int, width: int, classes: int) -> str | None:
    """Say why a logistic regression is not fitted, if it is not.

    Args:
        images: N.
        width: F.
        classes: C.

    Returns:
        What completes "linear is left out, as it ..."; None if it is fitted.
    """
    if images * width * classes > MOST_WORK:
        return "would take hours on so many features"
    if _FLOAT * images * (width + 3 * classes) > MOST_BYTES:
        return f"would need over {MOST_BYTES / 2**30:.1f} GB beside so many features"
    return None
