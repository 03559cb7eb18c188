"""Whether a value fits a JSON Schema: by jsonschema where it is installed, else by what is here."""

import importlib.util
import re
from collections.abc import Iterator
from typing import Any

_TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}
_TOLD = {"$schema", "$defs", "title", "description"}
_KNOWN = {
    *("type", "const", "enum", "anyOf", "$ref", "minimum", "maximum", "minItems", "maxItems"),
    *("items", "properties", "patternProperties", "additionalProperties", "required"),
}


def problems(value: Any, schema: dict[str, Any]) -> list[str]:
    """What is wrong with a value, each with its place; nothing where it fits."""
    if importlib.util.find_spec("jsonschema"):
        from jsonschema import Draft202012Validator  # not a dependency

        Draft202012Validator.check_schema(schema)
        found = Draft202012Validator(schema).iter_errors(value)
        return [f"{error.json_path}: {error.message}" for error in found]
    return list(_problems(value, schema, schema, "$"))


def _problems(value: Any, schema: Any, root: dict[str, Any], at: str) -> Iterator[str]:
    if unknown := set(schema) - _KNOWN - _TOLD:
        raise ValueError(f"the check does not know {unknown}: teach it")
    if "$ref" in schema:
        yield from _problems(value, root["$defs"][schema["$ref"].split("/")[-1]], root, at)
    kind = schema.get("type")
    wrong = kind is not None and not isinstance(value, _TYPES[kind])
    if wrong or (isinstance(value, bool) and kind in ("integer", "number")):
        yield f"{at}: {value!r} is no {kind}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{at}: {value!r} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at}: {value!r} is none of {schema['enum']}"
    if "anyOf" in schema and all(list(_problems(value, s, root, at)) for s in schema["anyOf"]):
        yield f"{at}: {value!r} is none of the alternatives"
    if value is not None and not isinstance(value, str | list | dict):
        if not schema.get("minimum", value) <= value <= schema.get("maximum", value):
            yield f"{at}: {value} is out of range"
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            yield f"{at}: {len(value)} items"
        for number, item in enumerate(value):
            yield from _problems(item, schema.get("items", {}), root, f"{at}[{number}]")
    if isinstance(value, dict):
        yield from _members(value, schema, root, at)


def _members(value: dict[str, Any], schema: Any, root: Any, at: str) -> Iterator[str]:
    yield from (
        f"{at}: there is no {key}" for key in schema.get("required", []) if key not in value
    )
    named, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for key, item in value.items():
        own = [named[key]] if key in named else []
        own += [sub for pattern, sub in patterns.items() if re.search(pattern, key)]
        if not own:
            own = [schema.get("additionalProperties", True)]
        for sub in own:
            if sub is False:
                yield f"{at}: {key} is not expected"
            elif sub is not True:
                yield from _problems(item, sub, root, f"{at}.{key}")
