"""What plug-ins that ask a guide have in common.

N anchors, K rows in the bank.
"""

import math
from typing import Literal

from torch import Tensor, nn

from sslkit.negatives.pairs import Pairs
from sslkit.negatives.plugin import Plugin, Setting

Guide = nn.Module | Literal["momentum"]


def without(pairs: Pairs, false: Tensor, strength: float) -> Pairs:
    """Pairs without false negatives.

    Args:
        pairs: The pairs.
        false: (N, K) bool, the false negatives.
        strength: At 1 they are masked, below it they count 1 - strength of a negative.
    """
    if strength == 1:
        return pairs.with_(mask=~false if pairs.mask is None else pairs.mask & ~false)
    weight = false.to(pairs.query.dtype) * math.log1p(-strength)
    return pairs.with_(log_weight=weight if pairs.log_weight is None else pairs.log_weight + weight)


def guide_similarity(pairs: Pairs, plugin: Plugin) -> Tensor:
    """How similar a guide finds anchors and rows of the bank.

    Returns:
        (N, K) cosines.

    Raises:
        ValueError: If the pairs carry no features of a guide.
    """
    query, bank = pairs.query_info, pairs.bank_info
    if query is None or bank is None or query.guide is None or bank.guide is None:
        raise ValueError(
            f"{type(plugin).__name__} needs a guide's features of the images (query_info.guide and "
            "bank_info.guide), and these pairs carry none: the objective that makes the pairs must "
            "supply those of the plug-in's `guide`."
        )
    return query.guide @ bank.guide.to(query.guide.dtype).T


def check_guide(guide: object) -> None:
    """Refuse what no guide can be.

    Raises:
        TypeError: If it is neither a module nor ``momentum``.
    """
    if guide != "momentum" and not isinstance(guide, nn.Module):
        raise TypeError(
            f"guide must be 'momentum' or a module such as FrozenGuide(encoder), got {guide!r}."
        )


def check_momentum(plugin: Plugin, setting: Setting) -> None:
    """Refuse the momentum encoder as a guide where there is none.

    Raises:
        ValueError: If so.
    """
    if plugin.guide == "momentum" and not setting.momentum:
        raise ValueError(
            f"{type(plugin).__name__} with guide='momentum' needs a momentum encoder, and this "
            "method has none: use a method that has one (MoCo, MoCoV3), or a FrozenGuide."
        )
