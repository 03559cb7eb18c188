"""The options of ``sslkit views``, and those of ``sslkit fit`` among them, without torch."""

import argparse
from collections.abc import Sequence

from sslkit.arguments import Parser

# Sections of a recipe whose settings views and images depend on.
_OF_FIT = ("--model.", "--data.")


def views_options(arguments: Sequence[str]) -> argparse.Namespace:
    """Read the options; ``overrides`` are those of ``sslkit fit``, as they stand.

    Raises:
        ValueError: If one is unknown or has no value.
    """
    rest: list[str] = []
    overrides: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if not argument.startswith(_OF_FIT):
            rest.append(argument)
            continue
        overrides.append(argument)
        if "=" not in argument:
            value = next(waiting, None)
            if value is None or value.startswith("--"):
                raise ValueError(f"{argument} needs a value, as for `sslkit fit`.")
            overrides.append(value)
    options = views_parser().parse_args(rest)
    options.overrides = overrides
    return options


def views_parser() -> Parser:
    """The options of ``sslkit views``."""
    parser = Parser(
        prog="sslkit views",
        description="Draw some of a recipe's training images beside their views, with what was "
        "drawn for each, so that you see what the network sees.",
        epilog="Options of `sslkit fit` change the recipe: --model.views.strength 0.5, "
        "--data.image_size 64, --data.on_bad_image skip.",
    )
    parser.add_argument(
        "--recipe", required=True, metavar="NAME_OR_FILE", help="whose views, and whose images"
    )
    parser.add_argument(
        "--data", metavar="PATH", help="images in place of the recipe's: a folder or a .npz"
    )
    parser.add_argument("--images", type=int, default=6, help="how many images (6)")
    parser.add_argument("--seed", type=int, default=0, help="of the draws (0)")
    parser.add_argument(
        "--out",
        default="views.png",
        metavar="FILE",
        help="the picture, .png, .pdf or .svg (views.png)",
    )
    parser.add_argument("--trust", action="append", default=[], help="a module it may name")
    return parser
