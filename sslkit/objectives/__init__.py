"""Objectives: from the embeddings of a batch to a loss and the scalars worth watching."""

from sslkit.objectives.contrastive import DCL, DebiasedNCE, NTXent
from sslkit.objectives.cross_view import MoCoV3Objective, NNCLRObjective
from sslkit.objectives.objective import Objective
from sslkit.objectives.queued import DualViewNCE, QueueInfoNCE
from sslkit.objectives.redundancy import BarlowTwins
from sslkit.objectives.regression import (
    BYOLObjective,
    SelfLabelledBCE,
    SelfLabelledMSE,
    TriBYOLObjective,
)
from sslkit.objectives.routes import Routes
from sslkit.objectives.whitening import WMSE

__all__ = [
    "DCL",
    "WMSE",
    "BYOLObjective",
    "BarlowTwins",
    "DebiasedNCE",
    "DualViewNCE",
    "MoCoV3Objective",
    "NNCLRObjective",
    "NTXent",
    "Objective",
    "QueueInfoNCE",
    "Routes",
    "SelfLabelledBCE",
    "SelfLabelledMSE",
    "TriBYOLObjective",
]
