"""Every method at a size that a test can train: a ResNet of 8 to 16 channels, images of 16 px."""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from sslkit import methods
from sslkit.methods import JointEmbedding
from sslkit.nn import Encoder
from sslkit.optim import Constant
from sslkit.views import SimCLRViews

# The methods that learn without labels; `LinearProbe` and `FineTune` start from what they trained.
PRETRAINING = {*methods.__all__} - {"JointEmbedding", "Momentum", "LinearProbe", "FineTune"}
# No zeros at the end of a residual branch, which would keep gradient out of it.
OPTIONS = {"layers": [1, 1, 1, 1], "channels": [16, 16, 16, 16], "zero_init_last": False}


def encoder(**changes: Any) -> Encoder:
    arguments: dict[str, Any] = {"small_images": True, "options": OPTIONS}
    return Encoder("resnet18", **(arguments | changes))


def _builder(name: str, **tiny: Any) -> Callable[..., JointEmbedding]:
    views = 3 if name == "TriBYOL" else 2

    def build(**changes: Any) -> JointEmbedding:
        arguments: dict[str, Any] = {
            "encoder": encoder(),
            "views": SimCLRViews(size=16, blur=False, views=views),
            "output_dim": 8,
            "schedule": Constant(),
        }
        return getattr(methods, name)(**(arguments | tiny | changes))

    return build


METHODS: dict[str, Callable[..., JointEmbedding]] = {
    "SimCLR": _builder("SimCLR"),
    "DCL": _builder("DCL"),
    "DCLW": _builder("DCLW"),
    "DebiasedSimCLR": _builder("DebiasedSimCLR", hidden_dim=16),
    "HCL": _builder("DebiasedSimCLR", hidden_dim=16, beta=1.0),
    "MoCo v1": _builder("MoCo", queue_size=12, projector_layers=1, temperature=0.07),
    "MoCo": _builder("MoCo", queue_size=12),
    "MoCo symmetric": _builder("MoCo", queue_size=12, symmetric=True),
    "MoCo decoupled": _builder("MoCo", queue_size=12, decoupled=True, sigma=0.5),
    "MoCo debiased": _builder("MoCo", queue_size=12, tau_plus=0.1, temperature=0.5),
    "MoCoV3": _builder("MoCoV3", hidden_dim=16),
    "BYOL": _builder("BYOL", hidden_dim=16),
    "BYOL without batch statistics": _builder("BYOL", hidden_dim=32, norm="group"),
    "BarlowTwins": _builder("BarlowTwins", hidden_dim=16),
    "WMSE": _builder("WMSE", hidden_dim=16, output_dim=4, slice_size=8),
    "NNCLR": _builder("NNCLR", hidden_dim=16, predictor_hidden_dim=16, queue_size=12),
    "NNCLR decoupled": _builder(
        "NNCLR", hidden_dim=16, predictor_hidden_dim=16, queue_size=12, decoupled=True
    ),
    "TriBYOL": _builder("TriBYOL", hidden_dim=16),
    "CCSL": _builder("CCSL", hidden_dim=16, negative_weight=0.5),
    "CSSL": _builder("CSSL", hidden_dim=16),
    "DualViewMoCo": _builder("DualViewMoCo", queue_size=12),
}


def images(n: int = 16, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(256, (n, 3, 16, 16), dtype=torch.uint8, generator=generator)


def trainer(folder: Any, **changes: Any) -> pl.Trainer:
    arguments = {
        "max_epochs": 1,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": folder,
    }
    return pl.Trainer(**(arguments | changes))
