"""What somebody takes on who adds a recipe of another's: code, data, places, weights, figures."""

from collections.abc import Iterator
from typing import Any

from sslkit.card import Card
from sslkit.recipe.pack_format import ENCODER, WEIGHTS
from sslkit.recipe.pack_reading import Pack
from sslkit.recipe.portable import is_public_source, places
from sslkit.recipe.shared import SharedRecipe
from sslkit.settings import every_value_of

_MOST = 12  # differences or paths that are shown one by one
_NOTHING = "only what ships with sslkit, torch, torchvision and Lightning"
_SENDS = ("CometLogger", "MLFlowLogger", "WandbLogger")


def what_to_trust(
    shared: SharedRecipe, pack: Pack | None, there: dict[str, Any] | None
) -> Iterator[tuple[str, str]]:
    """What is to be known before a recipe is added, as keys and texts.

    Args:
        shared: The recipe.
        pack: In which it came, if in one.
        there: The config of the same name that it would replace, if any.
    """
    card, config = shared.card, shared.config
    yield "summary", card.summary
    yield "method", f"{card.method} on {card.dataset}"
    yield (
        "status",
        card.status + (f"; changed in {', '.join(card.changed)}" if card.changed else ""),
    )
    yield from _figures(card)
    if not shared.outside:
        yield "code", _NOTHING
    for value in shared.outside:
        module = value.text.rpartition(".")[0]
        yield "code", f"{value.text} (line {value.line}), not ours: runs only with --trust {module}"
    yield from _data(config)
    for key, path in _some(list(places(config))):
        yield "path", f"{key}: {path}" if path else key
    yield from _network(config)
    yield from _weights(config, pack)
    if there is not None:
        yield from _differences(there, config)


def _figures(card: Card) -> Iterator[tuple[str, str]]:
    for figure in card.expected:
        within = "" if figure.tolerance is None else f", or up to {figure.tolerance:g} points less"
        yield "expected", f"{figure.metric} {figure.value:g} %{within} ({figure.source})"
    if card.hardware:
        time = "" if card.minutes is None else f", {card.minutes:g} minutes"
        yield "ran on", card.hardware + time + (f", sslkit {card.sslkit}" if card.sslkit else "")


def _data(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    data = config.get("data")
    data = data if isinstance(data, dict) else {}
    if data.get("source") is None:
        yield "data", "yours: --data.source FOLDER"
    for key in ("source", "val_source", "test_source"):
        value = data.get(key)
        if isinstance(value, dict):
            arguments = value.get("init_args")
            downloads = isinstance(arguments, dict) and arguments.get("download")
            yield "data", f"{value.get('class_path')}{' (downloads it)' if downloads else ''}"
        elif value == "quickstart":
            yield "data", "the images in the package"
        elif isinstance(value, str) and is_public_source(("data", key), value):
            yield "data", f"{value} (downloads it)"
        elif value is not None:
            yield "data", f"{value}: a file or folder of yours ({key})"


def _network(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if config.get("wandb"):
        yield "sends", "metrics to Weights & Biases (wandb: true)"
    for key, value in every_value_of(config).items():
        if key.endswith("logger") or ".logger." in key:
            names = [name for name in _SENDS if name in (value, key.rpartition(".")[2])]
            for name in names:
                yield "sends", f"metrics elsewhere ({name})"


def _weights(config: dict[str, Any], pack: Pack | None) -> Iterator[tuple[str, str]]:
    for key, value in every_value_of(config).items():
        if key.rpartition(".")[2] in ("weights", "checkpoint") and value != "null":
            yield "reads", f"{key}: {value}"
    if pack is None or WEIGHTS not in pack.sizes:
        yield "weights", "none"
        return
    tensors = pack.tensors()
    encoder = pack.record(ENCODER).get("encoder")
    name = encoder.get("name") if isinstance(encoder, dict) else None
    yield (
        "weights",
        f"of the encoder {name}: {len(tensors)} tensors in safetensors, "
        f"{pack.sizes[WEIGHTS]:,} bytes",
    )


def _differences(there: dict[str, Any], config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    old, new = (
        every_value_of({k: v for k, v in c.items() if k != "recipe"}) for c in (there, config)
    )
    changed = [
        (key, f"{old.get(key, 'not there')} -> {new.get(key, 'not there')}")
        for key in dict.fromkeys((*old, *new))
        if old.get(key) != new.get(key)
    ]
    yield "replaces", f"the recipe of this name; settings that differ: {len(changed) or 'none'}"
    for key, change in _some(changed):
        yield "differs", f"{key}: {change}" if change else key


def _some(entries: list[tuple[str, str]]) -> list[tuple[str, str]]:
    more = len(entries) - _MOST
    return entries if more <= 0 else [*entries[:_MOST], (f"and {more} more", "")]
