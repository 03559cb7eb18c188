"""The evaluation protocol every few epochs, on the validation images."""

from dataclasses import replace
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities import rank_zero_info

from sslkit.callbacks.image_features import aside, image_data, image_features
from sslkit.distributed import on_every_rank, rank
from sslkit.evaluation import Features, evaluate_features
from sslkit.evaluation.plan import PLANS
from sslkit.evaluation.scoring import layered


class OfflineProbe(pl.Callback):
    """The protocol of ``sslkit evaluate``, fitted and scored anew every few epochs.

    Frozen features of un-augmented training images are fitted; scored are the validation images, or
    those that ``data.val_fraction`` holds out of training. Test images are never read. With
    fewer images and another split than the final evaluation, figures are lower or higher than its;
    they are comparable with each other, and free of what makes online figures lag: views, and
    features of earlier weights.

    Logs ``offline_probe/val_<figure>`` in every n-th epoch and in the first. ``plan: quick`` gives
    ``val_knn_20``, ``val_knn_200`` and ``val_linear``. ``plan: full`` adds ``val_knn`` (the chosen
    vote), ``val_sweep`` (linear heads, also on the last maps) and ``val_sweep_best_epoch``, few
    labels (``val_linear_1_percent``, ``val_linear_5_shot``, ...) and calibration errors
    (``val_linear_ece``), of one probe seed. Of images with several classes there are the figures of
    label sets, such as ``val_sweep`` and ``val_sweep_in_set``.

    Lightning's `ModelCheckpoint` and `EarlyStopping` may monitor them; in epochs between they see
    the last values, also in a run that was resumed, so let them look as rarely. It leaves every
    random generator, gradient and training flag as it finds them: the run is bit-identical with and
    without it. The first rank works while others wait.

    Without labels or validation images the callback switches itself off and says so.

    Args:
        plan: ``quick`` or ``full``, as ``sslkit evaluate --protocol``.
        every_n_epochs: At least 1.
        train_images: At most so many images are fitted, drawn at random once; None takes all. Of
            10,000, the features come fast, and the linear probe takes some ten seconds on a CPU.
        val_images: At most so many are scored.
        seed: Of the protocol: which images the linear probe's penalty is chosen on.

    Raises:
        ValueError: If there is no such plan or a number is below 1; in ``fit``, if images cannot be
            had, see `sslkit.callbacks.image_features.image_data`.
    """

    def __init__(
        self,
        *,
        plan: Literal["quick", "full"] = "quick",
        every_n_epochs: int = 10,
        train_images: int | None = 10_000,
        val_images: int | None = 10_000,
        seed: int = 0,
    ) -> None:
        if plan not in PLANS:
            raise ValueError(f"OfflineProbe needs a plan of {' or '.join(PLANS)}, got {plan!r}.")
        numbers = {"train_images": train_images, "val_images": val_images}
        for name, value in {"every_n_epochs": every_n_epochs, **numbers}.items():
            if value is not None and value < 1:
                raise ValueError(f"OfflineProbe needs {name} of at least 1, got {value}.")
        self.plan: Literal["quick", "full"] = plan
        self.every_n_epochs = every_n_epochs
        self.train_images = train_images
        self.val_images = val_images
        self.seed = seed
        self._off = False
        self._told = False  # of images that are left out
        self._figures: dict[str, float] = {}  # of the last evaluation, under their names

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Find out whether there is something to evaluate; the state of a checkpoint comes after.

        Raises:
            ValueError: If images cannot be had.
        """
        data = image_data(trainer, pl_module, "OfflineProbe")
        self._figures = {}
        why = "the training data has no labels" if not data.labelled else ""
        if not why and "val" not in data.splits():
            why = "there are no validation images (data.val_fraction or data.val_source gives some)"
        if not why and trainer.limit_val_batches == 0:
            why = "the trainer does not validate (limit_val_batches is 0)"
        self._off = bool(why)
        if why:
            rank_zero_info(f"OfflineProbe is off: {why}.")

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the last figures of a run that goes on to those that monitor them."""
        shown = {name: torch.tensor(value) for name, value in self._figures.items()}
        trainer.callback_metrics.update(shown)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Evaluate and log, if this epoch is due."""
        fitting = trainer.state.fn == TrainerFn.FITTING
        due = (trainer.current_epoch + 1) % self.every_n_epochs == 0 or not self._figures
        if self._off or trainer.sanity_checking or (fitting and not due):
            return
        first = rank() == 0
        self._figures, *_ = on_every_rank(
            lambda: self._evaluate(trainer, pl_module) if first else {}
        )
        for name, value in self._figures.items():
            pl_module.log(name, value, batch_size=1, sync_dist=True)

    def _evaluate(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, float]:
        data = image_data(trainer, pl_module, "OfflineProbe")
        encoder: Any = pl_module.encoder
        device = pl_module.device
        # The figure of several seeds is that of the first; pixels do not change with training.
        plan = replace(PLANS[self.plan], seeds=1, pixels=False)
        with aside():
            examples: Any = data.eval_dataloader("train", self.train_images) if plan.layers else ()
            net, layers = layered(encoder, plan, examples, device)
            _, train = image_features(data, pl_module, "train", self.train_images, through=net)
            _, val = image_features(data, pl_module, "val", self.val_images, through=net)
            val = self._of_known_classes(val, train)
            scores = evaluate_features(
                train, val, seed=self.seed, device=device, plan=plan, layers=layers
            )
        return {f"offline_probe/val_{name}": value for name, value in scores.figures().items()}

    def _of_known_classes(self, val: Features, train: Features) -> Features:
        """Without the images of classes that the random training images lack, which is said once.

        Where training has label sets too, all stay.
        """
        if train.labels.ndim == 2:
            return val
        if val.labels.ndim == 2:  # any known class will do, and empty sets are left out later
            there = train.labels.unique()
            there = there[(there >= 0) & (there < val.labels.shape[1])]
            known = val.labels[:, there].any(dim=1) | ~val.labels.any(dim=1)
        else:
            known = torch.isin(val.labels, train.labels)
        if known.all():
            return val
        if not self._told:
            self._told = True
            rank_zero_info(
                f"OfflineProbe leaves out {int((~known).sum())} of {len(known)} validation images, "
                f"of classes that are not among its {len(train.labels)} training images: raise "
                "train_images to have them all."
            )
        index = None if val.index is None else val.index[known]
        return Features(val.features[known], val.labels[known], index)

    def state_dict(self) -> dict[str, Any]:
        """The last figures."""
        return {"figures": self._figures}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the last figures."""
        self._figures = dict(state_dict["figures"])
