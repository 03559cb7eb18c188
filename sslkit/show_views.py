"""``sslkit views``: a recipe's images beside their views, without a run."""

import argparse
import warnings
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentError

from sslkit.callbacks.view_grid import grid
from sslkit.configs.parse_errors import readable
from sslkit.counted import counted
from sslkit.data import ImageDataModule
from sslkit.figures import write_figure
from sslkit.figures.drawing import FORMATS
from sslkit.fit import FitParser, build
from sslkit.recipe.checking import build_parts
from sslkit.recipe.reading import Reading, RecipeReader, quiet
from sslkit.views import Views


def show_views(options: argparse.Namespace) -> int:
    """Draw the grid.

    Args:
        options: Of `sslkit.views_arguments.views_options`.

    Returns:
        The exit code.

    Raises:
        FileNotFoundError: If there is no such recipe or data.
        ValueError: If something in it is not allowed or wrong, the recipe makes no views or leaves
            its data to the user, or an option is out of its range.
        OSError: If the picture cannot be written.
    """
    if options.images < 1:
        raise ValueError(f"--images must be at least 1, got {options.images}.")
    if Path(options.out).suffix.lower() not in FORMATS:
        raise ValueError(
            f"--out is {options.out}: let the picture's name end in {', '.join(FORMATS)}."
        )
    reader = RecipeReader(trust=options.trust)
    reading = reader.read(options.recipe, options.overrides)
    views = recipe_views(reader, reading)
    images = _images(reading, options.data, options.images)
    draws = views.draw(len(images), torch.Generator().manual_seed(options.seed))
    made = views.apply(images, draws)
    title = f"{type(views).__name__} of {options.recipe}, seed {options.seed}"
    write_figure(grid(views, images, made, draws, title=title), options.out)
    each = counted(views.num_views, "view")
    print(f"{counted(len(images), 'image')} with {each} each: {options.out}")
    return 0


def recipe_views(reader: RecipeReader, reading: Reading) -> Views:
    """The views of a recipe, or those that its method has by default.

    Raises:
        ValueError: If there are none, or they cannot be built.
    """
    config: Any = reading.config.get("model") or {}
    given = (config.get("init_args") or {}).get("views")
    if given is not None:
        return _built("views", given)
    with warnings.catch_warnings(), quiet():
        warnings.simplefilter("ignore")
        model = build_parts(reader, reading)["model"]
    views = getattr(model, "views", None)
    if not isinstance(views, Views):
        raise ValueError(
            f"{reading.path}: {type(model).__name__} has no sslkit.views.Views to show: name a "
            "recipe whose model has."
        )
    return views.to_empty(device="cpu")  # it was built without memory


def _built(name: str, section: Any) -> Any:
    """A part of a resolved config as the object that it describes."""
    parser = FitParser(exit_on_error=False, allow_abbrev=False)
    if name == "views":
        parser.add_subclass_arguments(Views, name)
    else:
        parser.add_class_arguments(ImageDataModule, name)
    try:
        parsed = parser.parse_object({name: section})
    except ArgumentError as error:
        raise readable(error, parser.get_defaults().keys()) from error
    return build(parser, parsed)[name]


def _images(reading: Reading, source: str | None, count: int) -> torch.Tensor:
    """Some of the training images, (n, C, H, W) uint8, the same ones every time."""
    section = dict(reading.config["data"]) | {"batch_size": count}
    if source is not None:
        section |= {"source": source, "val_source": None, "test_source": None}
    elif reading.wants_data:
        raise ValueError(
            f"{reading.path} leaves its images to you: add --data with a folder, a .npz file or "
            "the word quickstart."
        )
    data: ImageDataModule = _built("data", section)
    return next(iter(data.eval_dataloader("train", count))).image
