"""``sslkit fit``: LightningCLI behind the import allowlist, with a run folder and a final score."""

import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from jsonargparse import ArgumentError
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_info

from sslkit import plain_yaml
from sslkit.card import Card
from sslkit.classifier_score import score_classifier
from sslkit.configs.parse_errors import located, readable
from sslkit.data import ImageDataModule
from sslkit.evaluate import score_run
from sslkit.methods.classifier import Classifier
from sslkit.methods.trained import check_start
from sslkit.nn import read_checkpoint
from sslkit.progress import EpochLines, ProgressBar
from sslkit.run_card import honest_config
from sslkit.run_costs import RunCosts
from sslkit.run_environment import RunEnvironment
from sslkit.run_folder import AtomicCheckpointIO, LastCheckpoint, RunFolder, WriteConfig
from sslkit.run_metrics import KeepMetricsWhole
from sslkit.tracking import TrackConfig, finish_tracking, track_results, with_wandb
from sslkit.wandb_mode import offline_without_login


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
    offline_without_login()
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
        folder = trainer.log_dir  # every rank must ask for it
        rank_zero_info(f"Run folder: {folder}")
        if trainer.is_global_zero:
            if cli.config["evaluate"]:
                _score(cli)
            track_results(trainer, Path(folder or trainer.default_root_dir))
    except SystemExit:  # Lightning's answer to Ctrl-C
        rank_zero_info("Stopped. The same command with --ckpt_path last goes on from there.")
        finish_tracking(trainer, exit_code=130)
        return 130
    except BaseException:
        finish_tracking(trainer, exit_code=1)
        raise
    finish_tracking(trainer)
    return 0


def _score(cli: "FitCLI") -> None:
    """A classifier's own figures; of any other method those of its frozen features."""
    if isinstance(cli.model, Classifier):
        score_classifier(cli.trainer, cli.model, cli.datamodule)
    else:
        score_run(cli.trainer, cli.datamodule)


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
        found = readable(error, parser.get_defaults().keys())
        raise located(found, arguments) from error


def resolved(parser: LightningArgumentParser, config: Any) -> str:
    """A parsed config as text, with every null: one may stand in place of another default."""
    return parser.dump(config, skip_unset=False)


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
        self.arguments = arguments
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
        check_start(self.config["model"])  # building the data may be a long download
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
        text = honest_config(
            resolved(self.parser, config),
            self.arguments,
            lambda arguments: resolved(self.parser, parse(self.parser, arguments)),
        )
        callbacks = _as_list(settings["callbacks"])
        if settings["enable_checkpointing"] is not False:
            callbacks.append(LastCheckpoint())
        callbacks += [KeepMetricsWhole(), WriteConfig(text), RunEnvironment(), RunCosts()]
        callbacks.append(TrackConfig(plain_yaml.load(text)))
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
        own = self.run.logger()
        loggers: list[Logger] = [own, *extra]
        if self.config["wandb"]:
            loggers = with_wandb(loggers, self.run.root, Path(own.log_dir).name)
        return loggers


def _as_list(value: Any) -> list[Any]:
    """Lightning takes nothing, one or several of a kind."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


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
        ".*module\\(s\\) in eval mode",  # the frozen encoder of a probe
        ".*isinstance\\(treespec, LeafSpec\\)",  # Lightning against a newer torch
    ):
        warnings.filterwarnings("ignore", message)
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).addFilter(lambda record: "litlogger" not in record.getMessage())
