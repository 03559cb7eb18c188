"""The command line's arguments, read before anything heavy is imported."""

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from sslkit.configs.finding import find_recipe

FIT_HELP = """\
usage: sslkit fit --config NAME_OR_FILE [--key value ...]

Pretrain as a recipe says. NAME is one of `sslkit recipe list`; FILE is a YAML of the same form,
such as the config.yaml of an earlier run. Later options win over earlier ones.

  --data.source PATH             a folder of images, a .npz, or the word quickstart
  --data.batch_size N            images in a batch (per process)
  --data.image_size N            resize images to N pixels
  --data.on_bad_image skip       leave unreadable images out instead of stopping
  --model.encoder.name NAME      any timm model
  --model.encoder.small_images true    a stem for images of at most 64 pixels
  --model.views.size N           side of the views that the encoder sees
  --model.checkpoint FILE        what a linear probe or a fine-tuning starts from
  --trainer.max_epochs N         length of the run
  --trainer.precision 32-true    or bf16-mixed
  --trainer.default_root_dir DIR where runs go (default: runs/<recipe>)
  --evaluate true                score the encoder when the fit ends
  --wandb true                   log to Weights & Biases too
  --ckpt_path last               go on where the newest run stopped; or a checkpoint's file
  --trust MODULE                 let the config name what MODULE defines (your own code)
  --debug                        show the traceback of an error

Every option with its value, ready to be edited:
  sslkit fit --config NAME --print_config
What a class takes:
  sslkit fit --model.help sslkit.methods.SimCLR
"""

CHECKPOINT = "a checkpoint, the folder of a run, or an added recipe with its encoder (user/NAME)"


class Parser(argparse.ArgumentParser):
    """Raises instead of printing its usage and leaving, and takes no abbreviated options.

    Attributes:
        taken: Its arguments in order.
    """

    taken: list[argparse.Action]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, allow_abbrev=False, **kwargs)

    def add_argument(self, *args: Any, **kwargs: Any) -> argparse.Action:
        """Add one, and remember it."""
        action = super().add_argument(*args, **kwargs)
        # The first is --help, which is added while the parser is made.
        self.__dict__.setdefault("taken", []).append(action)
        return action

    def error(self, message: str) -> NoReturn:
        """Raise the message with a hint where to read on.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"{message} (see `{self.prog} --help`)")


def take_trusted(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split ``--trust NAME`` (also ``--trust=NAME``, repeatable) from the other arguments."""
    rest: list[str] = []
    trusted: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--trust":
            name = next(waiting, None)
            if name is None:
                raise ValueError("--trust needs the name of a module, such as --trust my_method.")
            trusted.append(name)
        elif argument.startswith("--trust="):
            trusted.append(argument.removeprefix("--trust="))
        else:
            rest.append(argument)
    return rest, trusted


def resolve_configs(arguments: Sequence[str]) -> list[str]:
    """Replace recipe names after ``--config`` (or ``-c``) by their files.

    Raises:
        FileNotFoundError: If there is no such recipe or file.
    """
    resolved: list[str] = []
    is_config = False
    for argument in arguments:
        if is_config:
            argument = str(find_recipe(argument))
        elif argument.startswith("--config="):
            argument = f"--config={find_recipe(argument.removeprefix('--config='))}"
        elif argument.startswith("-c") and argument != "-c":
            argument = f"--config={find_recipe(argument.removeprefix('-c').removeprefix('='))}"
        is_config = argument in ("--config", "-c")
        resolved.append(argument)
    if is_config:
        raise ValueError("--config needs a file or a recipe's name, such as --config quickstart.")
    return resolved


