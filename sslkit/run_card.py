"""The card in a run's config: what its recipe claims, unless the run changed the recipe."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from sslkit import plain_yaml
from sslkit.configs.values import option_values
from sslkit.settings import settings_of

# What was measured with the recipe as it is.
_CLAIMS = {"status": "untested", "expected": [], "hardware": None, "minutes": None, "sslkit": None}
# A recipe may leave its images to whoever uses it; any will do to read the rest.
_SOME_DATA = "--data.source=quickstart"


def honest_config(text: str, arguments: Sequence[str], resolve: Callable[[list[str]], str]) -> str:
    """A run's config whose card claims only what holds for the run.

    Args:
        text: The resolved config, with the recipe's card.
        arguments: The options of the run; the config with the card is one of them.
        resolve: From options to the resolved config, as for ``text``.

    Returns:
        ``text`` where the run is the recipe's. Where other options or configs changed a setting
        that may change the outcome, the same with a card that names these settings and has no
        figures.
    """
    own = [value for key, value in option_values(arguments) if key in ("config", "c")]
    base = [value for value in own if _has_card(value)][-1:]
    if not base or len(list(option_values(arguments))) == 1:
        return text
    options = [f"--config={base[0]}"]
    if not (_read(base[0]).get("data") or {}).get("source"):
        options.append(_SOME_DATA)
    config = plain_yaml.load(text)
    now = settings_of(config)
    try:
        before = settings_of(plain_yaml.load(resolve(options)))
    except ValueError:  # alone it is not whole: the other options are what it was lacking
        before = settings_of(_read(base[0]))
    changed = {key for key in now.keys() | before.keys() if now.get(key) != before.get(key)}
    if not changed:
        return text
    card = config["recipe"]
    # With a setting, those inside it: of another class all arguments are others.
    outer = {k for k in changed if not any(k.startswith(f"{other}.") for other in changed)}
    config["recipe"] = card | _CLAIMS | {"changed": sorted({*outer, *card.get("changed", [])})}
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _has_card(config: str) -> bool:
    return isinstance(_read(config).get("recipe"), dict)


def _read(config: str) -> dict[str, Any]:
    """A config that stands on the command line, as a file or as text."""
    is_file = os.path.isfile(config)  # pathlib raises about what no file can be called
    text = Path(config).read_text(encoding="utf-8") if is_file else config
    found = plain_yaml.load(text)
    return found if isinstance(found, dict) else {}
