import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torchvision
from jsonargparse import ArgumentParser

import sslkit
from sslkit.configs.allowlist import install_allowlist
from sslkit.configs.roles import allowed_paths

# Of the classes in the packages that a config may use, those that would be a hole in the list.
HOLES = """
    torch.load torch.hub.load torch.ops.load_library torch.nn.Module torch.nn.functional.relu
    torch.nn.utils.parametrize.register_parametrization torch.optim.swa_utils.AveragedModel
    torch.optim.Optimizer torchvision.datasets.DatasetFolder torchvision.datasets.ImageFolder
    torchvision.datasets.VisionDataset torchvision.datasets.LSUN
    torchvision.datasets.utils.download_url torchvision.datasets.FGVCAircraft
    torchvision.datasets.Caltech101 torchvision.datasets.EMNIST
    torchvision.transforms.Lambda torchvision.transforms.v2.Lambda torchvision.io.read_file
    pytorch_lightning.Trainer pytorch_lightning.callbacks.Callback
    pytorch_lightning.callbacks.LambdaCallback lightning.pytorch.callbacks.LambdaCallback
    sslkit.cli.main sslkit.fit.fit sslkit.recipe.find_recipe sslkit.configs.allowlist.trust_module
    sslkit.methods.simclr sslkit.nn.encoders.timm os.system builtins.eval subprocess.Popen
""".split()


@pytest.mark.parametrize("path", HOLES)
def test_holes_are_not_on_the_list(path: str) -> None:
    assert path not in allowed_paths()
    assert path not in allowed_paths().values()


def test_nothing_that_judges_configs_or_runs_commands_is_on_the_list() -> None:
    parts = {path.split(".")[1] for path in allowed_paths() if path.startswith("sslkit.")}
    assert parts == {*sslkit.__all__, "card"} - {"__version__"}


def test_the_list_has_every_role() -> None:
    for path in (
        "sslkit.methods.SimCLR",
        "sslkit.views.SimCLRViews",
        "sslkit.nn.Encoder",
        "sslkit.optim.WarmupCosine",
        "sslkit.objectives.NTXent",
        "torch.optim.SGD",
        "torch.optim.lr_scheduler.StepLR",
        "torch.nn.Linear",
        "pytorch_lightning.callbacks.ModelCheckpoint",
        "pytorch_lightning.loggers.WandbLogger",
        "pytorch_lightning.strategies.DDPStrategy",
        "torchvision.datasets.CIFAR10",
        "torchvision.transforms.v2.Resize",
    ):
        assert path in allowed_paths(), path


def test_copies_of_lightnings_classes_are_not_on_the_list() -> None:
    # The parser could not use them: they do not inherit from pytorch_lightning's classes.
    assert not [path for path in allowed_paths() if path.startswith("lightning.")]


def test_every_name_exists_and_the_parser_lets_it_through() -> None:
    # A wrong place of definition in the list would make the parser refuse an allowed class.
    install_allowlist()
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--cls", type=type)
    parser.add_argument("--call", type=Callable)
    for path in allowed_paths():
        module, name = path.rsplit(".", 1)
        found = getattr(importlib.import_module(module), name)
        if inspect.isclass(found):
            assert parser.parse_args([f"--cls={path}"]).cls is found
        elif inspect.isroutine(found):
            assert parser.parse_args([f"--call={path}"]).call is found
        # Else a type alias: no value can be made of it.


def test_outside_the_toolkit_only_classes_are_on_the_list() -> None:
    for path in allowed_paths():
        module, name = path.rsplit(".", 1)
        if not path.startswith("sslkit."):
            assert inspect.isclass(getattr(importlib.import_module(module), name)), path


# --- data sets that unpack archives ----------------------------------------------------------

UNPACKERS = frozenset("extract_archive _extract_tar _extract_zip extractall unpack_archive".split())
# Where an archive is unpacked apart from its download, and why that one was checked before.
REVIEWED = {
    # Each of its files was downloaded with an md5 a line earlier, or the download has raised.
    "CelebA": ["extract_archive"],
    # `_verify_archive` compares the md5 of the three that are given; the fourth unpacks what was in
    # one of them, into a folder that was not there before.
    "ImageNet": ["extract_archive"] * 4,
}


def calls(cls: type) -> Iterator[tuple[str, ast.Call]]:
    """Every call in the source of a class, its bases and the functions of their modules."""
    for base in cls.__mro__:
        if not base.__module__.startswith("torchvision.datasets."):
            continue
        module = importlib.import_module(base.__module__)
        for node in ast.parse(inspect.getsource(module)).body:
            if isinstance(node, ast.ClassDef) and node.name != base.__name__:
                continue
            for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
                name = call.func.attr if isinstance(call.func, ast.Attribute) else None
                yield (call.func.id if isinstance(call.func, ast.Name) else name or ""), call


def data_sets() -> list[str]:
    return [p.rsplit(".", 1)[1] for p in allowed_paths() if p.startswith("torchvision.datasets.")]


def unchecked_archives(cls: type) -> list[str]:
    """What a data set unpacks without having compared its md5, or could."""
    found = []
    for name, call in calls(cls):
        if name == "download_and_extract_archive":
            given = [keyword.value for keyword in call.keywords if keyword.arg == "md5"]
            if not given or (isinstance(given[0], ast.Constant) and given[0].value is None):
                found.append(name)
        elif name in UNPACKERS:
            found.append(name)
    return found


@pytest.mark.parametrize("name", data_sets())
def test_a_data_set_unpacks_only_archives_whose_md5_it_has_compared(name: str) -> None:
    # Not so the tar file of a stranger may write outside the folder.
    assert unchecked_archives(getattr(torchvision.datasets, name)) == REVIEWED.get(name, [])


@pytest.mark.parametrize("name", ["FGVCAircraft", "Caltech101", "EMNIST"])
def test_an_unchecked_archive_is_noticed(name: str) -> None:
    assert unchecked_archives(getattr(torchvision.datasets, name))


@pytest.mark.parametrize("name", data_sets())
def test_the_md5_of_a_data_sets_archives_is_there(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    given: list[Any] = []
    utils = importlib.import_module("torchvision.datasets.utils")
    monkeypatch.setattr(utils, "download_url", lambda *a, md5=None, **k: given.append((a, md5)))
    monkeypatch.setattr(utils, "extract_archive", lambda *a, **k: None)
    monkeypatch.setattr(utils, "_get_redirect_url", lambda *a, **k: pytest.fail("network"))
    cls = getattr(torchvision.datasets, name)
    if not hasattr(cls, "download") and "download" not in inspect.signature(cls).parameters:
        return
    module = importlib.import_module(cls.__module__)
    if hasattr(module, "download_url"):
        monkeypatch.setattr(module, "download_url", lambda *a, **k: None)
    with pytest.raises(Exception):  # noqa: B017  (nothing was downloaded, so nothing can be read)
        cls(str(tmp_path), download=True)
    for arguments, md5 in given:
        md5 = md5 or (arguments[3] if len(arguments) > 3 else None)
        assert isinstance(md5, str) and len(md5) == 32, arguments


def test_the_list_is_read_without_importing_what_is_on_it() -> None:
    code = (
        "import sys; from sslkit.configs.allowlist import import_path_allowlist;"
        "import_path_allowlist();"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'torch', 'torchvision', 'pytorch_lightning', 'lightning', 'timm'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
