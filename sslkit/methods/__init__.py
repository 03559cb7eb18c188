"""The methods: Lightning modules that a user names."""

from sslkit.methods.barlow_twins import BarlowTwins
from sslkit.methods.branches import Momentum
from sslkit.methods.byol import BYOL
from sslkit.methods.ccsl import CCSL
from sslkit.methods.cssl import CSSL
from sslkit.methods.dcl import DCL, DCLW
from sslkit.methods.debiased import DebiasedSimCLR
from sslkit.methods.dual_view_moco import DualViewMoCo
from sslkit.methods.fine_tune import FineTune
from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.linear_probe import LinearProbe
from sslkit.methods.moco import MoCo
from sslkit.methods.moco_v3 import MoCoV3
from sslkit.methods.nnclr import NNCLR
from sslkit.methods.simclr import SimCLR
from sslkit.methods.tribyol import TriBYOL
from sslkit.methods.wmse import WMSE

__all__ = [
    "BYOL",
    "CCSL",
    "CSSL",
    "DCL",
    "DCLW",
    "NNCLR",
    "WMSE",
    "BarlowTwins",
    "DebiasedSimCLR",
    "DualViewMoCo",
    "FineTune",
    "JointEmbedding",
    "LinearProbe",
    "MoCo",
    "MoCoV3",
    "Momentum",
    "SimCLR",
    "TriBYOL",
]
