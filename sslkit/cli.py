"""The ``sslkit`` command: light until a subcommand needs torch, and errors a person can read."""

import argparse
import os
import shutil
import sys
import textwrap
import traceback
from collections.abc import Sequence

from sslkit._version import __version__
from sslkit.arguments import (
    FIT_HELP,
    Parser,
    evaluate_parser,
    resolve_configs,
    scores_parser,
    take_trusted,
)
from sslkit.recipe import print_recipes

_DESCRIPTION = """\
Self-supervised vision pretraining: from a folder of images to a trusted score.

commands:
  fit        pretrain: sslkit fit --config quickstart [--key value ...]
  evaluate   score a checkpoint: sslkit evaluate CHECKPOINT [--data FOLDER]
  scores     draw recorded scores of runs together: sslkit scores RUN [RUN ...]
  recipe     the recipes that ship with the toolkit: sslkit recipe list

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


def _dispatch(arguments: list[str]) -> int:
    parser = Parser(
        prog="sslkit",
        description=_DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        usage="sslkit [--help] [--version] [--debug] {fit,evaluate,scores,recipe} ...",
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
    if command == ["recipe"]:
        return _recipe(rest)
    if command == ["fit"]:
        return _fit(rest)
    if command == ["evaluate"]:
        return _evaluate(rest)
    if command == ["scores"]:
        return _scores(rest)
    raise ValueError(f"unknown command {command[0]!r}: use fit, evaluate, scores or recipe.")


def _fit(arguments: list[str]) -> int:
    if not {"--help", "-h"}.isdisjoint(arguments):
        print(FIT_HELP)
        return 0
    from sslkit.allowlist import check_arguments, install_allowlist, trust_module

    arguments, trusted = take_trusted(arguments)
    arguments = resolve_configs(arguments)
    check_arguments(arguments, trust=trusted)
    for module in trusted:
        trust_module(module)
    from sslkit.fit import fit  # torch and Lightning, once the arguments are worth it

    install_allowlist(trusted)
    return fit(arguments)


def _evaluate(arguments: list[str]) -> int:
    from sslkit.allowlist import install_allowlist, trust_module

    options = evaluate_parser().parse_args(arguments)
    for module in options.trust:
        trust_module(module)
    from sslkit.evaluate import evaluate

    install_allowlist(options.trust)
    return evaluate(options)


def _scores(arguments: list[str]) -> int:
    options = scores_parser().parse_args(arguments)
    from sslkit.scores import draw_scores  # matplotlib

    return draw_scores(options)


def _recipe(arguments: list[str]) -> int:
    parser = Parser(prog="sslkit recipe", allow_abbrev=False)
    actions = parser.add_subparsers(dest="action", required=True, parser_class=Parser)
    actions.add_parser("list", help="the recipes that ship with the toolkit", allow_abbrev=False)
    parser.parse_args(arguments)
    print_recipes()
    return 0


def _paragraph(error: Exception) -> str:
    """One readable paragraph: what is wrong and what to do, wrapped to the terminal."""
    text = " ".join(str(error).split()) or type(error).__name__
    if not isinstance(error, (ValueError, OSError, FloatingPointError, TypeError)):
        # Not one of the errors that we raise for bad input: say what it is and where to look.
        text = f"{type(error).__name__}: {text} (run again with --debug for the traceback)"
    width = max(40, min(100, shutil.get_terminal_size().columns))
    return textwrap.fill(
        f"sslkit: error: {text}", width=width, break_long_words=False, break_on_hyphens=False
    )


if __name__ == "__main__":
    sys.exit(main())
