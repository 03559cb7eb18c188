"""SimCLR as lightly's documentation builds it: its transform, loader, head, loss and schedule.

The parts are put together as in the SimCLR example of lightly 1.6.0's documentation
(https://docs.lightly.ai/self-supervised-learning/examples/simclr.html); only the backbone, the
image set and the hyper-parameters are this benchmark's.
"""

from collections.abc import Callable

import numpy as np
import pytorch_lightning as pl
import timm
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from lightly.transforms import SimCLRTransform
from lightly.utils.scheduler import CosineWarmupScheduler
from PIL import Image
from torch.utils.data import DataLoader, Dataset


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


class LightlySimCLR(pl.LightningModule):
    """The documentation's module with this benchmark's backbone and optimiser."""

    def __init__(self, backbone: torch.nn.Module, *, steps: int, warmup: int, lr: float) -> None:
        """Backbone, lightly's head and lightly's loss."""
        super().__init__()
        self.backbone = backbone
        width = backbone.num_features
        self.projection_head = SimCLRProjectionHead(width, width, 128)
        self.criterion = NTXentLoss(temperature=0.2)
        self.steps, self.warmup, self.lr = steps, warmup, lr

    def training_step(self, batch: list, batch_idx: int) -> torch.Tensor:
        """Two views, encoded one by one as in the documentation."""
        (x0, x1), _ = batch
        z0 = self.projection_head(self.backbone(x0).flatten(start_dim=1))
        z1 = self.projection_head(self.backbone(x1).flatten(start_dim=1))
        loss = self.criterion(z0, z1)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> tuple[list, list]:
        """SGD with warm-up and cosine per step."""
        optimizer = torch.optim.SGD(self.parameters(), lr=self.lr, momentum=0.9, weight_decay=5e-4)
        scheduler = CosineWarmupScheduler(optimizer, self.warmup, self.steps)
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


def loader(images: np.ndarray, labels: np.ndarray, *, batch_size: int, workers: int) -> DataLoader:
    """Lightly's transform in worker processes: strength 0.5 and no blur for CIFAR."""
    transform = SimCLRTransform(input_size=32, cj_strength=0.5, gaussian_blur=0.0)
    dataset = TransformedArray(images, labels, transform)
    return DataLoader(
        dataset,
        batch_size=batch_size,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


def backbone() -> torch.nn.Module:
    """The small ResNet of the comparison, with the CIFAR stem."""
    net = timm.create_model(
        "resnet18", num_classes=0, layers=(1, 1, 1, 1), channels=(32, 64, 128, 256)
    )
    net.conv1 = torch.nn.Conv2d(3, 64, 3, stride=1, padding=1, bias=False)
    net.maxpool = torch.nn.Identity()
    return net
