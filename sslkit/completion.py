"""What shells need to complete ``sslkit``: which words may stand where, as a script.

It is made from the parsers of the commands. One part, for any POSIX shell, answers what may stand
at the end of some words; each shell has a few lines that ask it.
"""

import argparse
import re
import shlex
from collections.abc import Iterator

from sslkit.arguments import (
    FIT_HELP,
    Parser,
    compare_parser,
    embed_parser,
    export_parser,
    reproduce_parser,
    scores_parser,
)
from sslkit.configs.finding import list_recipes
from sslkit.evaluate_arguments import evaluate_parser
from sslkit.recipe.options import action_parsers
from sslkit.shell_scripts import ANSWERS, SHELLS
from sslkit.views_arguments import views_parser

# Arguments that are a recipe's name or its file.
_RECIPES = frozenset({"recipe", "recipes", "first", "second"})
_RECIPE, _FILE, _NOTHING = "recipe", "file", "nothing"
# Of FIT_HELP, which is a text: an option, its value or an example of one, and perhaps another.
_FIT_OPTION = re.compile(r"^  (--[\w.]+)(?: (\S+))?(?: +or (\S+))?", re.MULTILINE)


def completion_parser() -> Parser:
    """The options of ``sslkit completion``."""
    parser = Parser(
        prog="sslkit completion",
        description="Print what completes commands, options, recipes and files in your shell: "
        'eval "$(sslkit completion bash)", the same with zsh, or sslkit completion fish | source.',
    )
    parser.add_argument(
        "shell", nargs="?", choices=tuple(SHELLS), default="bash", help="which (bash)"
    )
    return parser


def completion_script(shell: str) -> str:
    """The script for a shell.

    Args:
        shell: ``bash``, ``zsh`` or ``fish``.
    """
    parsers = _parsers()
    options = {name: [*map(_names, parser.taken)] for name, parser in parsers.items()}
    words = {name: " ".join(sum(lists, ["--debug"])) for name, lists in options.items()}
    fit = dict(_fit_values())
    words["fit"] = " ".join([*fit, "--print_config", "--model.help", "--help", "--debug"])
    words[""] = "--help --version --debug"
    values = {f"fit {option}": kind for option, kind in fit.items()}
    places: dict[str, str] = {
        " 1": " ".join(["words", "fit", *dict.fromkeys(name.split()[0] for name in parsers)]),
        "recipe 1": " ".join(["words", *action_parsers()]),
    }
    for name, parser in parsers.items():
        place = 0
        for action in parser.taken:
            if action.option_strings and action.nargs != 0:
                values |= {f"{name} {option}": _kind(action) for option in action.option_strings}
            elif not action.option_strings:
                place += 1
                places[f"{name} {'*' if action.nargs == '+' else place}"] = _kind(action)
    answers = ANSWERS.format(
        recipes=" ".join(map(shlex.quote, list_recipes())),
        values=_cases(values),
        options=_cases(words),
        places=_cases(places),
    )
    return SHELLS[shell](answers)


def _parsers() -> dict[str, Parser]:
    return {
        "evaluate": evaluate_parser(),
        "embed": embed_parser(),
        "export": export_parser(),
        "views": views_parser(),
        "scores": scores_parser(),
        "compare": compare_parser(),
        **{f"recipe {name}": parser for name, parser in action_parsers().items()},
        "reproduce": reproduce_parser(),
        "completion": completion_parser(),
    }


def _names(action: argparse.Action) -> list[str]:
    return [option for option in action.option_strings if option.startswith("--")]


def _kind(action: argparse.Action) -> str:
    if action.choices:
        return " ".join(["words", *map(str, action.choices)])
    if action.dest in _RECIPES:
        return _RECIPE
    return _NOTHING if action.type in (int, float) else _FILE


def _fit_values() -> Iterator[tuple[str, str]]:
    """The options that the help of ``sslkit fit`` shows, and what their values are."""
    yield from (("--config", _RECIPE), ("-c", _RECIPE))
    for option, value, other in _FIT_OPTION.findall(FIT_HELP):
        if value == "true":
            yield option, "words true false"
        elif value.isupper():
            yield option, _FILE if value in ("PATH", "FILE", "DIR") else _NOTHING
        elif value:
            yield option, " ".join(filter(None, ["words", value, other]))


def _cases(answers: dict[str, str]) -> str:
    """Branches of a shell's ``case``: keys that have the same answer stand together."""
    keys: dict[str, list[str]] = {}
    for key, answer in answers.items():
        # A star stands for any place; all else is meant as it is.
        pattern = f"{shlex.quote(key[:-1])}*" if key.endswith("*") else shlex.quote(key)
        keys.setdefault(answer, []).append(pattern)
    return "\n".join(
        f"    {' | '.join(patterns)}) echo {shlex.quote(answer)} ;;"
        for answer, patterns in keys.items()
    )
