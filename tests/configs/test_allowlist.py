"""What the two layers do with the list; for the list see test_roles.py.

The files that a config pulls in are in test_allowlist_files.py.
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonargparse import ArgumentError, ArgumentParser
from pytorch_lightning import Callback
from pytorch_lightning.loggers import Logger
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import Dataset

from sslkit.configs.allowlist import (
    check_arguments,
    check_file,
    check_imports,
    install_allowlist,
    is_allowed,
    trust_module,
)
from sslkit.configs.refusals import ImportRefused, refusal_in

REFUSED = """
    os.system subprocess.Popen builtins.eval torch.load torch.hub.load torch.ops.load_library
    sslkit.cli.main sslkit.recipe.find_recipe pytorch_lightning.callbacks.LambdaCallback
    lightning.pytorch.callbacks.LambdaCallback torchvision.datasets.DatasetFolder
    torchvision.transforms.Lambda torch.nn.functional.relu sslkit.optim.lars.torch.load
""".split()

LOADS_NATIVE_CODE = """\
seed_everything: 0
data:
  source:
    class_path: torchvision.datasets.DatasetFolder
    init_args:
      root: images
      extensions: [so]
      loader: torch.ops.load_library
"""


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    """The parser's policy is global: what a test trusts, the next one does not."""
    yield
    install_allowlist()


