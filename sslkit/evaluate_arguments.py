"""The options of ``sslkit evaluate``, read before anything heavy is imported."""

import argparse
from collections.abc import Callable

from sslkit.arguments import CHECKPOINT, Parser


def evaluate_parser() -> Parser:
    """The options of ``sslkit evaluate``."""
    parser = Parser(
        prog="sslkit evaluate",
        description="Score a checkpoint's frozen features: kNN and a linear probe, beside a random "
        "initialisation. With --protocol full also a grid of kNN votes and a sweep of linear heads "
        "(chosen on held-out training images), few labels, several probe seeds, confusions, "
        "calibration, figures of the features, raw pixels, and pictures.",
    )
    parser.add_argument("checkpoint", help=CHECKPOINT)
    parser.add_argument(
        "--data",
        help="labelled images: a folder with train/ and test/, a .npz, `quickstart`, or a YAML "
        "file with a data: section (default: what the run was trained on)",
    )
    parser.add_argument(
        "--protocol", choices=("quick", "full"), default="quick", help="what is measured (quick)"
    )
    parser.add_argument(
        "--seeds", type=int, metavar="N", help="repeat probes with so many seeds (quick 1, full 3)"
    )
    parser.add_argument(
        "--fractions",
        type=_numbers(float),
        metavar="SHARES",
        help="also on few labels, such as 0.01,0.1; or none (full: 0.01,0.1)",
    )
    parser.add_argument(
        "--shots",
        type=_numbers(int),
        metavar="NUMBERS",
        help="also on so many images of every class, such as 1,5; or none (full: 1,5,10)",
    )
    parser.add_argument(
        "--layers",
        type=int,
        metavar="N",
        help="linear heads also on the last N feature maps (full: 2)",
    )
    parser.add_argument(
        "--real_labels",
        metavar="FILE",
        help="score top-1 in the label sets of this JSON file: a list of class numbers for each "
        "test (or validation) image in the order of their file names, as ReaL's real.json",
    )
    parser.add_argument("--train_images", type=int, help="use so many of the training images")
    parser.add_argument("--test_images", type=int, help="use so many of the test images")
    parser.add_argument("--batch_size", type=int, default=256, help="images at once (256)")
    parser.add_argument("--seed", type=int, default=0, help="of the probe and the random row (0)")
    parser.add_argument("--device", help="cpu, cuda, ... (default: cuda where there is one)")
    parser.add_argument(
        "--out", help="folder to write to (default: the run's; with --data, one of its own in it)"
    )
    parser.add_argument(
        "--pictures",
        metavar="DIR",
        help="also draw, into this folder: nearest neighbours, t-SNE, feature maps, the confusion "
        "matrix and the spectrum of the features (full: pictures/ beside the table)",
    )
    parser.add_argument(
        "--cache", metavar="DIR", help="where features are kept (default: features/ of the run)"
    )
    parser.add_argument("--no_cache", action="store_true", help="keep no features on disk")
    parser.add_argument("--trust", action="append", default=[], help="a module the data may name")
    return parser


def _numbers(kind: type[int] | type[float]) -> Callable[[str], tuple[float, ...]]:
    """What reads numbers with commas between them, or ``none``."""

    def read(text: str) -> tuple[float, ...]:
        try:
            return () if text == "none" else tuple(kind(part) for part in text.split(","))
        except ValueError:
            what = "whole numbers" if kind is int else "numbers"
            raise argparse.ArgumentTypeError(
                f"takes {what} with commas between them, or none, and not {text!r}"
            ) from None

    return read
