"""Which parameters decay, and which the papers leave alone."""

from collections.abc import Callable, Iterable
from typing import Any, cast

from torch import nn


def parameter_groups(module: nn.Module, *, exclude_bias_and_norm: bool) -> list[dict[str, Any]]:
    """Sort a module's trainable parameters into groups for an optimiser.

    Excluded from decay (and from LARS's scaling) are parameters with at most one dimension, which
    is what biases and normalisation layers have, and those that a submodule asks to exclude: timm's
    models list position embeddings and class tokens in ``no_weight_decay()``, by names relative to
    themselves. SimCLR, BYOL and Barlow Twins exclude; MoCo excludes nothing.

    Args:
        module: Holder of the parameters; one that occurs under several names is taken once.
        exclude_bias_and_norm: Whether to exclude at all.

    Returns:
        One group with the parameters that decay, then, if there are any, one with those that do
        not, marked ``{"weight_decay": 0.0, "excluded": True}``. A group without parameters is left
        out.

    Raises:
        ValueError: If no parameter is trainable.
    """
    trainable = [p for p in module.parameters() if p.requires_grad]
    if not trainable:
        raise ValueError(
            f"module {type(module).__name__} has no trainable parameter, so there is nothing to "
            "optimise. Set requires_grad on the parameters that should learn."
        )
    if not exclude_bias_and_norm:
        return [{"params": trainable}]
    named = _excluded_by_name(module)
    excluded = [p for p in trainable if p.ndim <= 1 or id(p) in named]
    chosen = {id(p) for p in excluded}
    groups: list[dict[str, Any]] = []
    if len(excluded) < len(trainable):
        groups.append({"params": [p for p in trainable if id(p) not in chosen]})
    if excluded:
        groups.append({"params": excluded, "weight_decay": 0.0, "excluded": True})
    return groups


def _excluded_by_name(module: nn.Module) -> set[int]:
    """Identities of the parameters that some submodule lists in ``no_weight_decay()``."""
    found: set[int] = set()
    for submodule in module.modules():
        listed = getattr(submodule, "no_weight_decay", None)
        if callable(listed):
            names = set(cast(Callable[[], Iterable[str]], listed)())
            found.update(
                id(parameter)
                # Not deduplicated: a shared parameter may be listed under its second name.
                for name, parameter in submodule.named_parameters(remove_duplicate=False)
                if name in names
            )
    return found
