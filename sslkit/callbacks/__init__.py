"""Callbacks that watch a run: they read detached features and leave the encoder as it is."""

from sslkit.callbacks.online_knn import OnlineKNN
from sslkit.callbacks.online_probe import OnlineProbe

__all__ = ["OnlineKNN", "OnlineProbe"]
