"""Encoders for other libraries: written, read back by them and compared before they are kept."""

from sslkit.interchange.model_card import RunFacts, model_card
from sslkit.interchange.target import Target
from sslkit.interchange.targets import TARGETS, open_target
from sslkit.interchange.writing import export_encoder

__all__ = [
    "TARGETS",
    "RunFacts",
    "Target",
    "export_encoder",
    "model_card",
    "open_target",
]
