"""The options of ``sslkit recipe``."""

from typing import get_args, get_type_hints

from sslkit.arguments import Parser
from sslkit.card import Card
from sslkit.recipe.list_formats import Format
from sslkit.recipe.listing import METRIC, Order


def recipe_parser() -> Parser:
    """The parser of ``sslkit recipe ACTION ...``."""
    return _recipe_parser()[0]


def action_parsers() -> dict[str, Parser]:
    """What each action takes, by its name."""
    return _recipe_parser()[1]


def _recipe_parser() -> tuple[Parser, dict[str, Parser]]:
    parser = Parser(
        prog="sslkit recipe",
        description="Recipes: configs that say what they are, what they need and what to expect.",
    )
    actions = parser.add_subparsers(
        dest="action", required=True, parser_class=Parser, metavar="ACTION"
    )

    made: dict[str, Parser] = {}

    def action(name: str, text: str) -> Parser:
        made[name] = actions.add_parser(name, help=text, description=text)
        return made[name]

    listing = action("list", "the recipes that ship with the toolkit, and those that you added")
    listing.add_argument("--method", metavar="TEXT", help="only those of this method: moco")
    listing.add_argument("--dataset", metavar="TEXT", help="only those on these images: cifar")
    listing.add_argument(
        "--status", choices=get_args(get_type_hints(Card)["status"]), help="only these"
    )
    listing.add_argument(
        "--min_accuracy",
        type=float,
        metavar="PERCENT",
        help="only those whose card expects at least so much",
    )
    listing.add_argument(
        "--max_minutes",
        type=float,
        metavar="MINUTES",
        help="only those of which a run took at most so long",
    )
    listing.add_argument(
        "--metric",
        default=METRIC,
        help=f"the figure that --min_accuracy and --sort accuracy are about ({METRIC})",
    )
    listing.add_argument(
        "--sort",
        choices=get_args(Order),
        default="name",
        help="order (name); without the figure or the minutes last",
    )
    listing.add_argument(
        "--format", choices=get_args(Format), default="table", help="what to print (table)"
    )

    showing = action("show", "what a recipe is, needs and says, resolved, and its commands")
    showing.add_argument("recipe", metavar="NAME_OR_FILE")

    checking = action("check", "read recipes as a fit would, without data and without training")
    checking.add_argument(
        "recipes", nargs="+", metavar="PATH_OR_NAME", help="files, folders of them, or names"
    )

    comparing = action("diff", "how two recipes differ in meaning, defaults included")
    comparing.add_argument("first", metavar="A", help="a name or a file")
    comparing.add_argument("second", metavar="B", help="a name or a file")

    for heavy in (showing, checking, comparing):
        heavy.add_argument(
            "--trust", action="append", default=[], metavar="MODULE", help="a module they may name"
        )

    copying = action("copy", "a recipe of your own to start from")
    copying.add_argument("recipe", metavar="NAME_OR_FILE")
    copying.add_argument(
        "destination", nargs="?", metavar="DEST", help="a .yaml file or a folder (here)"
    )

    packing = action("pack", "a run as one file that others can add and reproduce")
    packing.add_argument("run", metavar="RUN", help="the folder of a run")
    packing.add_argument("--out", metavar="FILE", help="a .sslrecipe file (NAME.sslrecipe)")
    packing.add_argument("--name", help="of the recipe (that of the recipe that was run)")
    packing.add_argument(
        "--summary",
        metavar="TEXT",
        help="one sentence on what it is for (that of the recipe that was run)",
    )
    packing.add_argument(
        "--checkpoint", action="store_true", help="with the trained encoder, as safetensors"
    )

    adding = action("add", "a recipe or pack of another's, once you have seen what it asks for")
    adding.add_argument(
        "source",
        metavar="SOURCE",
        help="a .sslrecipe or .yaml file, https://..., hf:OWNER/NAME@COMMIT or "
        "wandb:ENTITY/PROJECT/ARTIFACT:v0",
    )
    adding.add_argument("--name", help="found as user/NAME (the name on its card)")
    adding.add_argument("--yes", action="store_true", help="add it without asking")
    adding.add_argument(
        "--trust", action="append", default=[], metavar="MODULE", help="a module it may name"
    )

    action("schema", "print the JSON Schema of a recipe, for editors")
    return parser, made
