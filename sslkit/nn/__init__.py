"""Networks: encoders, heads and their checkpoints."""

from sslkit.nn.checkpoint import load_encoder, read_checkpoint
from sslkit.nn.encoders import Encoder
from sslkit.nn.heads import MLPHead

__all__ = ["Encoder", "MLPHead", "load_encoder", "read_checkpoint"]
