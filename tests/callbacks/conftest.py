from collections.abc import Callable
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

CLASSES = 6


class Watched(pl.LightningModule):
    """The smallest module with the outputs that the callbacks read; dropout draws from the RNG."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 16), nn.Dropout(dropout), nn.BatchNorm1d(16))

    def training_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        x, label = batch
        features = torch.stack([self.encoder(x), self.encoder(1.1 * x)])
        loss = (features[0] - features[1].roll(1, dims=1)).square().mean()
        return {"loss": loss, "features": features.detach().float(), "label": label}

    def validation_step(self, batch: Any, batch_idx: int) -> dict[str, Any]:
        x, label = batch
        return {"features": self.encoder(x).float(), "label": label}

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.01)


class Labelled(pl.LightningDataModule):
    """Separable classes, with an unlabelled image in every batch unless all are unlabelled."""

    def __init__(self, *, num_classes: int | None = CLASSES, labels: bool = True) -> None:
        super().__init__()
        g = torch.Generator().manual_seed(5)
        label = torch.arange(96) % CLASSES
        x = 3 * torch.eye(CLASSES)[label] + 0.1 * torch.randn(96, CLASSES, generator=g)
        label[::13] = -1
        self.data = TensorDataset(x, label if labels else torch.full_like(label, -1))
        self.num_classes = num_classes
        self.labelled = num_classes is not None

    def train_dataloader(self) -> DataLoader:
        return DataLoader(self.data, batch_size=16, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(self.data, batch_size=10)


@pytest.fixture
def watch(tmp_path) -> Callable[..., pl.Trainer]:
    """Fit a `Watched` with callbacks; the trainer knows the rest."""

    def run(
        *callbacks: pl.Callback,
        data: Any = None,
        epochs: int = 3,
        dropout: float = 0.2,
        ckpt_path: Any = None,
        **options: Any,
    ) -> pl.Trainer:
        pl.seed_everything(1, verbose=False)
        plain = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        trainer = pl.Trainer(
            max_epochs=epochs,
            callbacks=list(callbacks),
            accelerator="cpu",
            enable_model_summary=False,
            default_root_dir=tmp_path,
            **(plain | options),
        )
        data = Labelled() if data is None else data
        # Weights-only is what a checkpoint of a stranger is read with.
        trainer.fit(Watched(dropout), data, ckpt_path=ckpt_path, weights_only=True)
        return trainer

    return run


@pytest.fixture
def labelled() -> type[Labelled]:
    return Labelled


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """What the callbacks told the user."""
    lines: list[str] = []
    for name in ("online_probe", "online_knn"):
        monkeypatch.setattr(f"sslkit.callbacks.{name}.rank_zero_info", lines.append)
    return lines
