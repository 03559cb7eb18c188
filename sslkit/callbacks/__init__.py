"""Callbacks that watch a run: they read detached features and leave the encoder as it is."""

from sslkit.callbacks.negative_oracle import NegativeOracle
from sslkit.callbacks.online_knn import OnlineKNN
from sslkit.callbacks.online_probe import OnlineProbe
from sslkit.callbacks.representation import RepresentationMonitor
from sslkit.callbacks.scores import ScoreMonitor

__all__ = ["NegativeOracle", "OnlineKNN", "OnlineProbe", "RepresentationMonitor", "ScoreMonitor"]
