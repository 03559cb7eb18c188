"""The linear probe as papers train it: augmented images, a frozen encoder, SGD for many epochs."""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

from torch.optim import SGD

from sslkit.methods.classifier import Classifier
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.methods.trained import trained_encoder
from sslkit.nn import Encoder
from sslkit.optim import LRScaling, MultiStep, Schedule
from sslkit.views import Views


class LinearProbe(Classifier):
    """A linear classifier on frozen features of augmented images.

    The protocol behind most published figures, since Zhang, Isola and Efros, "Colorful image
    colorization", 2016: random resized crops and mirror images through the frozen encoder, its
    batch normalisation in eval mode, SGD for about 100 epochs. Defaults are those of MoCo's code
    (facebookresearch/moco, ``main_lincls.py``): learning rate 30 for batches of 256, a tenth of it
    at epochs 60 and 80, no weight decay.

    When to use it: to compare with published figures. ``sslkit evaluate`` says as much in minutes;
    it extracts features once and chooses the probe's settings on a held-out part. Here they are
    given: a learning rate that suits one method's features (30 for MoCo, 0.1 for SimCLR) does not
    suit another's.

    Shapes: images (B,C,H,W) uint8 -> view (B,C,S,S) -> features (B,F) -> logits (B,K).

    Args:
        checkpoint: The checkpoint of a run, whose encoder is probed.
        encoder: Another encoder with weights of its own, instead.
        views: Makes the training images; None is `sslkit.views.WeakViews` of the encoder's size.
        batch_norm: Normalise features before the head, by batch statistics without scale or offset,
            as MAE does.
        optimizer: None is SGD with momentum 0.9.
        base_lr: Learning rate before scaling.
        lr_scaling: How ``base_lr`` grows with the global batch, see `sslkit.optim.scaled_lr`.
        schedule: Factor on the learning rate at each step; None falls to a tenth at epochs 60, 80.
        eval_crop: Part of a validation image's shorter side that is seen, in (0, 1]; 0.875 resizes
            to 256 pixels and crops 224.
        num_classes: K. None: the data module knows.
        compile: Run encoder and head through `torch.compile`.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If not exactly one of checkpoint and encoder is given, or a number is out of its
            range.
    """

    trains = "a linear classifier that was trained on features of the frozen encoder"

    def __init__(
        self,
        *,
        checkpoint: Path | str | None = None,
        encoder: Encoder | None = None,
        views: Views | None = None,
        batch_norm: bool = False,
        optimizer: OptimizerFactory | None = None,
        base_lr: float = 30.0,
        lr_scaling: LRScaling = "linear",
        schedule: Schedule | None = None,
        eval_crop: float = 1.0,
        num_classes: int | None = None,
        compile: bool = False,
    ) -> None:
        super().__init__(
            trained=trained_encoder(encoder, checkpoint, "LinearProbe"),
            views=views,
            optimizer=optimizer if optimizer is not None else probe_sgd,
            base_lr=base_lr,
            lr_scaling=lr_scaling,
            schedule=schedule if schedule is not None else MultiStep([60, 80]),
            batch_norm=batch_norm,
            eval_crop=eval_crop,
            num_classes=num_classes,
            compile=compile,
        )
        self.encoder.requires_grad_(False).eval()

    def train(self, mode: bool = True) -> Self:
        """Lightning's switch; the frozen encoder stays in eval mode."""
        super().train(mode)
        self.encoder.eval()
        return self


def probe_sgd(groups: Iterable) -> SGD:
    """SGD with momentum 0.9 and no weight decay."""
    return SGD(groups, momentum=0.9)
