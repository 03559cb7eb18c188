"""A frozen encoder that judges which images are alike. B images, C channels, S side, G features."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional as transforms

from sslkit.functional.normalise import unit_rows
from sslkit.nn import Encoder, load_encoder
from sslkit.nn.backbone import fixed_size


class FrozenGuide(nn.Module):
    """A trained encoder as a guide for plug-ins: views to unit features, never trained.

    The encoder is no part of the run: it is always in evaluation mode, gives no gradient, and is
    neither among the parameters nor in the checkpoint, but moves to the device with the rest. A run
    that goes on needs its file again.

    It sees the run's views, augmented as they are, and resized to the encoder's ``image_size`` if
    it has one. They are normalised for the training data; `set_statistics` says how, and they are
    then normalised for the encoder instead. Before that they are taken as they come.

    Args:
        encoder: With trained weights (its ``weights``): a guide of random weights knows nothing.
        checkpoint: Of a run of this toolkit, instead of ``encoder``.
        mean: Per channel, on the scale [0, 1], what the encoder's images are normalised by. None:
            what its checkpoint says; else what timm says of the model.
        std: Likewise.

    Attributes:
        num_features: G.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If not exactly one of encoder and checkpoint is given, or mean and std do not
            fit the channels.
    """

    def __init__(
        self,
        encoder: Encoder | None = None,
        *,
        checkpoint: Path | str | None = None,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        if (encoder is None) == (checkpoint is None):
            raise ValueError(
                "FrozenGuide needs an encoder or a checkpoint of one, and not both: a timm model "
                "with weights from a file, as Encoder(name, weights=FILE), or the .ckpt of a run."
            )
        if encoder is None:
            assert checkpoint is not None
            encoder = load_encoder(checkpoint)
        own_mean, own_std = _statistics(encoder)
        self._mean, self._std = (
            [float(x) for x in (own if given is None else given)]
            for own, given in ((own_mean, mean), (own_std, std))
        )
        _check_statistics(self._mean, self._std, encoder)
        # In a tuple it is no submodule, so neither trained, saved nor put into training mode.
        self._frozen = (encoder.requires_grad_(False).eval(),)
        self._change: Tensor | None = None
        self.num_features = encoder.num_features

    def same_as(self, other: object) -> bool:
        """Whether another guide judges all images as this one does.

        So does one that a recipe names once more: it has an encoder of the same architecture and
        weights, bit by bit, and the same statistics. Encoders of random weights are not the same.
        """
        if not isinstance(other, FrozenGuide):
            return False
        mine, theirs = self._frozen[0], other._frozen[0]
        if (mine.spec(), self._mean, self._std) != (theirs.spec(), other._mean, other._std):
            return False
        # Beside them an encoder has statistics of its own, which a guide does not go by.
        weights, tensors = mine.backbone.state_dict(), theirs.backbone.state_dict()
        return all(torch.equal(x, tensors[name].to(x)) for name, x in weights.items())

    def set_statistics(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Say by which mean and std, per channel on the scale [0, 1], the views are normalised.

        Raises:
            ValueError: If they do not fit the encoder's channels.
        """
        _check_statistics(mean, std, self._frozen[0])
        # (x s + m - μ)/σ of the encoder's μ and σ, as one factor and one summand.
        terms = zip(mean, std, self._mean, self._std, strict=True)
        pairs = [(s / own_s, (m - own_m) / own_s) for m, s, own_m, own_s in terms]
        self._change = torch.tensor(pairs).T[:, :, None, None]

    @torch.no_grad()
    def forward(self, views: Tensor) -> Tensor:
        """Views (B,C,S,S), normalised floats, to unit features (B,G) in at least float32.

        Raises:
            ValueError: If the views have another number of channels than the encoder.
        """
        encoder = self._frozen[0]
        if views.shape[1] != encoder.in_channels:
            raise ValueError(
                f"the guide takes {encoder.in_channels} channel(s) and the views have "
                f"{views.shape[1]}: use a guide for such images, or set the data's channels."
            )
        if self._change is not None:
            self._change = self._change.to(views.device)  # copied once
            factor, summand = self._change
            views = torch.addcmul(summand, views.float(), factor)
        side = encoder.image_size
        size = fixed_size(encoder.backbone, side) or (None if side is None else (side, side))
        if size is not None and tuple(views.shape[-2:]) != size:
            views = transforms.resize(views, list(size), antialias=True)
        return unit_rows(encoder(views))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What `to` and the like go through; the encoder goes along."""
        self._frozen[0]._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def extra_repr(self) -> str:
        """What the printed module says of its encoder."""
        return f"{self._frozen[0].name}, num_features={self.num_features}"


def _statistics(encoder: Encoder) -> tuple[list[float], list[float]]:
    """The encoder's mean and std: its own, or timm's while it has none."""
    mean, std = encoder.mean.tolist(), encoder.std.tolist()
    config: Any = getattr(encoder.backbone, "pretrained_cfg", {})
    known = config.get("mean"), config.get("std")
    if any(mean) or any(x != 1 for x in std) or any(len(x or ()) != len(mean) for x in known):
        return mean, std
    return list(known[0]), list(known[1])


def _check_statistics(mean: Sequence[float], std: Sequence[float], encoder: Encoder) -> None:
    channels = encoder.in_channels
    if len(mean) != channels or len(std) != channels or not all(x > 0 for x in std):
        raise ValueError(
            f"mean and std must have one value for each of the guide's {channels} channel(s), std "
            f"above 0, got {list(mean)} and {list(std)}."
        )
