"""Recipes through the parser of ``sslkit fit``: every key resolved, nothing built or trained."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslkit import plain_yaml
from sslkit.card import Card, load_card
from sslkit.configs.allowlist import check_arguments, check_file
from sslkit.configs.extends import merge_extended, merged_config
from sslkit.configs.finding import find_recipe
from sslkit.configs.values import option_values
from sslkit.fit import FitCLI, parse, resolved
from sslkit.methods.trained import leaves_open

# A source that needs nothing, in place of one that is not given or must not be opened.
NO_DATA = "quickstart"


@dataclass(frozen=True)
class Reading:
    """A recipe as it was written and as it is meant.

    Attributes:
        path: Its file.
        card: What it says about itself.
        parsed: What the parser made of it, ready to be built.
        config: The same as plain data, with every default; without the card.
        wants_data: Whether ``data.source`` is left to whoever uses it.
        wants_checkpoint: Whether ``model.checkpoint`` is, in a recipe that starts from one.
    """

    path: Path
    card: Card | None
    parsed: Any
    config: dict[str, Any]
    wants_data: bool
    wants_checkpoint: bool = False


class RecipeReader:
    """Reads recipes one after another with one parser.

    Args:
        trust: Modules that the recipes may name too; they must be importable, and on the list that
            `sslkit.configs.allowlist.install_allowlist` has installed.
    """

    def __init__(self, *, trust: Sequence[str] = ()) -> None:
        self.trust = tuple(trust)
        with quiet():  # Lightning tells that it sets a seed
            self.parser = _ParserOnly([]).parser

    def read(self, name_or_path: str, overrides: Sequence[str] = ()) -> Reading:
        """Check and parse a recipe.

        Args:
            name_or_path: A file, or the name of a recipe.
            overrides: Options of ``sslkit fit`` that change it.

        Raises:
            FileNotFoundError: If there is none, or not what it extends.
            ValueError: If something in it is not allowed, unknown, or of a wrong type.
        """
        path = find_recipe(name_or_path)
        check_file(path, trust=self.trust)
        check_arguments(overrides, trust=self.trust)
        card = load_card(path)
        data = merged_config(path).get("data")
        given = {key for key, _ in option_values(overrides)}
        wants_data = not isinstance(data, dict) or data.get("source") is None
        wants_data = wants_data and "data.source" not in given
        arguments = merge_extended([f"--config={path}", *overrides])
        if wants_data:
            arguments.append(f"--data.source={NO_DATA}")
        parsed = parse(self.parser, arguments)
        config = plain_yaml.load(resolved(self.parser, parsed))
        config.pop("recipe", None)
        if wants_data:
            del config["data"]["source"]
        return Reading(path, card, parsed, config, wants_data, _wants_checkpoint(config))


def _wants_checkpoint(config: dict[str, Any]) -> bool:
    """Whether a model takes a checkpoint or an encoder, and neither is given."""
    return leaves_open((config.get("model") or {}).get("init_args") or {})


class _ParserOnly(FitCLI):
    """The parser of a fit, and nothing else of it."""

    def parse_arguments(self, parser: Any, args: Any) -> None:
        """Nothing is parsed yet."""
        self.config = parser.get_defaults()

    def instantiate_classes(self) -> None:
        """Nothing is built."""


@contextmanager
def quiet() -> Iterator[None]:
    """Without what Lightning logs about seeds and devices, which is about training."""
    loggers = [logging.getLogger(name) for name in ("lightning_fabric", "pytorch_lightning")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
