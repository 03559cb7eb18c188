"""``sslkit fit``: LightningCLI behind the import allowlist, with a run folder and a final score."""

import logging
import netrc
import os
import sys
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytorch_lightning as pl
import yaml
from jsonargparse import ArgumentError
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import Logger, WandbLogger
from pytorch_lightning.utilities import rank_zero_info

from sslkit.card import Card
from sslkit.configs.parse_errors import readable
from sslkit.data import ImageDataModule
from sslkit.evaluate import score_run
from sslkit.nn import read_checkpoint
from sslkit.progress import EpochLines, ProgressBar
from sslkit.run_costs import RunCosts
from sslkit.run_folder import AtomicCheckpointIO, LastCheckpoint, RunFolder, WriteConfig
from sslkit.run_metrics import KeepMetricsWhole


def fit(arguments: list[str]) -> int:
    """Pretrain as a config says.

    Args:
        arguments: Options that have been checked: configs are files and name nothing unlisted.

    Returns:
        The exit code.

    Raises:
        ValueError: If an option is unknown or has a wrong value.
    """
    _quieten()
    _wandb_offline_without_login()
    try:
        cli = FitCLI(arguments)
    except SystemExit as done:  # --print_config and the help of a class
        return int(done.code or 0)
    trainer = cli.trainer
    if cli.run.checkpoint is not None:
        # Some strategies of Lightning's load without weights_only; what this refuses, none may see.
        read_checkpoint(cli.run.checkpoint)
    try:
        trainer.fit(
            cli.model,
            datamodule=cli.datamodule,
            ckpt_path=str(cli.run.checkpoint) if cli.run.checkpoint else None,
            weights_only=True,
        )
    except SystemExit:  # Lightning's answer to Ctrl-C
        rank_zero_info("Stopped. The same command with --ckpt_path last goes on from there.")
        return 130
    rank_zero_info(f"Run folder: {trainer.log_dir}")
    if cli.config["evaluate"] and trainer.is_global_zero:
        score_run(trainer, cli.datamodule)
    for logger in trainer.loggers:
        if isinstance(logger, WandbLogger) and trainer.is_global_zero:
            logger.experiment.finish()
    return 0


class FitParser(LightningArgumentParser):
    """Takes a value as the value that it is, not as the name of a config file to read."""

    def add_class_arguments(self, *args: Any, **kwargs: Any) -> list[str]:
        """A path to data must not be opened and parsed as YAML."""
        return super().add_class_arguments(*args, **(kwargs | {"sub_configs": False}))


def parse(parser: LightningArgumentParser, arguments: list[str]) -> Any:
    """Every key of a config with its value, checked against the types of what it is given to.

    Raises:
        ValueError: Says which key is wrong.
    """
    try:
        return parser.parse_args(arguments)
    except ArgumentError as error:
        raise readable(error, parser.get_defaults().keys()) from error


def build(parser: LightningArgumentParser, config: Any) -> Any:
    """The objects that a parsed config describes.

    Raises:
        ValueError: What a constructor says, with the key under which its class stands.
    """
    try:
        return parser.instantiate(config)
    except (ValueError, TypeError, RuntimeError) as error:
        raise readable(error, (), config) from error


class FitCLI(LightningCLI):
    """The parser of a config: ``recipe``, ``model``, ``data``, ``trainer`` and a few flat keys."""

    config: Any
    run: RunFolder

    def __init__(self, arguments: list[str]) -> None:
        super().__init__(
            model_class=pl.LightningModule,
            datamodule_class=ImageDataModule,
            subclass_mode_model=True,
            save_config_callback=None,  # WriteConfig does it
            trainer_defaults={
                "num_sanity_val_steps": 0,
                "log_every_n_steps": 10,
                "enable_model_summary": False,
            },
            seed_everything_default=0,
            parser_class=FitParser,
            parser_kwargs={"prog": "sslkit fit", "allow_abbrev": False, "exit_on_error": False},
            args=arguments,
            run=False,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
        )

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse, without Lightning's warning about ``sys.argv``, and say what is wrong."""
        self.config = parse(parser, args)

    def instantiate_classes(self) -> None:
        """Build model, data and trainer; an error of theirs comes through in its own words."""
        self.config_init = build(self.parser, self.config)
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
            help="Score the last epoch's encoder when the fit ends; needs labels.",
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
        # The config of a resumed run is the run's: used again, it must start a new one.
        config = self.config.clone()
        config["ckpt_path"] = None
        text = self.parser.dump(config)
        callbacks = _as_list(settings["callbacks"])
        if settings["enable_checkpointing"] is not False:
            callbacks.append(LastCheckpoint())
        callbacks += [KeepMetricsWhole(), WriteConfig(text), RunCosts()]
        if settings["enable_progress_bar"] is not False:
            on_terminal = sys.stderr.isatty()
            callbacks.append(ProgressBar() if on_terminal else EpochLines())
            kwargs["enable_progress_bar"] = on_terminal
        kwargs["default_root_dir"] = str(self.run.root)
        kwargs["callbacks"] = callbacks
        strategy = str(settings["strategy"]).lower()
        if not any(name in strategy for name in ("fsdp", "deepspeed", "modelparallel")):
            # Those write folders of shards in their own way.
            kwargs["plugins"] = [*_as_list(settings["plugins"]), AtomicCheckpointIO()]
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
        extra = [] if isinstance(configured, bool) else _as_list(configured)
        loggers: list[Logger] = [self.run.logger(), *extra]
        if self.config["wandb"]:
            root = self.run.root
            root.mkdir(parents=True, exist_ok=True)
            loggers.append(WandbLogger(project="sslkit", name=root.name, save_dir=str(root)))
        config = yaml.safe_load(self.parser.dump(self.config))
        for logger in loggers[1:]:  # the CSV logger's folder has it as config.yaml
            logger.log_hyperparams(config)
        return loggers


def _as_list(value: Any) -> list[Any]:
    """Lightning takes nothing, one or several of a kind."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _wandb_offline_without_login() -> None:
    """Let Weights & Biases write to disk where nobody is logged in, instead of failing."""
    if "WANDB_MODE" in os.environ or "WANDB_API_KEY" in os.environ:
        return
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        logged_in = netrc.netrc().authenticators(host or "") is not None
    except (OSError, netrc.NetrcParseError):
        logged_in = False
    if not logged_in:
        os.environ["WANDB_MODE"] = "offline"


def _quieten() -> None:
    """Leave out what Lightning says about choices that are made on purpose here."""
    for message in (
        ".*does not have many workers",  # resident images are gathered in bulk, without workers
        ".*exists and is not empty",  # a resumed run goes on in its folder (RunLogger)
        ".*have overridden `on_after_batch_transfer`",  # this is where views are made
        ".*have no `val_dataloader`",  # the data module says so, in words
        ".*Total length of `list` across ranks is zero",
        ".*smaller than the logging interval",  # KeepMetricsWhole
        "(?s).*(skip_none parameter was deprecated|JsonargparseDeprecationWarning)",  # Lightning
        ".*isinstance\\(treespec, LeafSpec\\)",  # Lightning against a newer torch
    ):
        warnings.filterwarnings("ignore", message)
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).addFilter(lambda record: "litlogger" not in record.getMessage())
