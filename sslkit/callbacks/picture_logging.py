"""Pictures on their way to the loggers that can show them."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from pytorch_lightning.loggers import Logger, TensorBoardLogger, WandbLogger


def log_picture(loggers: Iterable[Logger], name: str, path: Path, *, step: int) -> None:
    """Show a picture in Weights & Biases and TensorBoard, where a run logs to them.

    Args:
        loggers: Of the trainer; others are passed over. Only the first rank may ask.
        name: Of the picture; the same one every time makes a series.
        path: The ``.png``.
        step: Optimiser steps of the run so far.
    """
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image(name, [str(path)], step=step)
        elif isinstance(logger, TensorBoardLogger):
            with Image.open(path) as picture:
                pixels = np.asarray(picture.convert("RGB"))
            logger.experiment.add_image(name, pixels, step, dataformats="HWC")
