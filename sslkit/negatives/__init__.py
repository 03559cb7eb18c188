"""Treatments of positives and negatives, as plug-ins over every contrastive method."""

from sslkit.negatives.ambiguous import AmbiguousNegatives
from sslkit.negatives.guides import FrozenGuide
from sslkit.negatives.masks import FalseNegativeMask, HardNegativeFilter
from sslkit.negatives.mixing import HardNegativeMixing, make_mixes
from sslkit.negatives.noise import NoiseNegatives
from sslkit.negatives.pairs import Info, Mixes, Pairs
from sslkit.negatives.plugin import Plugin, PluginSchedule, Progress, Setting
from sslkit.negatives.reweight import ReweightNegatives
from sslkit.negatives.sources import CrossView, InBatch, Queue
from sslkit.negatives.transforms import NegativeInterpolation, PositiveExtrapolation

__all__ = [
    "AmbiguousNegatives",
    "CrossView",
    "FalseNegativeMask",
    "FrozenGuide",
    "HardNegativeFilter",
    "HardNegativeMixing",
    "InBatch",
    "Info",
    "Mixes",
    "NegativeInterpolation",
    "NoiseNegatives",
    "Pairs",
    "Plugin",
    "PluginSchedule",
    "PositiveExtrapolation",
    "Progress",
    "Queue",
    "ReweightNegatives",
    "Setting",
    "make_mixes",
]
