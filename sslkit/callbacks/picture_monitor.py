"""Looking at an encoder while it trains: pictures of its features every few epochs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from pytorch_lightning.utilities import rank_zero_info

from sslkit.callbacks.image_features import aside, image_data, image_features
from sslkit.callbacks.picture_logging import log_picture
from sslkit.distributed import rank
from sslkit.evaluation.features import Features
from sslkit.evaluation.metrics import confusion_matrix
from sslkit.evaluation.pictures import MAPPED, QUERIES, map_sheet, neighbour_sheet, tsne_figure
from sslkit.evaluation.shown import draw_balanced, images_at
from sslkit.figures import confusion_figure, spectrum_figure, write_figure
from sslkit.functional import knn_scores, singular_values

Picture = Literal["neighbours", "tsne", "feature_maps", "confusion", "spectrum"]
PICTURES: tuple[Picture, ...] = get_args(Picture)
_NEIGHBOURS = 20  # that vote for a class
_FEWEST = 4  # images of a t-SNE


class PictureMonitor(pl.Callback):
    """Draws what the encoder finds alike, every few epochs or at the end.

    Pictures, see ``sslkit evaluate --pictures``:

    - ``neighbours``: some images with the training images whose features are most similar;
    - ``tsne``: features in a plane;
    - ``feature_maps``: features of every place of some images as colours;
    - ``confusion``: which classes are taken for which by a vote of 20 neighbours;
    - ``spectrum``: singular values of the features.

    Shown are validation images (of the data, or held out by ``data.val_fraction``), always the same
    ones, and never test images; where there are none, training images. Without labels there is no
    confusion matrix, and other pictures have no classes; where images have several classes there is
    none either, neighbours are right that share one, and the t-SNE is coloured by the first. Files
    go to ``pictures/`` in the run's folder, as ``<picture>-epoch<number>.png``, and to Weights &
    Biases and TensorBoard where the run logs to them. The network and all random generators are
    left as they are.

    Args:
        pictures: Which of them.
        every_n_epochs: Draw in every n-th epoch, and when the run ends. None: only then.
        train_images: At most so many training images are searched for neighbours.
        val_images: At most so many images are looked at.
        seed: Of the images that are shown and of the t-SNE.

    Raises:
        ValueError: If there is no such picture or a number is below 1; in ``fit``, if images cannot
            be had, see `sslkit.callbacks.image_features.image_data`.
    """

    def __init__(
        self,
        pictures: Sequence[Picture] = PICTURES,
        *,
        every_n_epochs: int | None = None,
        train_images: int = 5_000,
        val_images: int = 2_000,
        seed: int = 0,
    ) -> None:
        unknown = [name for name in pictures if name not in PICTURES]
        if unknown or not pictures:
            raise ValueError(
                f"PictureMonitor draws {', '.join(PICTURES)}, got {unknown or 'none of them'}."
            )
        numbers = {"train_images": train_images, "val_images": val_images}
        for name, value in {"every_n_epochs": every_n_epochs, **numbers}.items():
            if value is not None and value < 1:
                raise ValueError(f"PictureMonitor needs {name} of at least 1, got {value}.")
        self.pictures = list(dict.fromkeys(pictures))
        self.every_n_epochs = every_n_epochs
        self.train_images = train_images
        self.val_images = val_images
        self.seed = seed
        self._epochs = self._drawn = 0  # epochs of the run, and those at the last pictures

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse data that cannot be looked at before anything is trained."""
        if stage == "fit":
            image_data(trainer, pl_module, "PictureMonitor")
            self._epochs = self._drawn = 0

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw if the epoch is due."""
        self._epochs = trainer.current_epoch + 1
        if self.every_n_epochs is not None and self._epochs % self.every_n_epochs == 0:
            self._draw(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw, unless the last epoch has been drawn."""
        if self._epochs > self._drawn:
            self._draw(trainer, pl_module)

    def _draw(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        folder = Path(trainer.log_dir or trainer.default_root_dir)  # every rank must ask for it
        self._drawn = self._epochs
        if rank() != 0:
            return
        data = image_data(trainer, pl_module, "PictureMonitor")
        with aside():
            figures = self._figures(data, pl_module)
        for name, figure in figures.items():
            path = folder / "pictures" / f"{name}-epoch{self._epochs:04d}.png"
            write_figure(figure, path)
            log_picture(trainer.loggers, f"pictures/{name}", path, step=trainer.global_step)
        rank_zero_info(f"Pictures of epoch {self._epochs}: {folder / 'pictures'}.")

    def _figures(self, data: Any, pl_module: pl.LightningModule) -> dict[str, Figure]:
        encoder: Any = pl_module.encoder
        apart = "val" in data.splits()
        train = image_features(data, pl_module, "train", self.train_images)
        held = image_features(data, pl_module, "val", self.val_images) if apart else train
        rows = draw_balanced(held[1].labels, QUERIES, seed=self.seed)
        images = images_at(*held, rows)
        classes: Any = data.classes
        figures: dict[str, Figure] = {}
        for name in self.pictures:
            if name == "neighbours":
                figures[name] = neighbour_sheet(
                    train,
                    held[1],
                    rows,
                    images,
                    classes=classes,
                    among_themselves=not apart,
                )
            elif name == "tsne" and len(held[1].labels) >= _FEWEST:
                figures[name] = tsne_figure(held[1], seed=self.seed, classes=classes)
            elif name == "feature_maps" and hasattr(encoder.backbone, "forward_intermediates"):
                figures[name] = map_sheet(encoder, images[:MAPPED], device=pl_module.device)
            elif name == "spectrum":
                spectrum = singular_values(held[1].features).numpy()
                figures[name] = spectrum_figure({f"epoch {self._epochs}": spectrum})
            elif name == "confusion" and apart:
                figure = _confusion(train[1], held[1], classes)
                figures |= {} if figure is None else {name: figure}
        return figures


def _confusion(train: Features, held: Features, classes: Sequence[str] | None) -> Figure | None:
    """Of the votes of the nearest training images; None without labels, or of several an image."""
    if train.labels.ndim == 2 or held.labels.ndim == 2:
        return None
    bank, asked = train.labels >= 0, held.labels >= 0
    if not bank.any() or not asked.any():
        return None
    label, known = held.labels[asked], train.labels[bank]
    count = int(torch.cat([label, known]).max()) + 1
    k = min(_NEIGHBOURS, len(known))
    queries, rows = held.features[asked], train.features[bank]
    taken = knn_scores(queries, rows, known, k=k, num_classes=count).argmax(1)
    counts = confusion_matrix(taken, label, num_classes=count).numpy()
    title = f"kNN ({k}) among {len(known):,} training images"
    return confusion_figure(counts, classes=classes, title=title)
