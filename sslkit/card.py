"""The card of a recipe: what it is, what to expect of it, and how far to trust that."""

import dataclasses
import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from sslkit import plain_yaml

CARD_VERSION = 1

_PART = re.compile(r"[\w.,+=-](?:[\w .,+=-]*[\w.,+=-])?")
_Keys = tuple[str | int, ...]
_KINDS = {str: "text", int: "a whole number", float: "a number"}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number that a recipe is expected to reach.

    Args:
        metric: What is measured (``knn20``, ``linear``).
        value: The expected value in percent.
        protocol: How it is measured: data split, classifier and its settings.
        source: Where the number comes from: runs of this recipe, a paper, published code.
        tolerance: How far a run may fall below ``value``, in percentage points. None: not known.

    Raises:
        ValueError: If ``value`` or ``tolerance`` is not in [0, 100].
    """

    metric: str
    value: float
    protocol: str
    source: str
    tolerance: float | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 100:
            raise ValueError(f"value of {self.metric} is a percentage (0 to 100), got {self.value}")
        if self.tolerance is not None and not 0 <= self.tolerance <= 100:
            raise ValueError(
                f"tolerance of {self.metric} is in percentage points (0 to 100), got "
                f"{self.tolerance}"
            )


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a recipe says about itself.

    Args:
        name: The name by which it is found: its path in the recipe folder without ``.yaml``.
        method: The method's class name.
        dataset: The images it trains on.
        summary: One sentence on what it is for.
        seed: The seed of the figures; the config's ``seed_everything``.
        status: ``measured``: the figures come from runs of this file. ``published``: settings and
            figures are those of a paper or its code. ``untested``: neither.
        paper: Citation and address.
        expected: The figures to expect, each with its protocol.
        version: Of the card's schema; a later toolkit may know more of them.
        devices: How many processes the figures need, each with ``data.batch_size`` images. None:
            one, or as many as ``trainer.devices`` says.
        hardware: What a measured run ran on.
        minutes: How long that took: of a shipped recipe from the command to the evaluation table,
            of a shared run its training.
        sslkit: The version that measured it.
        changed: Settings in which this differs from the recipe whose name it bears. Figures are
            then of this file's own runs, or there are none.
        trust: Modules that it names and that are not part of sslkit: whoever runs it needs them
            from its author, and ``--trust`` with each.

    Raises:
        ValueError: If the status promises what the card does not have, the version is not known,
            the name leads out of a folder, or there is less than one device.
    """

    name: str
    method: str
    dataset: str
    summary: str
    seed: int
    status: Literal["measured", "published", "untested"]
    paper: str | None = None
    expected: list[Figure] = dataclasses.field(default_factory=list)
    version: int = CARD_VERSION
    devices: int | None = None
    hardware: str | None = None
    minutes: float | None = None
    sslkit: str | None = None
    changed: list[str] = dataclasses.field(default_factory=list)
    trust: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        parts = self.name.split("/")  # runs go to a folder of this name
        if not all(_PART.fullmatch(part) and part.strip(".") for part in parts):
            raise ValueError(
                f"name is the recipe's path in a folder of recipes, like small/moco, and of "
                f"letters, digits, spaces and -_.,+=, got {self.name!r}"
            )
        if not 1 <= self.version <= CARD_VERSION:
            raise ValueError(
                f"version is that of the card's schema, and this sslkit knows up to {CARD_VERSION},"
                f" got {self.version}: a later sslkit reads it"
            )
        if self.devices is not None and self.devices < 1:
            raise ValueError(f"devices must be at least 1, got {self.devices}")
        promised = {
            "measured": ("expected", "hardware", "minutes", "sslkit"),
            "published": ("expected", "paper"),
            "untested": (),
        }
        if self.status not in promised:
            raise ValueError(f"status is one of {', '.join(promised)}, got {self.status!r}")
        missing = [key for key in promised[self.status] if not getattr(self, key)]
        if missing:
            raise ValueError(
                f"a recipe with status {self.status} must also have {', '.join(missing)}: fill in "
                "what is missing, or set the status to untested"
            )

    def plain(self) -> dict[str, Any]:
        """The card as a recipe has it: plain values, without what it leaves open."""
        card = _said(dataclasses.asdict(self))
        return card | ({"expected": [_said(f) for f in card["expected"]]} if self.expected else {})


