"""Objectives: from the embeddings of a batch to a loss and the scalars worth watching."""

from sslkit.objectives.contrastive import NTXent
from sslkit.objectives.objective import Objective
from sslkit.objectives.routes import Routes

__all__ = ["NTXent", "Objective", "Routes"]
