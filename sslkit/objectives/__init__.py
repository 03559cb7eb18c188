"""Objectives: from the embeddings of a batch to a loss and the scalars worth watching."""

from sslkit.objectives.contrastive import DCL, NTXent
from sslkit.objectives.cross_view import MoCoV3Objective, NNCLRObjective
from sslkit.objectives.debiased import DebiasedNCE
from sslkit.objectives.dual_view import DualViewNCE
from sslkit.objectives.objective import Objective
from sslkit.objectives.pair_objective import PairObjective
from sslkit.objectives.queued import QueueInfoNCE
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
    "PairObjective",
    "QueueInfoNCE",
    "Routes",
    "SelfLabelledBCE",
    "SelfLabelledMSE",
    "TriBYOLObjective",
]
