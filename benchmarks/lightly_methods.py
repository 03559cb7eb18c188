"""Five methods as lightly's documentation builds them: transforms, loader, heads, losses, rates.

Each is put together as in the examples of lightly 1.6.0's documentation
(https://docs.lightly.ai/self-supervised-learning/examples/models.html). Backbone, image set, batch,
optimiser and the sizes that both libraries let one choose are those of sslkit's recipes in
``recipes/small/``; where the two define one loss with different factors, lightly's is multiplied so
that both take the same step.
"""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import timm
import torch
from lightly.loss import BarlowTwinsLoss, DCLLoss, NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules import (
    BarlowTwinsProjectionHead,
    BYOLPredictionHead,
    BYOLProjectionHead,
    MoCoProjectionHead,
    SimCLRProjectionHead,
)
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import BYOLTransform, SimCLRTransform
from lightly.transforms.byol_transform import BYOLView1Transform, BYOLView2Transform
from lightly.utils.lars import LARS
from lightly.utils.scheduler import CosineWarmupScheduler, cosine_schedule
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

METHODS = ("simclr", "dcl", "moco", "byol", "barlow_twins")


class TransformedArray(Dataset):
    """Images (N,H,W,3) uint8, each as a PIL image through a transform, as torchvision's CIFAR10."""

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, transform: Callable[[Image.Image], list]
    ) -> None:
        """Keep the arrays."""
        self.images, self.labels, self.transform = images, labels, transform

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[list, int]:
        """The views of one image, and its label."""
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


class Lightly(pl.LightningModule):
    """Backbone, head, loss of two embedded views, and the schedule of the benchmark."""

    def __init__(self, head: nn.Module, criterion: nn.Module, *, steps: int, warmup: int) -> None:
        """Parts of the example."""
        super().__init__()
        self.backbone = backbone()
        self.projection_head = head
        self.criterion = criterion
        self.steps, self.warmup = steps, warmup
        self.lr, self.optimizer = 0.24, torch.optim.SGD
        self.decay = 5e-4

    def forward(self, x: Tensor) -> Tensor:
        """An embedding of a view."""
        return self.projection_head(self.backbone(x).flatten(start_dim=1))

    def training_step(self, batch: list, batch_idx: int) -> Tensor:
        """Two views, encoded one by one as in the documentation."""
        (x0, x1), _ = batch
        return self.criterion(self(x0), self(x1))

    def configure_optimizers(self) -> tuple[list, list]:
        """Warm-up and cosine per step."""
        optimizer = self.optimizer(
            self.parameters(), lr=self.lr, momentum=0.9, weight_decay=self.decay
        )
        scheduler = CosineWarmupScheduler(optimizer, self.warmup, self.steps)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


class LightlyMomentum(Lightly):
    """The examples with a momentum encoder: copies of backbone and head that follow each step."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Copies without gradient."""
        super().__init__(*arguments, **options)
        self.backbone_momentum = copy.deepcopy(self.backbone)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone_momentum)
        deactivate_requires_grad(self.projection_head_momentum)

    @torch.no_grad()
    def forward_momentum(self, x: Tensor) -> Tensor:
        """A target."""
        return self.projection_head_momentum(self.backbone_momentum(x).flatten(start_dim=1))

    def follow(self, momentum: float) -> None:
        """Move both copies."""
        update_momentum(self.backbone, self.backbone_momentum, m=momentum)
        update_momentum(self.projection_head, self.projection_head_momentum, m=momentum)


class LightlyMoCo(LightlyMomentum):
    """Query of the first view, key of the second, memory bank in the loss."""

    def training_step(self, batch: list, batch_idx: int) -> Tensor:
        """One direction, constant momentum as in the recipe."""
        self.follow(0.99)
        (x_query, x_key), _ = batch
        return self.criterion(self(x_query), self.forward_momentum(x_key))


class LightlyBYOL(LightlyMomentum):
    """Both directions, a predictor, and a momentum that rises to 1."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """A predictor of the recipe's width."""
        super().__init__(*arguments, **options)
        self.prediction_head = BYOLPredictionHead(128, 1024, 128)

    def training_step(self, batch: list, batch_idx: int) -> Tensor:
        """BYOL's 2 - 2 cos in both directions, summed, from lightly's negative cosines."""
        self.follow(cosine_schedule(self.global_step, self.steps, 0.99, 1))
        (x0, x1), _ = batch
        p0, p1 = self.prediction_head(self(x0)), self.prediction_head(self(x1))
        z0, z1 = self.forward_momentum(x0), self.forward_momentum(x1)
        return 2 * (2 + self.criterion(p0, z1) + self.criterion(p1, z0))


def build(
    method: str, npz: Path, *, images: int, epochs: int, batch_size: int, workers: int
) -> tuple[Lightly, DataLoader]:
    """A module and its loader.

    Raises:
        KeyError: If the method is none of METHODS.
    """
    steps = {"steps": epochs * (images // batch_size), "warmup": images // batch_size}
    byol_views = BYOLTransform(
        BYOLView1Transform(input_size=32, gaussian_blur=0.0),
        BYOLView2Transform(input_size=32, gaussian_blur=0.0),
    )
    simclr_views = SimCLRTransform(input_size=32, cj_strength=0.5, gaussian_blur=0.0)
    simclr_head = SimCLRProjectionHead(256, 256, 128)
    kinds: dict[str, Callable[[], Lightly]] = {
        "simclr": lambda: Lightly(simclr_head, NTXentLoss(temperature=0.2), **steps),
        "dcl": lambda: Lightly(simclr_head, DCLLoss(temperature=0.2), **steps),
        "moco": lambda: LightlyMoCo(
            MoCoProjectionHead(256, 256, 128),
            NTXentLoss(temperature=0.2, memory_bank_size=(4096, 128)),
            **steps,
        ),
        "byol": lambda: LightlyBYOL(
            BYOLProjectionHead(256, 1024, 128), NegativeCosineSimilarity(), **steps
        ),
        "barlow_twins": lambda: Lightly(
            BarlowTwinsProjectionHead(256, 1024, 1024), BarlowTwinsLoss(0.0051), **steps
        ),
    }
    module = kinds[method]()
    module.lr = module.lr * batch_size / 256
    if method == "barlow_twins":
        module.optimizer, module.lr, module.decay = LARS, 1.0 * batch_size / 256, 1.0e-4
    transform = byol_views if method in ("byol", "barlow_twins") else simclr_views
    arrays = np.load(npz)
    chosen = arrays["x_train"][:images], arrays["y_train"][:images]
    return module, loader(*chosen, transform, batch_size=batch_size, workers=workers)


def loader(
    images: np.ndarray, labels: np.ndarray, transform: Callable, *, batch_size: int, workers: int
) -> DataLoader:
    """Images through a transform in worker processes."""
    return DataLoader(
        TransformedArray(images, labels, transform),
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def backbone() -> nn.Module:
    """The small ResNet of the comparison, with the CIFAR stem."""
    net = timm.create_model(
        "resnet18", num_classes=0, layers=(1, 1, 1, 1), channels=(32, 64, 128, 256)
    )
    net.conv1 = nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
    net.maxpool = nn.Identity()
    return net
