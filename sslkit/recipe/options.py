"""The options of ``sslkit recipe``."""

from typing import get_args, get_type_hints

from sslkit.arguments import Parser
from sslkit.card import Card
from sslkit.recipe.listing import Order

ACTIONS = ("list", "show", "check", "diff", "copy", "pack", "add", "schema")


def recipe_parser() -> Parser:
    """The parser of ``sslkit recipe ACTION ...``."""
    parser = Parser(
        prog="sslkit recipe",
        description="Recipes: configs that say what they are, what they need and what to expect.",
        allow_abbrev=False,
    )
    actions = parser.add_subparsers(
        dest="action", required=True, parser_class=Parser, metavar="ACTION"
    )

    def action(name: str, text: str) -> Parser:
        return actions.add_parser(name, help=text, description=text, allow_abbrev=False)

    listing = action("list", "the recipes that ship with the toolkit, and those that you added")
    listing.add_argument("--method", metavar="TEXT", help="only those of this method: moco")
    listing.add_argument("--dataset", metavar="TEXT", help="only those on these images: cifar")
    listing.add_argument(
        "--status", choices=get_args(get_type_hints(Card)["status"]), help="only these"
    )
    listing.add_argument("--sort", choices=get_args(Order), default="name", help="order (name)")

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
    return parser
