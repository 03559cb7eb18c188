"""What a method says of itself: a line before training, and numbers at every step."""

from typing import TYPE_CHECKING

import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from sslkit.objectives import PairObjective

if TYPE_CHECKING:
    from sslkit.methods.joint_embedding import JointEmbedding


def announce(method: "JointEmbedding") -> None:
    """One line with the encoder, its size, and the objective with its plug-ins."""
    encoder, objective = method.encoder, method.objective
    size = sum(p.numel() for p in encoder.parameters()) / 1e6
    plugins = objective.plugins if isinstance(objective, PairObjective) else ()
    names = ", ".join(type(plugin).__name__ for plugin in plugins)
    rank_zero_info(
        f"{type(method).__name__}: {encoder.name} with {size:.2f} million parameters and "
        f"{encoder.num_features} features, {type(objective).__name__}({objective.extra_repr()})"
        f"{f', with {names}' if names else ''}."
    )


def log_step(method: "JointEmbedding", result: dict[str, Tensor], images: int) -> None:
    """Log the loss, the objective's other scalars and the learning rate.

    Args:
        method: What is trained.
        result: What its objective returned.
        images: B.
    """
    method.log("train/loss", result["loss"].detach(), prog_bar=True, batch_size=images)
    for name, value in result.items():
        if name != "loss" and value.ndim == 0:
            method.log(f"train/{name}", value, batch_size=images)
    # On the host: a number would be copied to the device and waited for.
    lr = torch.tensor(method.trainer.optimizers[0].param_groups[0]["lr"])
    method.log("train/lr", lr, batch_size=images)
