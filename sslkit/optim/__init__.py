"""Optimisers, learning-rate schedules and parameter groups of self-supervised pretraining."""

from sslkit.optim.lars import LARS
from sslkit.optim.layer_decay import layer_decay_groups
from sslkit.optim.parameter_groups import parameter_groups
from sslkit.optim.schedules import (
    Constant,
    LRScaling,
    MultiStep,
    Schedule,
    WarmupCosine,
    scaled_lr,
)

__all__ = [
    "LARS",
    "Constant",
    "LRScaling",
    "MultiStep",
    "Schedule",
    "WarmupCosine",
    "layer_decay_groups",
    "parameter_groups",
    "scaled_lr",
]