def load_card(path: Path | str) -> Card | None:
    """The card of a recipe, or None of a config that has none.

    Raises:
        ValueError: If the file is not a YAML mapping, or its card has an unknown key, lacks one, or
            has a value of the wrong type; names the file, the line and the key.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
        config = plain_yaml.load(text)
    except plain_yaml.Unbounded as error:
        raise ValueError(f"{path} is {error}.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not valid YAML: {error}") from error
    return card_of(config, str(path), text)


def card_of(config: Any, where: str, text: str = "") -> Card | None:
    """The card in a config that has been read, or None.

    Args:
        config: As plain data.
        where: What messages call it: a file's name.
        text: From which it was read; without it, messages have no line.

    Raises:
        ValueError: As `load_card`.
    """
    if not isinstance(config, dict):
        raise ValueError(f"{where} is not a config: it must be a YAML mapping of options.")
    card = config.get("recipe")
    if card is None:
        return None
    try:
        return _record(Card, card, ("recipe",))
    except _WrongCard as error:
        line = plain_yaml.key_line(text, error.at)
        place = where if line is None else f"{where}, line {line}"
        raise ValueError(f"{place}: {_way(error.keys)}{error}") from error.__cause__


class _WrongCard(ValueError):
    """What is wrong with a card, to follow its key.

    Attributes:
        keys: The key.
        at: Where it is wrong, which may be inside of what stands there.
    """

    def __init__(self, message: str, keys: _Keys, inside: str | None = None) -> None:
        super().__init__(message)
        self.keys = keys
        self.at = keys if inside is None else (*keys, inside)


def _way(keys: _Keys) -> str:
    """Keys as messages have them: ``recipe.expected[0].value``."""
    way = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return way.removeprefix(".")


def _said(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value not in (None, [])}


def _record(cls: type, given: Any, keys: _Keys) -> Any:
    """An instance of a dataclass from plain data, checked key by key."""
    if not isinstance(given, dict):
        raise _WrongCard(f" must be a mapping, got {given!r}.", keys)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in given:
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the keys are {', '.join(fields)}."
            raise _WrongCard(f" is not a key of the card; {hint}", (*keys, str(key)))
    for key, field in fields.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and key not in given:
            raise _WrongCard(" is missing.", (*keys, key))
    types = get_type_hints(cls)
    values = {key: _value(types[key], value, (*keys, key)) for key, value in given.items()}
    try:
        return cls(**values)
    except ValueError as error:
        first = str(error).partition(" ")[0]  # mostly the key that it is about
        raise _WrongCard(f": {error}.", keys, first if first in given else None) from error


def _value(kind: Any, given: Any, keys: _Keys) -> Any:
    """A value of one of the kinds that a card has: optional, list, choice, record or scalar."""
    if get_origin(kind) is UnionType:
        return None if given is None else _value(get_args(kind)[0], given, keys)
    if get_origin(kind) is list:
        if not isinstance(given, list):
            raise _WrongCard(f" must be a list, got {given!r}.", keys)
        return [_value(get_args(kind)[0], item, (*keys, i)) for i, item in enumerate(given)]
    if get_origin(kind) is Literal:
        if given not in get_args(kind):
            raise _WrongCard(f" must be one of {', '.join(get_args(kind))}, got {given!r}.", keys)
        return given
    if dataclasses.is_dataclass(kind):
        return _record(kind, given, keys)  # type: ignore[arg-type]
    accepted = (int, float) if kind is float else kind
    if not isinstance(given, accepted) or isinstance(given, bool):
        raise _WrongCard(f" must be {_KINDS[kind]}, got {given!r}.", keys)
    if kind is str and not all(c.isprintable() or c in "\n\t" for c in given):
        raise _WrongCard(f" has characters that no terminal should print: {given!r}.", keys)
    return given
