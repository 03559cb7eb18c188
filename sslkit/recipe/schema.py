"""The JSON Schema of a recipe, for editors: generated from the card's dataclasses."""

import dataclasses
import inspect
import json
import re
from types import UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from sslkit.card import CARD_VERSION, Card
from sslkit.configs.extends import KEY

_TYPES = {str: "string", int: "integer", float: "number"}
_ENTRY = re.compile(r"^ {4}(\w+): (.*(?:\n {8,}.*)*)", re.MULTILINE)


def recipe_schema() -> dict[str, Any]:
    """The schema of a recipe file: its card, key by key; the config itself is left to `check`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"sslkit recipe, card version {CARD_VERSION}",
        "description": "A config of `sslkit fit` with a card on top; `sslkit recipe check` reads "
        "all of it.",
        "type": "object",
        "properties": {
            "recipe": _record(Card),
            KEY: {
                "type": "string",
                "description": "Another recipe that this one builds on: a shipped one's name, or "
                "the path of a .yaml file relative to this one.",
            },
        },
    }


def schema_text() -> str:
    """The schema as the file ``recipes/recipe.schema.json`` has it."""
    return json.dumps(recipe_schema(), indent=2) + "\n"


def _record(cls: type) -> dict[str, Any]:
    types, meaning = get_type_hints(cls), _meanings(cls)
    fields = dataclasses.fields(cls)
    properties = {}
    for field in fields:
        properties[field.name] = {**_value(types[field.name]), "description": meaning[field.name]}
        if field.default not in (dataclasses.MISSING, None):
            properties[field.name]["default"] = field.default
    return {
        "type": "object",
        "properties": properties,
        "required": [
            field.name
            for field in fields
            if field.default is field.default_factory is dataclasses.MISSING
        ],
        "additionalProperties": False,
    }


def _value(kind: Any) -> dict[str, Any]:
    if get_origin(kind) is UnionType:
        return {"anyOf": [_value(get_args(kind)[0]), {"type": "null"}]}
    if get_origin(kind) is list:
        return {"type": "array", "items": _value(get_args(kind)[0])}
    if get_origin(kind) is Literal:
        return {"enum": list(get_args(kind))}
    if dataclasses.is_dataclass(kind):
        return _record(kind)  # type: ignore[arg-type]
    return {"type": _TYPES[kind]}


def _meanings(cls: type) -> dict[str, str]:
    """What the docstring says of each argument, on one line and without its markup."""
    entries = _ENTRY.findall(inspect.getdoc(cls) or "")
    return {name: " ".join(text.split()).replace("``", "`") for name, text in entries}
