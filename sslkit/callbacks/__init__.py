"""Callbacks that watch a run: they read detached features and leave the encoder as it is."""

from sslkit.callbacks.negative_oracle import NegativeOracle
from sslkit.callbacks.offline_probe import OfflineProbe
from sslkit.callbacks.online_knn import OnlineKNN
from sslkit.callbacks.online_probe import OnlineProbe
from sslkit.callbacks.picture_monitor import PictureMonitor
from sslkit.callbacks.representation import RepresentationMonitor
from sslkit.callbacks.scores import ScoreMonitor
from sslkit.callbacks.view_grid import ViewGrid

__all__ = [
    "NegativeOracle",
    "OfflineProbe",
    "OnlineKNN",
    "OnlineProbe",
    "PictureMonitor",
    "RepresentationMonitor",
    "ScoreMonitor",
    "ViewGrid",
]
