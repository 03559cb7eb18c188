"""Modules from checkpoints, without what Lightning imports on the way."""

from pathlib import Path
from typing import Any, Self

import pytorch_lightning as pl
import torch

from sslkit.nn import read_checkpoint


class SafelyLoaded(pl.LightningModule):
    """A module whose checkpoints supply weights and no arguments."""

    @classmethod
    def load_from_checkpoint(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls,
        checkpoint_path: Path | str,
        map_location: torch.device | str | None = None,
        hparams_file: Path | str | None = None,
        strict: bool | None = None,
        weights_only: bool | None = None,
        **kwargs: Any,
    ) -> Self:
        """The module that these arguments build, with the weights of a checkpoint.

        Lightning's method of this name builds what the checkpoint's hyper-parameters say, and
        imports the classes that they name, with ``weights_only`` too. Here they are not looked at.
        For the encoder alone, `sslkit.nn.load_encoder` needs no arguments.

        Args:
            checkpoint_path: A file that a run of this toolkit wrote.
            map_location: Where to put the module; None is the CPU.
            hparams_file: Must be None: arguments are given here.
            strict: Whether all weights must fit; None is yes.
            weights_only: Must not be False.
            **kwargs: Arguments of the module.

        Raises:
            FileNotFoundError: If there is no such file.
            RuntimeError: If the weights are not those of such a module.
            ValueError: If the file is no checkpoint of this toolkit, or arguments are to be read
                from a file.
        """
        if hparams_file is not None or weights_only is False:
            raise ValueError(
                "load_from_checkpoint reads weights only: leave out hparams_file and weights_only, "
                f"and give the arguments of {cls.__name__} themselves."
            )
        checkpoint = read_checkpoint(checkpoint_path)
        module = cls(**kwargs)
        module.load_state_dict(checkpoint["state_dict"], strict=strict is not False)
        return module.to(map_location or "cpu")
