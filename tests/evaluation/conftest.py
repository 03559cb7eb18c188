from collections.abc import Callable

import pytest
import torch
from torch import nn

from sslkit.data import Batch


class TinyEncoder(nn.Module):
    """What the evaluation asks of an encoder; dropout and statistics show a forgotten eval."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Flatten(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.Dropout(0.5)
        )

    def preprocess(self, images: torch.Tensor) -> torch.Tensor:
        return images.float() / 255

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)

    def reinitialised(self, seed: int) -> "TinyEncoder":
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return TinyEncoder()


@pytest.fixture
def encoder() -> TinyEncoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return TinyEncoder()


@pytest.fixture
def loader() -> Callable[..., list[Batch]]:
    """Batches of noisy images of a few classes; the seed draws the noise."""

    def make(images: int = 60, *, seed: int = 0, classes: int = 3) -> list[Batch]:
        label = torch.arange(images) % classes
        pattern = torch.randint(
            0, 256, (classes, 1, 4, 4), generator=torch.Generator().manual_seed(9)
        ).float()
        g = torch.Generator().manual_seed(seed)
        noise = 60 * torch.randn(images, 1, 4, 4, generator=g)
        image = (pattern[label] + noise).clamp(0, 255).to(torch.uint8)
        columns = (image, label, torch.arange(images))
        return [Batch(*parts) for parts in zip(*(c.split(16) for c in columns), strict=True)]

    return make
