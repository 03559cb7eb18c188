"""What somebody takes on who adds a recipe of another's: code, data, places, weights, figures."""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from sslkit import plain_yaml
from sslkit.card import Card
from sslkit.configs.allowlist import names_an_import
from sslkit.configs.slots import names_a_class
from sslkit.configs.values import config_values
from sslkit.counted import counted
from sslkit.recipe.pack_format import ENCODER, WEIGHTS
from sslkit.recipe.pack_reading import Pack
from sslkit.recipe.portable import is_public_source, places
from sslkit.recipe.shared import SharedRecipe
from sslkit.settings import every_value_of

_MOST = 12  # differences that are shown one by one
_MOST_LOOKED_AT = 100  # classes, places or downloads; the shipped recipes have up to 10
_NOTHING = "only what ships with sslkit, torch, torchvision and Lightning"
_NO = frozenset({"false", "no", "off", "n", "f", "0", "null", "none", "~", ""})
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
    card, config = shared.card, {k: v for k, v in shared.config.items() if k != "recipe"}
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
    yield "classes", ", ".join(_looked_at(dict.fromkeys(classes(config)), "classes")) or "none"
    yield from _data(config)
    for key in _looked_at(downloads(config), "downloads"):
        yield "download", key
    for key, path in _looked_at(places(config), "paths"):
        yield "path", f"{key}: {path}"
    yield from _network(config)
    yield from _weights(config, pack)
    if there is not None:
        yield from _differences(there, config)


def classes(config: Any) -> Iterator[str]:
    """What a config names to be built or called, wherever it stands and as often as it does.

    Args:
        config: As plain data.
    """
    for value in config_values(config):
        if value.tag is None and (names_an_import(value, ()) or names_a_class(value)):
            yield value.text


def downloads(config: Any, keys: str = "") -> Iterator[str]:
    """The keys that make something be downloaded.

    Args:
        config: As plain data.
        keys: The way to it.
    """
    if isinstance(config, str) and (text := _collection(config)) is not None:
        config = text
    if isinstance(config, dict | list):
        items = config.items() if isinstance(config, dict) else enumerate(config)
        for key, item in items:
            way = f"{keys}.{key}" if keys else str(key)
            if str(key) == "download" and str(item).lower() not in _NO:
                yield f"{way}: {item}"
            yield from downloads(item, way)


def _figures(card: Card) -> Iterator[tuple[str, str]]:
    for figure in card.expected:
        within = "" if figure.tolerance is None else f", or up to {figure.tolerance:g} points less"
        yield "expected", f"{figure.metric} {figure.value:g} %{within} ({figure.source})"
    if card.hardware:
        time = "" if card.minutes is None else f", {counted(card.minutes, 'minute')}"
        yield "ran on", card.hardware + time + (f", sslkit {card.sslkit}" if card.sslkit else "")


def _data(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    data = config.get("data")
    data = data if isinstance(data, dict) else {}
    if data.get("source") is None:
        yield "data", "yours: --data.source FOLDER"
    for key in ("source", "val_source", "test_source"):
        value = data.get(key)
        if isinstance(value, str):
            value = _collection(value) or value
        if isinstance(value, dict):
            arguments = value.get("init_args")
            fetched = isinstance(arguments, dict) and arguments.get("download")
            yield "data", f"{value.get('class_path')}{' (downloads it)' if fetched else ''}"
        elif value == "quickstart":
            yield "data", "the images in the package"
        elif isinstance(value, str) and is_public_source(("data", key), value):
            yield "data", f"{value} (downloads it)"
        elif value is not None:
            yield "data", f"{value}: a file or folder of yours ({key})"


def _network(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    if config.get("wandb"):
        yield "sends", "metrics to Weights & Biases (wandb: true)"
    for name in dict.fromkeys(path.rpartition(".")[2] for path in classes(config)):
        if name in _SENDS:
            yield "sends", f"metrics elsewhere ({name})"


def _weights(config: dict[str, Any], pack: Pack | None) -> Iterator[tuple[str, str]]:
    for value in config_values(config):
        if value.tag is None and value.key in ("weights", "checkpoint") and value.text:
            key = ".".join(key for key in value.keys if key != "init_args")
            yield "reads", f"{key}: {value.text}"
    if pack is None or WEIGHTS not in pack.sizes:
        yield "weights", "none"
        return
    tensors = pack.tensors()
    encoder = pack.record(ENCODER).get("encoder")
    name = encoder.get("name") if isinstance(encoder, dict) else None
    yield (
        "weights",
        f"of the encoder {name}: {counted(len(tensors), 'tensor')} in safetensors, "
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


def _looked_at(entries: Iterable[Any], what: str) -> list[Any]:
    """All of them, as what is left out cannot be judged.

    Raises:
        ValueError: If there are more than anybody looks at.
    """
    found = list(entries)
    if len(found) > _MOST_LOOKED_AT:
        raise ValueError(
            f"the recipe has {len(found):,} {what}, and at most {_MOST_LOOKED_AT} can be looked "
            "at: ask its author for a shorter one."
        )
    return found


def _collection(text: str) -> Any:
    """What a text means that is YAML itself, as the parser reads it; None of any other text."""
    try:
        found = plain_yaml.load(text)
    except (yaml.YAMLError, plain_yaml.Unbounded):
        return None
    return found if isinstance(found, dict | list) else None


def _some(entries: list[tuple[str, str]]) -> list[tuple[str, str]]:
    more = len(entries) - _MOST
    return entries if more <= 0 else [*entries[:_MOST], (f"and {more} more", "")]
