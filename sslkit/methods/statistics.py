"""The mean and standard deviation of the data, handed to whatever normalises."""

from typing import Any

from sslkit.nn import Encoder
from sslkit.objectives import Objective
from sslkit.views import Views


def share_statistics(data: Any, views: Views, *others: Encoder | Objective) -> None:
    """Hand the data's statistics to the views, and those that the views use to the others.

    Args:
        data: The run's data module, or what has no ``mean`` and ``std`` to hand on.
        views: They may have statistics of their own, which win.
        others: What must normalise as the views do.
    """
    mean, std = getattr(data, "mean", None), getattr(data, "std", None)
    if mean is not None and std is not None:
        views.set_statistics(mean, std)
    if views.mean is not None and views.std is not None:
        for other in others:
            other.set_statistics(views.mean.tolist(), views.std.tolist())
