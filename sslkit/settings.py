"""A config as a flat table: each setting under its path, its value as text."""

from collections.abc import Iterator, Mapping
from typing import Any

# What describes a run or how it is watched, and changes nothing in it.
_NO_SETTING = (
    "recipe",
    "evaluate",
    "wandb",
    "ckpt_path",
    "trainer.default_root_dir",
    "trainer.logger",
    "trainer.enable_progress_bar",
    "trainer.enable_model_summary",
    "trainer.log_every_n_steps",
)


def settings_of(config: Mapping[str, Any]) -> dict[str, str]:
    """What decides the outcome of a run: ``{"model.encoder.name": "resnet18", ...}``.

    Args:
        config: As plain data. Its card, and how the run is watched, are left out.
    """
    return dict(_flat({k: v for k, v in config.items() if k not in _NO_SETTING}, "", _NO_SETTING))


def every_value_of(config: Mapping[str, Any]) -> dict[str, str]:
    """All that a config says, in the same form.

    Args:
        config: As plain data.
    """
    return dict(_flat(config, "", ()))


def _flat(value: Any, path: str, without: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Every leaf under its path; classes by their name, their arguments below."""
    if path in without:
        return
    if isinstance(value, dict) and isinstance(value.get("class_path"), str):
        yield path, value["class_path"].rsplit(".", 1)[-1]
        for part in ("init_args", "dict_kwargs"):
            yield from _flat(value.get(part) or {}, path, without)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key), without)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        names: list[str] = []
        for item in value:
            known = isinstance(item, dict) and isinstance(item.get("class_path"), str)
            name = item["class_path"].rsplit(".", 1)[-1] if known else "item"
            names.append(name)
            # By its class and not its place: another entry before it changes nothing.
            number = f" {names.count(name)}" if names.count(name) > 1 else ""
            own = f"{path}.{name}{number}"
            yield own, "yes" if known else ""
            arguments = (item.get("init_args") or {}) if known else item
            if isinstance(arguments, dict):
                yield from _flat(arguments, own, without)
            else:
                yield own, str(item)
    else:
        yield path, _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return "null" if value is None else str(value)
