"""Networks: encoders, heads and their checkpoints."""

from sslkit.nn.checkpoint import read_checkpoint
from sslkit.nn.encoders import Encoder
from sslkit.nn.feature_maps import feature_maps
from sslkit.nn.heads import MLPHead
from sslkit.nn.layers import LayeredEncoder
from sslkit.nn.momentum import MomentumBranch, MomentumSchedule, momentum_at
from sslkit.nn.queue import Queue
from sslkit.nn.split_batch_norm import split_batch_norm
from sslkit.nn.trained_file import load_encoder

__all__ = [
    "Encoder",
    "LayeredEncoder",
    "MLPHead",
    "MomentumBranch",
    "MomentumSchedule",
    "Queue",
    "feature_maps",
    "load_encoder",
    "momentum_at",
    "read_checkpoint",
    "split_batch_norm",
]
