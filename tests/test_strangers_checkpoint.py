"""Nothing that a checkpoint names in its hyper-parameters is imported by what reads it here."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
from runs import TINY, cnn, written_run
from torch import nn

from sslkit.cli import main
from sslkit.configs.allowlist import install_allowlist
from sslkit.methods import SimCLR
from sslkit.negatives import FrozenGuide
from sslkit.nn import Encoder, load_encoder, read_checkpoint
from sslkit.views import SimCLRViews

HERE = Path("run/checkpoints/last.ckpt")


@pytest.fixture
def trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module on the import path that leaves a file when it is imported; the file's path."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "was_imported"
    (tmp_path / "site").mkdir()
    (tmp_path / "site/bait.py").write_text(
        f"import torch\nopen({str(file)!r}, 'w').close()\n"
        "class Layer(torch.nn.Linear):\n"
        "    def __init__(self):\n"
        "        super().__init__(1, 1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.delitem(sys.modules, "bait", raising=False)
    # The policy of configs would refuse the import too, and is not what is tested.
    install_allowlist(["bait"])
    yield file
    install_allowlist()


def baited(path: Path) -> None:
    """Put classes to import into all places where Lightning looks for some."""
    checkpoint = torch.load(path, weights_only=True)
    named = {"class_path": "bait.Layer"}
    arguments = dict.fromkeys(("encoder", "projector", "objective", "views", "body"), named)
    checkpoint["hyper_parameters"] = {
        "_instantiator": "pytorch_lightning.cli.instantiate_module",
        **arguments,
    }
    checkpoint["datamodule_hyper_parameters"] = {
        "_instantiator": "pytorch_lightning.cli.instantiate_module",
        "source": named,
    }
    checkpoint.setdefault("pytorch-lightning_version", pl.__version__)
    torch.save(checkpoint, path)


class Plain(pl.LightningModule):
    """Somebody's module, with Lightning's own way to load it."""

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body


def baited_run() -> None:
    """A run of SimCLR, whole, as far as its checkpoint's weights go."""
    written_run(Path("run"), cnn())
    Path("run/evaluation.json").unlink()
    torch.save({**read_checkpoint(HERE), "state_dict": SimCLR(**simclr()).state_dict()}, HERE)
    baited(HERE)


def test_the_bait_is_taken_by_lightnings_own_loading(trace: Path) -> None:
    baited_run()
    with pytest.raises(RuntimeError, match="Missing key"):
        Plain.load_from_checkpoint(HERE, weights_only=True)
    assert trace.exists()


def simclr() -> dict[str, Any]:
    """Arguments of the method in the run."""
    encoder = Encoder("resnet18", small_images=True, in_channels=1, options=TINY)
    return {"encoder": encoder, "views": SimCLRViews(size=28, blur=False)}


READERS: dict[str, Callable[[], Any]] = {
    "read_checkpoint": lambda: read_checkpoint(HERE),
    "load_encoder": lambda: load_encoder(HERE),
    "initial weights": lambda: Encoder(**cnn().spec(), weights=HERE),
    "a guide": lambda: FrozenGuide(checkpoint=HERE),
    "a method": lambda: SimCLR.load_from_checkpoint(HERE, **simclr()),
    "export": lambda: main(["export", "run", "--to", "timm", "--out", "a.pth"]),
    "pack": lambda: main(["recipe", "pack", "run", "--checkpoint"]),
}


@pytest.mark.parametrize("reader", READERS)
def test_nothing_of_ours_takes_it(reader: str, trace: Path) -> None:
    baited_run()
    assert READERS[reader]() != 1
    assert not trace.exists() and "bait" not in sys.modules


def test_a_method_takes_its_arguments_from_the_caller(trace: Path) -> None:
    written_run(Path("run"), cnn())
    with pytest.raises(TypeError):
        SimCLR.load_from_checkpoint(HERE, body=nn.Linear(1, 1))
    with pytest.raises(RuntimeError, match="Error"):
        SimCLR.load_from_checkpoint(HERE, **simclr())
    for forbidden in ({"hparams_file": "a.yaml"}, {"weights_only": False}):
        with pytest.raises(ValueError, match="reads weights only"):
            SimCLR.load_from_checkpoint(HERE, **forbidden, **simclr())
    module = SimCLR(**simclr())
    torch.save({**read_checkpoint(HERE), "state_dict": module.state_dict()}, HERE)
    loaded = SimCLR.load_from_checkpoint(HERE, **simclr())
    for name, tensor in loaded.state_dict().items():
        torch.testing.assert_close(tensor, module.state_dict()[name])


@pytest.mark.slow
def test_a_resumed_run_and_its_commands_do_not_take_it_either(trace: Path) -> None:
    short = ["--trainer.limit_train_batches=1", "--trainer.callbacks=null", "--evaluate=false"]
    command = ["fit", "--config=quickstart", "--trainer.default_root_dir=runs", *short]
    assert main([*command, "--trainer.max_epochs=1"]) == 0
    checkpoint = Path("runs/version_0/checkpoints/last.ckpt")
    baited(checkpoint)
    assert main([*command, "--trainer.max_epochs=2", "--ckpt_path=last"]) == 0
    baited(checkpoint)
    images = ["--train_images=40", "--test_images=20"]
    assert main(["evaluate", "runs/version_0", *images]) == 0
    assert main(["embed", "runs/version_0", "--split=test"]) == 0
    assert not trace.exists() and "bait" not in sys.modules
