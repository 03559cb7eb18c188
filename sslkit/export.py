"""``sslkit export``: from a checkpoint to a file of another library, with its card."""

import argparse
import json
from pathlib import Path

import yaml

from sslkit import plain_yaml
from sslkit.card import Card, card_of
from sslkit.interchange import RunFacts, Target, export_encoder, model_card, open_target
from sslkit.nn import Encoder
from sslkit.nn.trained_file import TrainedFile, read_trained
from sslkit.origin import Origin, find_origin
from sslkit.recipe.portable import portable_config, portable_record
from sslkit.run_evaluation import current_evaluation


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
    origin = find_origin(options.checkpoint)
    trained, out = read_trained(origin.checkpoint), Path(options.out)
    encoder, facts = trained.encoder, _facts(trained, origin)
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


def _facts(trained: TrainedFile, origin: Origin) -> RunFacts:
    """What may be told of the run: nothing in it says where on this machine anything was."""
    card, recipe = _recipe(origin.config) if origin.config.is_file() else (None, None)
    evaluation = current_evaluation(origin.checkpoint, origin.folder, what="card")
    return RunFacts(
        method=trained.method or (card.method if card else None),
        version=trained.version or (card.sslkit if card else None),
        recipe=recipe,
        evaluation=None if evaluation is None else portable_record(evaluation),
    )


def _recipe(file: Path) -> tuple[Card | None, str]:
    """The card of a config, and its text as a recipe for others."""
    try:
        config = plain_yaml.load(file.read_text(encoding="utf-8"))
    except (plain_yaml.Unbounded, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is no config that a run wrote: {error}") from error
    card = card_of(config, str(file))
    content, told = portable_config(config)
    if card is not None:
        content = {"recipe": portable_record(card.plain()), **content}
    body = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
    return card, "".join(f"# {sentence}.\n" for sentence in told) + body


def _files(facts: RunFacts) -> dict[str, str]:
    files = {"config.yaml": facts.recipe}
    if facts.evaluation is not None:
        files["evaluation.json"] = json.dumps(facts.evaluation, indent=2) + "\n"
    return {name: text for name, text in files.items() if text is not None}
