"""``sslkit recipe pack``: from a run's folder to one file that somebody else can run again."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sslkit import plain_yaml
from sslkit.card import Card, card_of
from sslkit.configs.finding import PACK
from sslkit.finished_run import CONFIG, FinishedRun, read_run
from sslkit.printable import printable
from sslkit.recipe.measured import figures_of, is_limited, sizes_of
from sslkit.recipe.pack_format import (
    COSTS,
    ENVIRONMENT,
    EVALUATION,
    METRICS,
    RECIPE,
    WEIGHTS,
    json_mapping,
    write_pack,
)
from sslkit.recipe.portable import portable_config, portable_record
from sslkit.recipe.shared import modules_outside
from sslkit.run_evaluation import current_evaluation

_COPIED = (ENVIRONMENT, COSTS, METRICS)
_HEADER = """\
# {name}, packed from a run of it: the figures on the card are that run's.
#
# Command   sslkit reproduce FILE compares a run of yours with them
"""


def pack_run(
    run: Path,
    out: Path | None = None,
    *,
    name: str | None = None,
    summary: str | None = None,
    weights: Mapping[str, bytes | Path] | None = None,
) -> Path:
    """Write the pack of a run, and say what is in it.

    The card's figures are those of this run's own evaluation; without one, the card has none.

    Args:
        run: The folder of the run.
        out: The file, ending in ``.sslrecipe``; None is the recipe's name in the working directory.
        name: The recipe's name; None is that of the recipe that was run.
        summary: One sentence on what it is for; None is that of the recipe that was run.
        weights: Members with the encoder, from `sslkit.recipe.pack_weights.encoder_members`.

    Returns:
        The file.

    Raises:
        FileNotFoundError: If there is no such run.
        ValueError: If the folder is no run's, or what is in it cannot be packed.
    """
    found, file = read_run(run), run / CONFIG
    if not file.is_file():
        raise ValueError(f"{run} has no {CONFIG}, which a run writes: give the folder of a run.")
    members = {n: (run / n).read_bytes() for n in _COPIED if (run / n).is_file()}
    evaluation = _evaluation(found, run)
    if evaluation:
        text = json.dumps(portable_record(evaluation), indent=2) + "\n"
        members[EVALUATION] = text.encode()
    environment = json_mapping(members.get(ENVIRONMENT, b"{}"), str(run / ENVIRONMENT))
    ran = plain_yaml.load(file.read_text(encoding="utf-8"))
    config, told = portable_config(ran)
    modules = modules_outside(config)
    told += [
        f"The code of {module} is not in the pack: others need it from you, and --trust {module}"
        for module in modules
    ]
    card = _card(found, ran, evaluation, environment, name=name, summary=summary, trust=modules)
    target = out or Path(f"{card.name.rpartition('/')[2]}{PACK}")
    if target.suffix != PACK:
        raise ValueError(f"pack: --out must end in {PACK}, got {target}.")
    members[RECIPE] = _text(card, config).encode()
    write_pack(target, {**members, **(weights or {})})
    print(_summary(target, card, weights=WEIGHTS in (weights or {}), told=told))
    return target


def scored_checkpoint(run: Path) -> Path:
    """The checkpoint of a run whose figures its evaluation has, else the last one."""
    scored = str(read_run(run).evaluation.get("checkpoint", "last.ckpt"))
    return run / "checkpoints" / Path(scored).name


def _evaluation(found: FinishedRun, run: Path) -> dict[str, Any]:
    """That of the checkpoint as it is now; none where something else was measured."""
    checkpoint = scored_checkpoint(run)
    if found.evaluation and not checkpoint.is_file():  # it was removed after it was scored
        evaluation = found.evaluation
    else:
        evaluation = current_evaluation(checkpoint, run, what="pack") or {}
    if is_limited(evaluation):
        print("The pack has no figures: the evaluation was of fewer images than there are.")
        return {}
    return evaluation


def _card(
    found: FinishedRun,
    config: Mapping[str, Any],
    evaluation: Mapping[str, Any],
    environment: Mapping[str, Any],
    *,
    name: str | None,
    summary: str | None,
    trust: Sequence[str],
) -> Card:
    where, costs = found.folder / CONFIG, found.costs
    ran = card_of(config, str(where))
    if not isinstance(model := config.get("model"), dict) or "class_path" not in model:
        raise ValueError(f"{where} names no model, so it is not what a run writes.")
    method = str(model["class_path"]).rpartition(".")[2]
    measured = {
        "expected": figures_of(evaluation),
        "hardware": _hardware(costs, environment),
        "minutes": max(0.01, round(costs.get("seconds", 0) / 60, 2)) if costs else None,
        "sslkit": _version(evaluation, environment),
    }
    missing = [key for key, value in measured.items() if not value]
    if missing and measured["expected"]:
        print(f"The card has no figures: {found.folder} does not say {', '.join(missing)}.")
    if missing:
        measured = {}
    return Card(
        name=name or (ran.name if ran else found.folder.resolve().parent.name),
        method=method,
        dataset=_dataset(ran, evaluation),
        summary=summary or (ran.summary if ran else f"A run of {method}."),
        seed=config.get("seed_everything") or 0,
        status="measured" if measured else "untested",
        paper=ran.paper if ran else None,
        devices=costs.get("ranks") if costs.get("ranks", 1) > 1 else None,
        changed=ran.changed if ran else [],
        trust=list(trust),
        **measured,
    )


def _dataset(ran: Card | None, evaluation: Mapping[str, Any]) -> str:
    """What the recipe said, unless the run was on other images."""
    others = ran is None or any(key.startswith("data.source") for key in ran.changed)
    if ran is not None and not others:
        return ran.dataset
    name = portable_record(str((evaluation.get("data") or {}).get("data", "images of its author")))
    sizes = f": {sizes_of(evaluation)}" if evaluation else ""
    return printable(f"{name}{sizes}")


def _hardware(costs: Mapping[str, Any], environment: Mapping[str, Any]) -> str | None:
    device = costs.get("device")
    if not isinstance(device, str):
        return None
    if device.startswith("cpu"):
        device = device.replace("cpu", str(environment.get("processor", "cpu")), 1)
    ranks = costs.get("ranks", 1)
    return device if ranks == 1 else f"{ranks} x {device}"


def _version(evaluation: Mapping[str, Any], environment: Mapping[str, Any]) -> str | None:
    for versions in (environment.get("packages"), evaluation.get("versions")):
        if isinstance(versions, dict) and isinstance(versions.get("sslkit"), str):
            return versions["sslkit"]
    return None


def _text(card: Card, config: Mapping[str, Any]) -> str:
    content = {"recipe": card.plain(), **config}
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return f"{_HEADER.format(name=card.name)}{body}"


def _summary(target: Path, card: Card, *, weights: bool, told: list[str]) -> str:
    figures = ", ".join(f"{figure.metric} {figure.value:g} %" for figure in card.expected)
    about = f"{card.status}{f': {figures}' if figures else ', without figures'}"
    return "\n".join(
        [
            f"Packed: {target} ({target.stat().st_size:,} bytes), the recipe {card.name} ({about})"
            f"{' with the weights of its encoder' if weights else ''}.",
            *(f"  {sentence}." for sentence in told),
        ]
    )