@pytest.fixture
def side_effect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module in the working directory; importing it leaves a file, whose path is returned."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    trace = tmp_path / "was_imported"
    for name in ("stranger", "stranger_too"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (tmp_path / f"{name}.py").write_text(
            "import os\nfrom pathlib import Path\nimport torch\n"
            f"Path({str(trace)!r}).touch()\n"
            "class Head(torch.nn.Linear):\n"
            "    def __init__(self, in_features: int = 1) -> None:\n"
            "        super().__init__(in_features, 1)\n"
        )
    return trace


def parser() -> ArgumentParser:
    """Each type by which a config can reach an import."""
    result = ArgumentParser(exit_on_error=False)
    result.add_argument("--config", action="config")
    result.add_argument("--call", type=Callable)
    result.add_argument("--make", type=Callable[[list], Optimizer])
    result.add_argument("--data", type=Dataset)
    result.add_argument("--source", type=Dataset | str)
    result.add_argument("--head", type=nn.Module)
    result.add_argument("--callbacks", type=list[Callback] | Callback | None)
    result.add_argument("--logger", type=Logger | bool | None)
    result.add_argument("--cls", type=type)
    result.add_argument("--module", type=ModuleType)
    result.add_argument("--anything", type=Any)
    return result


# --- reading a config first ------------------------------------------------------------------


def test_the_native_code_loader_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "evil.yaml"
    path.write_text(LOADS_NATIVE_CODE)
    with pytest.raises(ImportRefused) as caught:
        check_file(path)
    message = str(caught.value)
    assert f"{path}, line 4: data.source.class_path" in message
    assert "torchvision.datasets.DatasetFolder" in message
    assert "--trust torchvision.datasets." in message
    # The class alone being trusted, its loader is refused too.
    with pytest.raises(ImportRefused, match=r"line 8: data\.source\.init_args\.loader"):
        check_file(path, trust=["torchvision.datasets"])


@pytest.mark.parametrize("path", REFUSED)
def test_a_class_path_or_callable_off_the_list_is_refused(path: str) -> None:
    for key in ("class_path", "loader"):
        with pytest.raises(ImportRefused, match=path.replace(".", r"\.")):
            check_imports({"model": {"plugins": [{key: path}]}}, where="a.yaml")
    for arguments in (["--model.class_path", path], [f"--call={path}"], ["--a+=" + path]):
        with pytest.raises(ImportRefused, match="the command line"):
            check_arguments(arguments)


@pytest.mark.parametrize("path", ["LambdaCallback", "SimCLR", ".evil.X", "a..b", "a/b.py", "", "3"])
def test_a_class_path_must_be_whole(tmp_path: Path, path: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(f"model:\n  class_path: {path!r}\n")
    with pytest.raises(ImportRefused, match=r"line 2: model\.class_path names .*not a full"):
        check_file(file)


def test_a_dotted_class_path_key_is_seen() -> None:
    with pytest.raises(ImportRefused, match=r"os\.system"):
        check_imports({"model.class_path": "os.system"}, where="a.yaml")


def test_a_tag_that_builds_objects_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("a: 1\nb: !!python/object/apply:os.system [true]\n")
    with pytest.raises(ImportRefused, match=r"line 2: b has the YAML tag"):
        check_file(file)


def test_what_is_on_the_list_and_plain_text_pass(tmp_path: Path) -> None:
    config = {
        "recipe": {"summary": "os.system", "source": "torch.load"},
        "model": {
            "class_path": "sslkit.methods.SimCLR",
            "init_args": {
                "encoder": {"class_path": "sslkit.nn.Encoder", "init_args": {"name": "a.b_in1k"}},
                "optimizer": "torch.optim.SGD",
                "weights": "torch.pth",
            },
        },
        "trainer": {
            "logger": {
                "class_path": "pytorch_lightning.loggers.WandbLogger",
                "init_args": {"project": "torch.tests", "save_dir": "os.runs"},
            },
            "precision": "bf16-mixed",
            "default_root_dir": "runs/1.2",
        },
    }
    check_imports(config, where="a.yaml")
    check_arguments(["--trust", "my.own", "fit", "--model.optimizer=torch.optim.sgd.SGD"])
    check_arguments(["--seed_everything", "-1", "--note", "a: [b", "--flag", "--x="])


def test_a_path_that_is_there_is_no_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImportRefused):
        check_arguments(["--data.source", "torch.images"])
    (tmp_path / "torch.images").mkdir()
    check_arguments(["--data.source", "torch.images"])
    with pytest.raises(ImportRefused):
        check_arguments(["--data.source.class_path", "torch.images"])


# --- the parser's policy ---------------------------------------------------------------------


@pytest.mark.parametrize("path", REFUSED)
@pytest.mark.parametrize(
    "option", ["call", "make", "data", "head", "callbacks", "logger", "cls", "module"]
)
def test_the_parser_refuses_what_is_off_the_list(option: str, path: str, tmp_path: Path) -> None:
    install_allowlist()
    config = tmp_path / "a.yaml"
    value = f"{{class_path: {path}}}"
    attempts = [[f"--{option}={path}"]]
    if option not in ("cls", "module"):
        attempts.append([f"--{option}={value}"])
    for text in (path, value):
        config.write_text(f"{option}: {text}\n")
        attempts.append([f"--config={config}"])
    for arguments in attempts:
        with pytest.raises(ArgumentError):
            parser().parse_args(arguments)


@pytest.mark.parametrize("path", REFUSED)
def test_where_a_text_is_accepted_it_stays_a_text(path: str, tmp_path: Path) -> None:
    install_allowlist()
    spec = f"{{class_path: {path}}}"
    assert parser().parse_args([f"--source={path}"]).source == path
    assert parser().parse_args([f"--source={spec}"]).source == spec
    config = tmp_path / "a.yaml"
    config.write_text(f"source: {spec}\n")
    with pytest.raises(ArgumentError):
        parser().parse_args([f"--config={config}"])


def test_the_parser_says_that_it_was_the_policy(tmp_path: Path) -> None:
    install_allowlist()
    for arguments in (["--call=os.system"], ["--callbacks={class_path: os.system}"]):
        with pytest.raises(ArgumentError) as caught:
            parser().parse_args(arguments)
        refused = refusal_in(str(caught.value))
        assert refused is not None
        assert "os.system, which is not on the import allowlist" in str(refused)
    assert refusal_in("--call: something else") is None


@pytest.mark.parametrize(
    "path",
    [
        # Through an allowed module or class to what is not allowed.
        "sslkit.optim.lars.torch.from_file",
        "sslkit.optim.LARS.load_state_dict",
        "sslkit.methods.SimCLR.load_from_checkpoint",
        "torch.nn.Linear.load_state_dict",
        "torch.optim.SGD.__class__",
        "torch.optim.sgd.torch.load",
    ],
)
def test_an_allowed_path_does_not_lead_further(path: str) -> None:
    install_allowlist()
    with pytest.raises(ArgumentError):
        parser().parse_args([f"--call={path}"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["--callbacks=LambdaCallback"],
        ["--callbacks+=LambdaCallback"],
        ["--callbacks=[{class_path: LambdaCallback}]"],
        ["--head=DataParallel"],
        ["--data={class_path: DatasetFolder}"],
        ["--make=AveragedModel"],
    ],
)
def test_a_short_name_does_not_reach_an_unlisted_class(arguments: list[str]) -> None:
    import torchvision.datasets  # noqa: F401  (so that the short name would be known)

    install_allowlist()
    with pytest.raises(ArgumentError):
        parser().parse_args(arguments)


def test_the_parser_accepts_what_is_on_the_list() -> None:
    install_allowlist()
    arguments = [
        "--make={class_path: torch.optim.SGD, init_args: {lr: 0.1, momentum: 0.9}}",
        "--data={class_path: torchvision.datasets.FakeData, init_args: {size: 3}}",
        "--head=torch.nn.Identity",
        "--callbacks=[{class_path: pytorch_lightning.callbacks.RichProgressBar},"
        " {class_path: EarlyStopping, init_args: {monitor: x}}]",
        "--logger={class_path: pytorch_lightning.loggers.CSVLogger, init_args: {save_dir: x}}",
    ]
    parsed = parser().parse_args(arguments)
    built = parser().instantiate(parsed)
    assert [type(callback).__name__ for callback in built.callbacks] == [
        "RichProgressBar",
        "EarlyStopping",
    ]
    assert len(built.data) == 3
    # What a run saves is accepted by the next run.
    saved = parser().dump(parsed)
    again = parser().parse_string(saved)
    assert again.as_dict() == parsed.as_dict()


def test_a_class_where_anything_goes_stays_data() -> None:
    install_allowlist()
    for path in ("os.system", "torch.nn.Identity"):
        spec = {"class_path": path}
        parsed = parser().parse_args([f"--anything={spec}"])
        assert parser().instantiate(parsed).as_dict()["anything"] == spec


# --- nothing is imported; trust --------------------------------------------------------------


def test_a_refused_module_is_not_imported(side_effect: Path, tmp_path: Path) -> None:
    sys.path.append(str(tmp_path))
    install_allowlist()
    config = tmp_path / "a.yaml"
    config.write_text("head: {class_path: stranger.Head}\n")
    with pytest.raises(ImportRefused, match="--trust stranger"):
        check_file(config)
    for arguments in ([f"--config={config}"], ["--head=stranger.Head"], ["--module=stranger"]):
        with pytest.raises(ArgumentError):
            parser().parse_args(arguments)
    assert "stranger" not in sys.modules
    assert not side_effect.exists()


def test_trust_allows_that_module_from_the_working_directory(
    side_effect: Path, tmp_path: Path
) -> None:
    trust_module("stranger")
    install_allowlist(["stranger"])
    assert sys.path[-1] == str(tmp_path)
    check_imports({"class_path": "stranger.Head"}, trust=["stranger"], where="a.yaml")
    parsed = parser().parse_args(["--head=stranger.Head", "--head.in_features=3"])
    assert parser().instantiate(parsed).head.weight.shape == (1, 3)
    assert side_effect.exists()
    for path in ("stranger_too.Head", "stranger.os.system"):
        with pytest.raises(ArgumentError):
            parser().parse_args([f"--call={path}"])
    assert "stranger_too" not in sys.modules


def test_trust_ends_with_the_next_installation(side_effect: Path) -> None:
    trust_module("stranger")
    install_allowlist(["stranger"])
    parser().parse_args(["--head=stranger.Head"])
    install_allowlist()
    with pytest.raises(ArgumentError):
        parser().parse_args(["--head=stranger.Head"])


def test_trust_is_of_whole_names() -> None:
    assert is_allowed("mine.A", ["mine"])
    assert is_allowed("mine", ["mine"])
    assert not is_allowed("mine_too.A", ["mine"])


@pytest.mark.parametrize(
    "name", ["my_module.py", "../evil", "*", "", "a..b", "a b", "class", "jsonargparse.typing"]
)
def test_a_trusted_name_is_the_name_of_a_module(name: str, side_effect: Path) -> None:
    with pytest.raises(ValueError, match="--trust"):
        trust_module(name)


def test_a_trusted_module_that_is_nowhere_is_an_error(side_effect: Path) -> None:
    before = list(sys.path)
    with pytest.raises(ValueError, match=r"no module 'strangr'.*strangr\.py"):
        trust_module("strangr")
    assert sys.path == before


def test_trusting_an_installed_module_leaves_the_path_alone(side_effect: Path) -> None:
    before = list(sys.path)
    trust_module("torchvision.datasets")
    assert sys.path == before
