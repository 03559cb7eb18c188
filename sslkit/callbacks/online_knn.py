"""Nearest neighbours among training features: a probe with nothing to train.

B images, V views, F feature width, W ranks.
"""

from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from sslkit.callbacks.image_features import aside, image_data, image_features
from sslkit.callbacks.step_output import SEVERAL, as_views, read_step, why_unlabelled
from sslkit.distributed import gather_no_grad, mean_across_ranks
from sslkit.functional import knn_scores, unit_rows


class OnlineKNN(pl.Callback):
    """Weighted kNN of the validation features in a bank of training features.

    The bank is a ``queue`` of the first view of the latest images, at most one epoch of them, the
    same on every rank; it costs next to nothing and travels in the checkpoint. Or it is made anew
    for every score, of the un-augmented ``train`` images that are not held out, which takes an
    encoder's pass over them (and an `sslkit.data.ImageDataModule`). Neither touches the encoder or
    any random generator. See `sslkit.functional.knn_scores` for the vote; with fewer labelled rows
    than ``k`` in the bank all of them vote.

    Logs ``online_knn/val_top1``. A queue holds augmented images as the encoder was seeing them a
    while ago: read this as a curve, and take the score from ``sslkit evaluate``. Of several
    validation loaders the first is read. Without labels the callback switches itself off and says
    so. Lightning's `ModelCheckpoint` and `EarlyStopping` may monitor it; in epochs between two
    scores they see the last one, also in a run that was resumed.

    Args:
        k: How many neighbours vote.
        temperature: Of the votes, above 0.
        bank_size: Images in the bank, over all ranks; each costs 2 F bytes. Of ``train`` images
            they are drawn at random, once.
        every_n_epochs: Score in every n-th epoch of training, and the first time that there is a
            bank.
        bank: ``queue`` or ``train``.

    Raises:
        ValueError: If an argument is out of range.
    """

    def __init__(
        self,
        k: int = 20,
        *,
        temperature: float = 0.07,
        bank_size: int = 10_000,
        every_n_epochs: int = 1,
        bank: Literal["queue", "train"] = "queue",
    ) -> None:
        for name, value in (("k", k), ("bank_size", bank_size), ("every_n_epochs", every_n_epochs)):
            if value < 1:
                raise ValueError(f"OnlineKNN needs {name} of at least 1, got {value}.")
        if k > bank_size:
            raise ValueError(
                f"OnlineKNN cannot find k={k} neighbours in a bank of bank_size={bank_size}: use a "
                "larger bank or a smaller k."
            )
        if not temperature > 0:
            raise ValueError(f"OnlineKNN needs a temperature above 0, got {temperature}.")
        if bank not in ("queue", "train"):
            raise ValueError(f"OnlineKNN needs a bank of 'queue' or 'train', got {bank!r}.")
        self.k = k
        self.temperature = temperature
        self.bank_size = bank_size
        self.every_n_epochs = every_n_epochs
        self.bank: Literal["queue", "train"] = bank
        self._off = False
        self._score: float | None = None  # the last one
        # Oldest first: (n, F) unit rows and (n,) labels.
        self._bank: tuple[Tensor, Tensor] | None = None
        self._labelled: tuple[Tensor, Tensor] | None = None
        self._counts = torch.zeros(2)  # hits and images, on the device

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Start anew for a fit; the state of a checkpoint comes after this.

        Raises:
            ValueError: If the bank is to be of images that cannot be had.
        """
        if stage == "fit":
            self._off, self._bank, self._score = False, None, None
        if self.bank == "train":
            data = image_data(trainer, pl_module, "OnlineKNN(bank='train')")
            self._off = not data.labelled
            if self._off:
                rank_zero_info("OnlineKNN is off: the training data has no labels.")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the last score of a run that goes on to those that monitor it."""
        if self._score is not None:
            trainer.callback_metrics["online_knn/val_top1"] = torch.tensor(self._score)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Put the batch's features into the bank, in place of the oldest."""
        step = None if self._off or self.bank == "train" else read_step(outputs, "OnlineKNN")
        if step is None:
            return
        features, label = as_views(step[0]), step[1]
        if self._bank is None:
            reason = why_unlabelled(label)
            if reason is not None:
                self._off = True
                rank_zero_info(f"OnlineKNN is off: {reason}.")
                return
        # Half precision moves a cosine of unit rows by about 1e-5 and halves bank and checkpoint.
        rows, labels = gather_no_grad(unit_rows(features[0]).half()), gather_no_grad(label)
        # Beyond an epoch, the bank would hold images twice and k neighbours would be fewer images.
        size = int(min(self.bank_size, trainer.num_training_batches * len(rows)))
        rows, labels = rows[-size:], labels[-size:]
        if self._bank is None:
            self._bank = rows.new_empty(0, rows.shape[1]), labels.new_empty(0)
        bank, bank_labels = (part.to(rows.device) for part in self._bank)
        if bank.shape[1] != rows.shape[1]:
            raise ValueError(
                f"the bank of OnlineKNN in the checkpoint has {bank.shape[1]} features, and this "
                f"run has {rows.shape[1]}: resume with the configuration that wrote the "
                "checkpoint, or start a new run."
            )
        kept = slice(max(0, len(bank) + len(rows) - size), None)
        self._bank = torch.cat([bank[kept], rows]), torch.cat([bank_labels[kept], labels])

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take the labelled rows of the bank, if this epoch is to be scored."""
        fitting = trainer.state.fn == TrainerFn.FITTING
        due = (trainer.current_epoch + 1) % self.every_n_epochs == 0 or self._score is None
        self._labelled = None
        if self._off or trainer.sanity_checking or (fitting and not due):
            return
        found = self._images(trainer, pl_module) if self.bank == "train" else self._bank
        if found is None:
            return
        bank, labels = (part.to(pl_module.device) for part in found)
        labelled = labels >= 0
        if labelled.any():
            self._labelled = bank[labelled].float(), labels[labelled]
            self._counts = torch.zeros(2, device=pl_module.device)

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count what the neighbours get right."""
        if self._labelled is None or dataloader_idx > 0:
            return
        step = read_step(outputs, "OnlineKNN")
        if step is None:
            return
        features, label = step
        if label.ndim == 2:  # the training images have one class each
            self._labelled, self._off = None, True
            rank_zero_info(f"OnlineKNN is off: the validation images {SEVERAL}.")
            return
        bank, labels = self._labelled
        votes = knn_scores(
            features,
            bank,
            labels,
            k=min(self.k, len(bank)),
            num_classes=int(labels.max()) + 1,
            temperature=self.temperature,
        )
        self._counts += torch.stack([(votes.argmax(1) == label).sum(), (label >= 0).sum()])

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the accuracy over the labelled validation images of all ranks."""
        if self._labelled is None:
            return
        self._labelled = None
        right, images = mean_across_ranks(self._counts).tolist()
        if images:
            self._score = score = right / images
            pl_module.log("online_knn/val_top1", score, batch_size=1, sync_dist=True)

    def state_dict(self) -> dict[str, Any]:
        """The queue and the last score; empty while there is none."""
        state: dict[str, Any] = {} if self._score is None else {"score": self._score}
        if self._bank is not None:
            state["features"], state["labels"] = self._bank
        return state

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the queue, which moves to the device at its next use, and the score."""
        self._score = state_dict.get("score")
        if "features" in state_dict:
            self._bank = state_dict["features"], state_dict["labels"]

    def _images(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> tuple[Tensor, Tensor] | None:
        """Unit features of un-augmented training images, (n, F), and their labels."""
        data = image_data(trainer, pl_module, "OnlineKNN(bank='train')")
        with aside():
            _, found = image_features(data, pl_module, "train", self.bank_size)
        if found.labels.ndim != 1:
            self._off = True
            rank_zero_info(f"OnlineKNN is off: the training images {SEVERAL}.")
            return None
        return unit_rows(found.features), found.labels
