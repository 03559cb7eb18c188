"""``sslkit recipe show``: what a recipe is, what it needs, what to type, and what it means."""

import importlib.util
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from sslkit.card import Card
from sslkit.configs.finding import list_recipes, user_recipes
from sslkit.counted import counted
from sslkit.recipe.comparing import short
from sslkit.recipe.reading import Reading, RecipeReader
from sslkit.recipe.scale import Scale, processes_of, scale_of
from sslkit.recipe.sections import section

# What Lightning's loggers import, and sslkit does not ask for.
_EXTRAS = {"CometLogger": "comet_ml", "MLFlowLogger": "mlflow", "TensorBoardLogger": "tensorboard"}


def show_recipe(name_or_path: str, *, trust: Sequence[str] = ()) -> str:
    """A recipe as text: its card, needs and commands, then the resolved config.

    Args:
        name_or_path: A name or a file.
        trust: Modules that it may name too.
    """
    reading = RecipeReader(trust=trust).read(name_or_path)
    scale = scale_of(reading.config, reading.card)
    named = name_or_path in (*list_recipes(), *user_recipes())
    name = name_or_path if named else str(reading.path)
    trust = [*dict.fromkeys((*trust, *(reading.card.trust if reading.card else ())))]
    parts = [
        section(name, _card(reading.card, reading)),
        section("needs", _needs(reading, scale, trust)),
        "\n".join(["commands", *(f"  {c}" for c in _commands(name, reading, trust))]),
        f"# the config, resolved\n{yaml.safe_dump(reading.config, sort_keys=False)}",
    ]
    return "\n\n".join(parts).rstrip()


def _card(card: Card | None, reading: Reading) -> Iterator[tuple[str, str]]:
    if card is None:
        yield "card", "none: nothing is said of what it is for and what to expect"
        yield "file", str(reading.path)
        return
    yield "summary", card.summary
    yield "method", card.method + (f" ({card.paper})" if card.paper else "")
    yield "dataset", card.dataset
    yield "status", card.status
    if card.changed:
        yield "changed", f"{', '.join(card.changed)}: not as in the recipe of this name"
    for figure in card.expected:
        within = "" if figure.tolerance is None else f", or up to {figure.tolerance:g} points less"
        about = f"{figure.protocol}; from {figure.source}"
        yield "expected", f"{figure.metric} {figure.value:g} %{within} ({about})"
    if card.hardware:
        time = "" if card.minutes is None else f", {counted(card.minutes, 'minute')}"
        yield "ran on", card.hardware + time + (f", sslkit {card.sslkit}" if card.sslkit else "")
    yield "file", str(reading.path)


def _needs(reading: Reading, scale: Scale, trust: Sequence[str]) -> Iterator[tuple[str, str]]:
    data = reading.config["data"]
    if reading.wants_data:
        yield "data", "yours: --data.source FOLDER"
    for key in ("source", "val_source", "test_source"):
        if (value := data.get(key)) is not None:
            yield "data", _data(value)
    if reading.wants_checkpoint:
        yield "weights", "a checkpoint of yours: --model.checkpoint FILE"
    for value in _values(reading.config["model"], ("weights", "checkpoint")):
        yield "weights", f"the file {value}"
    missing = [m for m in _extras(reading.config) if importlib.util.find_spec(m) is None]
    if missing:
        yield "extras", f"pip install {' '.join(missing)}"
    if trust:
        yield "trust", f"code of {', '.join(trust)}, which is not part of sslkit"
    exact = processes_of(reading.config["trainer"]) or (reading.card and reading.card.devices)
    kind = reading.config["trainer"].get("accelerator")
    where = "" if kind in (None, "auto") else f" on {kind}"
    yield "devices", f"{scale.processes if exact else 'any, counted as 1'}{where}"
    rate = "" if scale.lr is None else f"; effective learning rate {scale.lr:g}"
    yield "batch", f"{scale.batch} an optimiser step{rate}"


def _data(value: Any) -> str:
    if isinstance(value, str):
        return "the images in the package" if value == "quickstart" else value
    downloads = (value.get("init_args") or {}).get("download")
    return short(value) + (" (downloads it)" if downloads else "")


def _commands(name: str, reading: Reading, trust: Sequence[str]) -> list[str]:
    given = ["sslkit", "fit", "--config", name]
    if reading.wants_data:
        given += ["--data.source", "FOLDER"]
    if reading.wants_checkpoint:
        given += ["--model.checkpoint", "FILE"]
    for module in trust:
        given += ["--trust", module]
    root = reading.config["trainer"].get("default_root_dir")
    if root is None:
        method = reading.config["model"]["class_path"].rpartition(".")[2].lower()
        root = f"runs/{reading.card.name if reading.card else method}"
    commands = [given, ["sslkit", "evaluate", f"{root}/version_0"]]
    if reading.card and any(figure.tolerance is not None for figure in reading.card.expected):
        again = ["sslkit", "reproduce", name]
        again += ["--data", "FOLDER"] if reading.wants_data else []
        again += [part for module in trust for part in ("--trust", module)]
        again += ["--", "--model.checkpoint", "FILE"] if reading.wants_checkpoint else []
        commands.append(again)
    return [shlex.join(command) for command in commands]


def _extras(config: dict[str, Any]) -> list[str]:
    names = [str(path).rpartition(".")[2] for path in _values(config, ("class_path",))]
    return sorted({_EXTRAS[name] for name in names if name in _EXTRAS})


def _values(config: Any, keys: Sequence[str]) -> Iterator[Any]:
    """What stands under a key of one of these names, wherever it is."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key in keys and value is not None:
                yield value
            yield from _values(value, keys)
    elif isinstance(config, list):
        for item in config:
            yield from _values(item, keys)
