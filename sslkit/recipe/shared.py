"""A recipe that somebody sent: judged as text, before it is a file and anything in it is used."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from sslkit import plain_yaml
from sslkit.card import Card, card_of
from sslkit.configs.allowlist import check_imports, is_allowed, names_an_import
from sslkit.configs.extends import KEY, merged_onto_shipped
from sslkit.configs.refusals import DOTTED
from sslkit.configs.roles import allowed_paths
from sslkit.configs.slots import slot_fault
from sslkit.configs.values import Value, config_values, dotted_keys, repeated_keys
from sslkit.recipe.portable import is_place, is_public_source

LARGEST = 1 << 20  # bytes; the shipped recipes have up to 5 KB


@dataclass(frozen=True)
class SharedRecipe:
    """A recipe as it was sent, and what it means.

    Attributes:
        text: As it is.
        card: What it says about itself.
        config: With the shipped recipe that it extends, if any.
        outside: What it names that is not on the allowlist: all of it is in modules that somebody
            may have written for it, or that were trusted by name.
    """

    text: str
    card: Card
    config: dict[str, Any]
    outside: tuple[Value, ...] = ()

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules that must be trusted for a fit."""
        return tuple(sorted({value.text.rpartition(".")[0] for value in self.outside}))


def read_shared(
    content: bytes, where: str, *, alone: bool, trust: Sequence[str] = ()
) -> SharedRecipe:
    """Read a recipe; no file is looked at, and nothing is imported.

    Args:
        content: Of the file.
        where: What messages call it.
        alone: Whether it comes in a pack: it extends nothing, and names no path that starts
            elsewhere than in the working directory.
        trust: Modules that it may name, whatever they are.

    Raises:
        FileNotFoundError: If it extends a shipped recipe that is not there.
        ImportRefused: If it names code of Python or of the libraries beneath that is not on the
            allowlist, has tags, or wants to be read from a pipe; says the line.
        ValueError: If it is no recipe, too large, extends a file, or names a class where one of
            another kind belongs; says the line.
    """
    text, top = _nodes(content, where)
    for key in repeated_keys(top):
        raise ValueError(f"{where}, line {key.line}: {'.'.join(key.keys)} stands there twice.")
    for key in dotted_keys(top):
        raise ValueError(
            f"{where}, line {key.line}: {key.text!r} is two keys in one: write each on a line of "
            "its own, so that what the recipe asks for can be seen."
        )
    _check_extends(top, where, alone=alone)
    outside = tuple(_outside(top, trust))
    modules = [value.text.rpartition(".")[0] for value in outside]
    check_imports(top, trust=[*trust, *modules], where=where, folders=())
    _check_values(top, where, trust=[*trust, *modules], alone=alone)
    try:
        config = plain_yaml.load(text)
    except plain_yaml.Unbounded as error:
        raise ValueError(f"{where} is {error}.") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{where} is not plain YAML: {error}") from error
    card = card_of(config, where, text)
    if card is None:
        raise ValueError(
            f"{where} has no card (recipe:), so nothing says what it is and what to expect of it."
        )
    return SharedRecipe(text, card, merged_onto_shipped(config), outside)


def modules_outside(config: Any) -> tuple[str, ...]:
    """The modules that a config names and that are not on the allowlist.

    Args:
        config: As plain data.
    """
    values = config_values({k: v for k, v in config.items() if k not in ("recipe", KEY)})
    outside = (v for v in values if names_an_import(v, ()) and not is_allowed(v.text))
    return tuple(sorted({value.text.rpartition(".")[0] for value in outside}))


def _nodes(content: bytes, where: str) -> tuple[str, yaml.Node | None]:
    if len(content) > LARGEST:
        raise ValueError(f"{where} has {len(content):,} bytes, and a recipe at most {LARGEST:,}.")
    try:
        text = content.decode("utf-8")
        return text, plain_yaml.compose(text)
    except UnicodeDecodeError as error:
        raise ValueError(f"{where} is not a text in UTF-8, so it is no recipe.") from error
    except plain_yaml.Unbounded as error:
        raise ValueError(f"{where} is {error}.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ValueError(f"{where}{line}: not valid YAML: {error.problem}.") from error
    except yaml.YAMLError as error:
        raise ValueError(f"{where}: not valid YAML: {error}") from error


def _check_extends(top: yaml.Node | None, where: str, *, alone: bool) -> None:
    for key, value in top.value if isinstance(top, yaml.MappingNode) else ():
        if key.tag.endswith(":merge"):
            raise ValueError(
                f"{where}, line {key.start_mark.line + 1}: << has no place here: write out what "
                "is merged."
            )
        if key.value != KEY:
            continue
        line = f"{where}, line {key.start_mark.line + 1}"
        if alone:
            raise ValueError(f"{line}: extends has no place here: a packed recipe stands alone.")
        if not isinstance(value, yaml.ScalarNode) or value.value.endswith((".yaml", ".yml")):
            raise ValueError(
                f"{line}: extends names a file, which was not sent along: only a shipped recipe "
                "can be extended. Ask for a pack (`sslkit recipe pack`), which stands alone."
            )


def _check_values(top: yaml.Node | None, where: str, *, trust: Sequence[str], alone: bool) -> None:
    """Refuse classes of the wrong kind, and in a pack paths that nobody else has."""
    for value in config_values(top) if top is not None else ():
        if value.keys[:1] == ("recipe",):
            continue
        trusted = is_allowed(value.text, trust) and not is_allowed(value.text)
        problem = None if trusted else slot_fault(value)
        if alone and is_place(value.text) and not is_public_source(value.keys, value.text):
            problem = (
                f"{'.'.join(value.keys)} is {value.text!r}: a pack has no addresses, and no paths "
                "that start elsewhere than in the working directory."
            )
        if problem:
            raise ValueError(f"{where}, line {value.line}: {problem}")


def _outside(top: yaml.Node | None, trust: Sequence[str]) -> Sequence[Value]:
    """What could be used if its module were trusted; the rest is for `check_imports` to refuse."""
    try:
        values = list(config_values(top)) if top is not None else []
    except plain_yaml.Unbounded:
        return ()
    return [
        value
        for value in values
        if value.tag is None
        and value.keys[:1] not in (("recipe",), (KEY,))
        and names_an_import(value, ())
        and not is_allowed(value.text)
        and (is_allowed(value.text, trust) or _can_be_trusted(value.text))
    ]


def _can_be_trusted(path: str) -> bool:
    """Whether somebody may have written this for a recipe: the libraries beneath are not it."""
    top = path.partition(".")[0]
    libraries = {known.partition(".")[0] for known in allowed_paths()}
    libraries |= {"jsonargparse", "lightning", "lightning_fabric", *sys.stdlib_module_names}
    return DOTTED.fullmatch(path) is not None and top not in libraries
