"""Fine-tuning: the whole encoder learns from labels, from few of them, or from other data's."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch.optim import SGD

from sslkit.methods.classifier import Classifier
from sslkit.methods.optimisation import OptimizerFactory
from sslkit.methods.trained import trained_encoder
from sslkit.nn import Encoder
from sslkit.optim import LRScaling, Schedule, WarmupCosine, layer_decay_groups
from sslkit.views import Views


class FineTune(Classifier):
    """Encoder and linear head trained together, lower layers more slowly.

    Layer d below the head learns at ``layer_decay``^d of the rate (Clark et al., "ELECTRA", 2020;
    He et al., "Masked autoencoders are scalable vision learners", 2022, appendix A.1). Other
    defaults are those of SimCLR's fine-tuning (Chen et al. 2020, arXiv 2002.05709, appendix B.5):
    SGD with Nesterov momentum, learning rate 0.05 per 256 images, no weight decay, random resized
    crops and mirror images; its schedule is the code's cosine.

    When to use it: for the best classifier, and for the 1 % and 10 % protocols with
    ``data.label_fraction``. Other data, with other classes, is transfer.

    Shapes: images (B,C,H,W) uint8 -> view (B,C,S,S) -> features (B,F) -> logits (B,K).

    Args:
        checkpoint: The checkpoint of a run, whose encoder is fine-tuned.
        encoder: Another encoder instead; one of random weights is the supervised baseline.
        views: Makes the training images; None is `sslkit.views.WeakViews` of the encoder's size.
        layer_decay: In (0, 1]; 1 is one rate for all layers.
        label_smoothing: Share of the target that is spread over all classes, in [0, 1).
        optimizer: None is SGD with Nesterov momentum 0.9.
        base_lr: Learning rate of the head before scaling.
        lr_scaling: How ``base_lr`` grows with the global batch, see `sslkit.optim.scaled_lr`.
        schedule: Factor on the learning rate at each step; None is a cosine without warm-up.
        exclude_bias_and_norm: Keep biases and normalisation out of weight decay.
        eval_crop: Part of a validation image's shorter side that is seen, in (0, 1]; 0.875 resizes
            to 256 pixels and crops 224.
        num_classes: K. None: the data module knows.
        compile: Run encoder and head through `torch.compile`.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If not exactly one of checkpoint and encoder is given, or a number is out of its
            range.
    """

    trains = "the encoder and a linear classifier on it, which were trained together"

    def __init__(
        self,
        *,
        checkpoint: Path | str | None = None,
        encoder: Encoder | None = None,
        views: Views | None = None,
        layer_decay: float = 0.75,
        label_smoothing: float = 0.0,
        optimizer: OptimizerFactory | None = None,
        base_lr: float = 0.05,
        lr_scaling: LRScaling = "linear",
        schedule: Schedule | None = None,
        exclude_bias_and_norm: bool = True,
        eval_crop: float = 1.0,
        num_classes: int | None = None,
        compile: bool = False,
    ) -> None:
        if not 0 < layer_decay <= 1:
            raise ValueError(f"layer_decay must be above 0 and at most 1, got {layer_decay}.")
        super().__init__(
            trained=trained_encoder(encoder, checkpoint, "FineTune"),
            views=views,
            optimizer=optimizer if optimizer is not None else fine_tune_sgd,
            base_lr=base_lr,
            lr_scaling=lr_scaling,
            schedule=schedule if schedule is not None else WarmupCosine(warmup_epochs=0),
            label_smoothing=label_smoothing,
            eval_crop=eval_crop,
            num_classes=num_classes,
            compile=compile,
        )
        self.encoder.train()
        self.layer_decay = layer_decay
        self.exclude_bias_and_norm = exclude_bias_and_norm

    def parameter_groups(self) -> Iterable[dict[str, Any]]:
        """The encoder's layers and the head, each with its share of the learning rate."""
        assert self.head is not None, "setup() makes the head"
        return layer_decay_groups(
            self.encoder.backbone,
            self.head,
            decay=self.layer_decay,
            exclude_bias_and_norm=self.exclude_bias_and_norm,
        )


def fine_tune_sgd(groups: Iterable) -> SGD:
    """SGD with Nesterov momentum 0.9 and no weight decay."""
    return SGD(groups, momentum=0.9, nesterov=True)
