"""``sslkit fit``: LightningCLI behind the import allowlist, with a run folder and a final score."""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import yaml
from jsonargparse import ArgumentError
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities import rank_zero_info

from sslkit.allowlist import check_arguments, install_allowlist, trust_module
from sslkit.data import ImageDataModule
from sslkit.evaluate import score_run
from sslkit.parse_errors import readable
from sslkit.recipe import Card, find_recipe
from sslkit.run_folder import KeepEarlierMetrics, LogShortEpochs, RunFolder


def fit(arguments: Sequence[str]) -> int:
    """Pretrain as a config says.

    Args:
        arguments: What follows ``sslkit fit``: ``--config PATH_OR_RECIPE`` and overrides.

    Returns:
        The exit code.

    Raises:
        ValueError: If an option is unknown or has a wrong value.
    """
    arguments, trusted = take_trusted(list(arguments))
    arguments = resolve_configs(arguments)
    check_arguments(arguments, trust=trusted)
    for module in trusted:
        trust_module(module)
    install_allowlist(trusted)
    _quieten()
    try:
        cli = FitCLI(arguments)
    except SystemExit as done:  # --help and --print_config
        return int(done.code or 0)
    cli.trainer.fit(
        cli.model,
        datamodule=cli.datamodule,
        ckpt_path=str(cli.run.checkpoint) if cli.run.checkpoint else None,
        weights_only=True,
    )
    rank_zero_info(f"Run folder: {cli.trainer.log_dir}")
    if cli.config["evaluate"] and cli.trainer.is_global_zero:
        score_run(cli.trainer, cli.datamodule)
    for logger in cli.trainer.loggers:
        if isinstance(logger, WandbLogger) and cli.trainer.is_global_zero:
            logger.experiment.finish()
    return 0


class FitCLI(LightningCLI):
    """The parser of a config: ``recipe``, ``model``, ``data``, ``trainer`` and a few flat keys."""

    config: Any
    run: RunFolder

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(
            model_class=pl.LightningModule,
            datamodule_class=ImageDataModule,
            subclass_mode_model=True,
            save_config_kwargs={"overwrite": True},
            trainer_defaults={
                "num_sanity_val_steps": 0,
                "log_every_n_steps": 10,
                "enable_model_summary": False,
            },
            seed_everything_default=0,
            parser_kwargs={"prog": "sslkit fit", "allow_abbrev": False, "exit_on_error": False},
            args=arguments,
            run=False,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, without Lightning's warning about ``sys.argv``, and say what is wrong."""
        try:
            self.config = parser.parse_args(args)
        except ArgumentError as error:
            raise readable(error, parser.get_defaults().keys()) from error

    def instantiate_classes(self) -> None:
        """Build model, data and trainer; an error of theirs comes through in its own words."""
        try:
            self.config_init = self.parser.instantiate(self.config)
        except (ValueError, TypeError) as error:
            raise readable(error, ()) from error
        self.datamodule = self.config_init["data"]
        self.model = self.config_init["model"]
        self.trainer = self.instantiate_trainer()

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """The keys of a config beside model, data and trainer."""
        parser.add_argument(
            "--recipe", type=Card | None, default=None, help="The recipe's card; describes the run."
        )
        parser.add_argument(
            "--evaluate",
            type=bool,
            default=False,
            help="Score the last checkpoint when the fit ends (needs labelled train and test).",
        )
        parser.add_argument(
            "--wandb",
            type=bool,
            default=False,
            help="Log to Weights & Biases too; offline when you are not logged in.",
        )
        parser.add_argument(
            "--ckpt_path",
            type=str | None,
            default=None,
            help="Resume: a checkpoint's file, or `last` for the newest run of this recipe.",
        )

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:
        """A trainer that writes into the run's folder: checkpoints, CSV metrics, the config."""
        settings = self.config_init["trainer"]
        self.run = RunFolder.choose(self._root(settings), self.config["ckpt_path"])
        callbacks = list(settings["callbacks"] or [])
        if settings["enable_checkpointing"] is not False and not any(
            isinstance(callback, ModelCheckpoint) for callback in callbacks
        ):
            # One file, replaced each epoch; written to the side and renamed, so never half there.
            callbacks.append(ModelCheckpoint(filename="last", enable_version_counter=False))
        callbacks += [KeepEarlierMetrics(), LogShortEpochs()]
        kwargs["default_root_dir"] = str(self.run.root)
        kwargs["callbacks"] = callbacks
        kwargs["logger"] = self._loggers(settings["logger"])
        return super().instantiate_trainer(**kwargs)

    def _root(self, settings: Any) -> Path:
        if settings["default_root_dir"] is not None:
            return Path(settings["default_root_dir"])
        card = self.config_init["recipe"]
        name = card.name if card is not None else type(self.model).__name__.lower()
        return Path("runs") / name

    def _loggers(self, configured: Any) -> list[Logger] | bool:
        if configured is False:
            return False
        loggers: list[Logger] = [self.run.logger()]
        if isinstance(configured, Logger):
            loggers.append(configured)
        elif isinstance(configured, (list, tuple)):
            loggers.extend(configured)
        if self.config["wandb"]:
            loggers.append(wandb_logger(self.run.root))
        config = yaml.safe_load(self.parser.dump(self.config))
        for logger in loggers[1:]:  # the CSV logger's folder has it as config.yaml
            logger.log_hyperparams(config)
        return loggers


def wandb_logger(root: Path) -> WandbLogger:
    """A Weights & Biases logger, offline unless there is a login on this machine."""
    import wandb

    online = wandb.api.api_key is not None
    root.mkdir(parents=True, exist_ok=True)
    return WandbLogger(project="sslkit", name=root.name, save_dir=str(root), offline=not online)


def take_trusted(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Split ``--trust NAME`` (also ``--trust=NAME``, repeatable) from the other arguments."""
    rest: list[str] = []
    trusted: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--trust":
            name = next(waiting, None)
            if name is None:
                raise ValueError(
                    "--trust needs the name of a module, for example --trust my_method."
                )
            trusted.append(name)
        elif argument.startswith("--trust="):
            trusted.append(argument.removeprefix("--trust="))
        else:
            rest.append(argument)
    return rest, trusted


def resolve_configs(arguments: list[str]) -> list[str]:
    """Replace recipe names after ``--config`` by their files."""
    resolved: list[str] = []
    is_config = False
    for argument in arguments:
        if is_config:
            argument = str(find_recipe(argument))
        elif argument.startswith("--config="):
            argument = "--config=" + str(find_recipe(argument.removeprefix("--config=")))
        is_config = argument == "--config"
        resolved.append(argument)
    if is_config:
        raise ValueError(
            "--config needs a file or a recipe's name, for example --config quickstart."
        )
    return resolved


def _quieten() -> None:
    """Leave out what Lightning says about choices that are made on purpose here."""
    for message in (
        ".*does not have many workers",  # resident images are gathered in bulk, without workers
        ".*exists and is not empty",  # a resumed run goes on in its folder; metrics are kept
        ".*have overridden `on_after_batch_transfer`",  # this is where views are made
        ".*have no `val_dataloader`",  # the data module says so, in words
        ".*Total length of `list` across ranks is zero",
        ".*smaller than the logging interval",  # LogShortEpochs
        "(?s).*(skip_none parameter was deprecated|JsonargparseDeprecationWarning)",  # Lightning
        ".*isinstance\\(treespec, LeafSpec\\)",  # Lightning against a newer torch
    ):
        warnings.filterwarnings("ignore", message)
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).addFilter(lambda record: "litlogger" not in record.getMessage())
