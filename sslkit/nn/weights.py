"""Weights from files: plain tensors, strict on everything but a classifier."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.utilities import rank_zero_info
from timm.models import load_state_dict
from torch import Tensor, nn

from sslkit.nn.backbone import one_line
from sslkit.nn.layouts import find_backbone, tally


def load_backbone_weights(backbone: nn.Module, path: Path | str) -> None:
    """Load a file's weights into a headless backbone, and say what matched.

    The file is ``.safetensors`` or a pickle of tensors and plain values only, and holds the
    backbone alone (as timm or torchvision save it) or a checkpoint in which it is found by its
    name: of this toolkit, MoCo, lightly, solo-learn, Barlow Twins, SimCLR (see
    `sslkit.nn.layouts`). Heads, queues and momentum branches are left out, and a classifier, if
    there is one; everything else of the backbone must fit.

    Args:
        backbone: The timm model without its classifier.
        path: A local file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it cannot be read safely, if tensors of the backbone are missing in it or
            have another shape, or if it has tensors that are neither the backbone's nor the
            classifier's.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"weights: there is no file {path}.")
    own = backbone.state_dict().keys()
    found = find_backbone(_read(path), own)
    where = f", read as {found.prefix}* of {found.layout}," if found.prefix else ""
    load_strictly(
        backbone,
        found.state,
        aside=_classifier(backbone),
        problem=f"weights: {path.name}{where} does not fit this backbone",
        advice="Check the encoder's name, options, in_channels, image_size, norm and small_images.",
    )
    left = [*(f"{found.prefix}{n}" for n in found.state if n not in own), *found.outside]
    rank_zero_info(
        f"Weights: all {len(own)} tensors of the backbone are from {path.name} "
        f"({found.layout}{f', {found.prefix}*' if found.prefix else ''}); left out: "
        f"{tally(left, found.prefix) or 'nothing'}."
    )


def load_strictly(
    module: nn.Module,
    state: Mapping[str, Any],
    *,
    aside: Iterable[str] = (),
    problem: str,
    advice: str,
) -> None:
    """Load tensors by their names, all of them and no others.

    Args:
        module: What they are loaded into.
        state: The tensors.
        aside: Beginnings of the names that may be left over.
        problem: The beginning of the error message.
        advice: Its end.

    Raises:
        ValueError: If one is missing, has another shape, is no tensor, or is left over.
    """
    own = {n: x for n, x in module.state_dict().items() if isinstance(x, Tensor)}
    missing = [n for n in own if n not in state]
    wrong = [n for n in own if n in state and getattr(state[n], "shape", None) != own[n].shape]
    extra = [n for n in state if n not in own and not n.startswith(tuple(aside))]
    if missing or wrong or extra:
        first = [f"first {names[0]}" if names else "" for names in (missing, wrong, extra)]
        counts = [
            f"{len(names)} {what} ({where})"
            for names, what, where in zip(
                (missing, wrong, extra),
                (f"of its {len(own)} tensors are missing", "have another shape", "are unknown"),
                first,
                strict=True,
            )
            if names
        ]
        raise ValueError(f"{problem}: {', '.join(counts)}. {advice}")
    module.load_state_dict({n: state[n] for n in own}, strict=True)


def _classifier(backbone: nn.Module) -> list[str]:
    """Beginnings of the names that a classifier's tensors have; some models have two."""
    config: Any = getattr(backbone, "pretrained_cfg", {})
    layers = config.get("classifier") or ()
    layers = (layers,) if isinstance(layers, str) else layers
    # In "head.fc", a normalisation beside the last layer may be left out with it.
    return [f"{layer.rpartition('.')[0] or layer}." for layer in layers]


def _read(path: Path) -> dict[str, Tensor]:
    try:
        state = load_state_dict(str(path), use_ema=False, weights_only=True)
        tensors = {str(name): x for name, x in state.items() if isinstance(x, Tensor)}
    except OSError:
        raise
    except Exception as error:  # a damaged or hostile file may raise anything
        raise ValueError(
            f"weights: {path} cannot be read as tensors and plain values "
            f"({one_line(error)}). It is damaged, holds no weights, or would run code when loaded; "
            "it was not loaded."
        ) from error
    if not tensors:
        raise ValueError(f"weights: {path} holds no tensors by name, so no weights.")
    return tensors
