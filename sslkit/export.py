"""``sslkit export``: from a checkpoint to a file of another library, with its card."""

import argparse
import json
from pathlib import Path
from typing import Any

from sslkit.evaluate import find_checkpoint
from sslkit.interchange import RunFacts, Target, export_encoder, model_card, open_target
from sslkit.nn import Encoder, load_encoder, read_checkpoint
from sslkit.nn.checkpoint import RECORD
from sslkit.run_evaluation import current_evaluation
from sslkit.run_folder import run_of


def export(options: argparse.Namespace) -> int:
    """Export the encoder of a checkpoint.

    Args:
        options: Of `sslkit.arguments.export_parser`.

    Returns:
        The exit code.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it cannot be exported so, or the other library gives other features.
    """
    target = open_target(options.to)
    checkpoint = find_checkpoint(Path(options.checkpoint))
    encoder, out = load_encoder(checkpoint), Path(options.out)
    facts = _facts(checkpoint)
    differences: list[float] = []

    def card(difference: float) -> str:
        differences.append(difference)
        return model_card(encoder, target, out.name, facts, difference)

    written = export_encoder(encoder, target, out, card=card, more=_files(facts))
    print(_summary(encoder, target, differences[0], written))
    return 0


def _summary(encoder: Encoder, target: Target, difference: float, written: list[Path]) -> str:
    places = " and ".join(map(str, written))
    return (
        f"{encoder.name}: features in {target.library} and in sslkit differ by at most "
        f"{difference:.1g} of the largest on real images.\nWritten to {places}."
    )


def _facts(checkpoint: Path) -> RunFacts:
    record: dict[str, Any] = read_checkpoint(checkpoint)[RECORD]
    run = run_of(checkpoint)
    config = run / "config.yaml"
    method, version = record.get("method"), record.get("version")
    return RunFacts(
        method=method if isinstance(method, str) else None,
        version=version if isinstance(version, str) else None,
        recipe=config.read_text(encoding="utf-8") if config.is_file() else None,
        evaluation=current_evaluation(checkpoint, run, what="card"),
    )


def _files(facts: RunFacts) -> dict[str, str]:
    files = {"config.yaml": facts.recipe}
    if facts.evaluation is not None:
        files["evaluation.json"] = json.dumps(facts.evaluation, indent=2) + "\n"
    return {name: text for name, text in files.items() if text is not None}
