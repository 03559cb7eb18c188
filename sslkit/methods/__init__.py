"""The methods: Lightning modules that a user names."""

from sslkit.methods.joint_embedding import JointEmbedding
from sslkit.methods.simclr import SimCLR

__all__ = ["JointEmbedding", "SimCLR"]
