"""The ``sslkit`` command: light until a subcommand needs torch, and errors a person can read."""

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

from sslkit._version import __version__
from sslkit.arguments import (
    FIT_HELP,
    Parser,
    compare_parser,
    embed_parser,
    export_parser,
    reproduce_options,
    resolve_configs,
    scores_parser,
    take_trusted,
)
from sslkit.completion import completion_parser, completion_script
from sslkit.configs.extends import merge_extended
from sslkit.evaluate_arguments import evaluate_parser
from sslkit.paragraph import paragraph, warn_in_words
from sslkit.recipe.copying import copy_recipe
from sslkit.recipe.list_formats import print_listing
from sslkit.recipe.options import recipe_parser
from sslkit.recipe.schema import schema_text
from sslkit.views_arguments import views_options

_DESCRIPTION = """\
Self-supervised vision pretraining: from a folder of images to a trusted score.

commands:
  fit        pretrain: sslkit fit --config quickstart [--key value ...]
  evaluate   score a checkpoint: sslkit evaluate CHECKPOINT [--data FOLDER]
  embed      write features for other tools: sslkit embed CHECKPOINT --data FOLDER --out FILE
  export     the encoder for timm, ONNX, ...: sslkit export CHECKPOINT --to timm --out FILE
  views      draw what the network sees: sslkit views --recipe NAME --out grid.png
  scores     draw recorded scores of runs together: sslkit scores RUN [RUN ...]
  compare    settings, costs and figures of runs beside each other: sslkit compare RUN [RUN ...]
  recipe     list, show, check, diff, copy, pack and add recipes: sslkit recipe list
  reproduce  run a recipe and compare with its card: sslkit reproduce NAME
  completion for your shell: eval "$(sslkit completion bash)"

`sslkit fit --help`, `sslkit evaluate --help` and `sslkit scores --help` say more.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments without the program's name; None reads ``sys.argv``.

    Returns:
        The exit code: 0, or 1 after an error in the input, which is explained on stderr in one
        paragraph; ``--debug`` shows the traceback too.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    own_form = warnings.formatwarning
    try:
        return _dispatch(arguments)
    except KeyboardInterrupt:
        print("\nsslkit: stopped by the user.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output has gone, as in `sslkit recipe list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(_paragraph(error), file=sys.stderr)
        return 1
    finally:
        warnings.formatwarning = own_form


def _dispatch(arguments: list[str]) -> int:
    parser = Parser(
        prog="sslkit",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        usage=f"sslkit [--help] [--version] [--debug] {{{','.join(_COMMANDS)}}} ...",
        add_help=False,
    )
    parser.add_argument("--help", "-h", action="store_true", help="show this message")
    parser.add_argument("--version", action="store_true", help="show the version")
    # Only what stands before the subcommand is ours; the rest belongs to the subcommand.
    split = next((i for i, a in enumerate(arguments) if not a.startswith("-")), len(arguments))
    options = parser.parse_args(arguments[:split])
    command, rest = arguments[split : split + 1], arguments[split + 1 :]
    if options.version:
        print(f"sslkit {__version__}")
        return 0
    if options.help or not command:
        parser.print_help()
        return 0 if options.help else 2
    if command[0] not in _COMMANDS:
        raise ValueError(f"unknown command {command[0]!r}: use one of {', '.join(_COMMANDS)}.")
    return _COMMANDS[command[0]](rest)


def _fit(arguments: list[str]) -> int:
    if not {"--help", "-h"}.isdisjoint(arguments):
        print(FIT_HELP)
        return 0
    from sslkit.configs.allowlist import check_arguments

    arguments, trusted = take_trusted(arguments)
    arguments = resolve_configs(arguments)
    check_arguments(arguments, trust=trusted)
    arguments = merge_extended(arguments)
    _trust(trusted)
    from sslkit.fit import fit  # torch and Lightning, once the arguments are worth it

    warn_in_words()
    return fit(arguments)


def _evaluate(arguments: list[str]) -> int:
    options = evaluate_parser().parse_args(arguments)
    _trust(options.trust)
    from sslkit.evaluate import evaluate

    warn_in_words()
    return evaluate(options)


def _embed(arguments: list[str]) -> int:
    options = embed_parser().parse_args(arguments)
    _trust(options.trust)
    from sslkit.embed import embed

    warn_in_words()
    return embed(options)


def _export(arguments: list[str]) -> int:
    options = export_parser().parse_args(arguments)
    from sslkit.export import export  # torch and timm

    warn_in_words()
    return export(options)


def _scores(arguments: list[str]) -> int:
    options = scores_parser().parse_args(arguments)
    from sslkit.scores import draw_scores  # matplotlib

    return draw_scores(options)


def _views(arguments: list[str]) -> int:
    options = views_options(arguments)
    _trust(options.trust)
    from sslkit.show_views import show_views  # torch, Lightning and matplotlib

    warn_in_words()
    return show_views(options)


def _compare(arguments: list[str]) -> int:
    options = compare_parser().parse_args(arguments)
    from sslkit.compare import compare  # rich and numpy

    return compare(options)


def _recipe(arguments: list[str]) -> int:
    options = recipe_parser().parse_args(arguments)
    if options.action == "list":
        chosen = {k: v for k, v in vars(options).items() if k not in ("action", "format")}
        print_listing(options.format, **chosen)
        return 0
    if options.action == "copy":
        target = copy_recipe(options.recipe, options.destination)
        print(f"Written: {target}. Edit it, then: sslkit recipe check {target}")
        return 0
    if options.action == "schema":
        print(schema_text(), end="")
        return 0
    if options.action == "pack":
        return _pack(options)
    if options.action == "add":
        from sslkit.recipe.adding import add  # numpy, and what reads addresses

        return add(options)
    _trust(options.trust)
    from sslkit.recipe.checking import check_recipes  # torch and Lightning
    from sslkit.recipe.comparing import compare_recipes
    from sslkit.recipe.showing import show_recipe

    warn_in_words()
    if options.action == "check":
        return check_recipes(options.recipes, trust=options.trust)
    if options.action == "show":
        print(show_recipe(options.recipe, trust=options.trust))
    else:
        print(compare_recipes(options.first, options.second, trust=options.trust))
    return 0


def _pack(options: argparse.Namespace) -> int:
    import tempfile

    from sslkit.recipe.packing import pack_run, scored_checkpoint  # numpy

    run, out = Path(options.run), options.out and Path(options.out)
    with tempfile.TemporaryDirectory() as folder:
        weights = None
        if options.checkpoint:
            from sslkit.recipe.pack_weights import encoder_members  # torch

            weights = encoder_members(scored_checkpoint(run), Path(folder))
        pack_run(run, out, name=options.name, summary=options.summary, weights=weights)
    return 0


def _reproduce(arguments: list[str]) -> int:
    options = reproduce_options(arguments)
    from sslkit.reproduce import reproduce  # rich and numpy

    return reproduce(options)


def _completion(arguments: list[str]) -> int:
    print(completion_script(completion_parser().parse_args(arguments).shell), end="")
    return 0


def _trust(modules: Sequence[str]) -> None:
    """Make the user's modules importable, and the allowlist with them the parser's policy."""
    from sslkit.configs.allowlist import install_allowlist, trust_module  # Lightning's parser

    for module in modules:
        trust_module(module)
    install_allowlist(modules)


def _paragraph(error: Exception) -> str:
    """One readable paragraph: what is wrong and what to do, wrapped to the terminal."""
    text = str(error).strip() or type(error).__name__
    if not isinstance(error, (ValueError, OSError, FloatingPointError, TypeError)):
        # Not one of the errors that we raise for bad input: say what it is and where to look.
        text = f"{type(error).__name__}: {text} (run again with --debug for the traceback)"
    return paragraph("error", text)


_COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "fit": _fit,
    "evaluate": _evaluate,
    "embed": _embed,
    "export": _export,
    "views": _views,
    "scores": _scores,
    "compare": _compare,
    "recipe": _recipe,
    "reproduce": _reproduce,
    "completion": _completion,
}

if __name__ == "__main__":
    sys.exit(main())