def embed_parser() -> Parser:
    """The options of ``sslkit embed``."""
    parser = Parser(
        prog="sslkit embed",
        description="Write a checkpoint's frozen features of images into a file for other tools: "
        "split, index, path (of images in folders), features and label (where there are any).",
    )
    parser.add_argument("checkpoint", help=CHECKPOINT)
    parser.add_argument(
        "--data",
        help="images: a folder, a .npz, `quickstart`, or a YAML file with a data: section "
        "(default: what the run was trained on)",
    )
    parser.add_argument(
        "--out",
        default="features.npz",
        metavar="FILE",
        help="the file, .npz or .parquet (features.npz)",
    )
    _add_overwrite(parser)
    parser.add_argument(
        "--split", choices=("train", "val", "test"), help="that split only (default: all)"
    )
    parser.add_argument("--batch_size", type=int, default=256, help="images at once (256)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: cuda where there is one)")
    parser.add_argument(
        "--cache", metavar="DIR", help="where features are kept (default: features/ of the run)"
    )
    parser.add_argument("--trust", action="append", default=[], help="a module the data may name")
    return parser


def export_parser() -> Parser:
    """The options of ``sslkit export``."""
    parser = Parser(
        prog="sslkit export",
        description="Write a checkpoint's backbone for another library. It is read back with that "
        "library and compared on real images first. The card beside it has the run's recipe, with "
        "names in place of the paths on your machine.",
    )
    parser.add_argument("checkpoint", help=CHECKPOINT)
    parser.add_argument(
        "--to",
        required=True,
        choices=("timm", "torchvision", "detectron2", "safetensors", "onnx", "hf"),
        help="the library; hf is a folder for the Hugging Face hub, which timm reads",
    )
    parser.add_argument(
        "--out",
        required=True,
        metavar="PATH",
        help="a file (.safetensors, .pth or .onnx, as the library has it); for hf a folder",
    )
    return parser


def compare_parser() -> Parser:
    """The options of ``sslkit compare``."""
    parser = Parser(
        prog="sslkit compare",
        description="Put finished runs beside each other: settings that differ, costs, figures "
        "with intervals, and the paired difference of each run from the first.",
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="the folder of a run")
    parser.add_argument(
        "--out", metavar="FILE", help="write the table too: .md for people, .csv for programs"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (0)")
    return parser


def reproduce_options(arguments: Sequence[str]) -> argparse.Namespace:
    """The options of ``sslkit reproduce``; after ``--`` come options of ``sslkit fit``."""
    given = list(arguments)
    split = given.index("--") if "--" in given else len(given)
    options = reproduce_parser().parse_args(given[:split])
    options.options = given[split + 1 :]
    return options


def reproduce_parser() -> Parser:
    """What of it comes before ``--``."""
    parser = Parser(
        prog="sslkit reproduce",
        usage="sslkit reproduce [-h] [--data PATH] [--out DIR] [--trust MODULE] NAME_FILE_OR_PACK "
        "[-- OPTION ...]",
        description="Run a recipe and its evaluation, and compare with the figures on its card. "
        "Exit code: 0 within the card's tolerance, 3 below it, 4 where the card has no figures to "
        "compare with.",
        epilog="After -- come options of fit for what the recipe leaves open or your machine "
        "lacks: -- --model.checkpoint FILE",
    )
    parser.add_argument("recipe", metavar="NAME_FILE_OR_PACK", help="what to run")
    parser.add_argument(
        "--data", metavar="PATH", help="images in place of the recipe's: a folder or a .npz"
    )
    parser.add_argument(
        "--out", metavar="DIR", help="the run and reproduce.json (runs/reproduce/<recipe>)"
    )
    parser.add_argument("--trust", action="append", default=[], help="a module it may name")
    return parser


def scores_parser() -> Parser:
    """The options of ``sslkit scores``."""
    parser = Parser(
        prog="sslkit scores",
        description="Draw the scores of positives and negatives that runs recorded with the "
        "callback sslkit.callbacks.ScoreMonitor, all runs in one picture.",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="the folder of a run, or its scores.csv"
    )
    parser.add_argument(
        "--out",
        default="scores.png",
        metavar="FILE",
        help="the picture, .png, .pdf or .svg (scores.png)",
    )
    _add_overwrite(parser)
    return parser


def _add_overwrite(parser: Parser) -> None:
    parser.add_argument("--overwrite", action="store_true", help="replace --out if it is there")
