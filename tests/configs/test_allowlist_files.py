"""The allowlist and the places from which parts of a config come: files, URLs, the environment."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
import requests
from jsonargparse import ArgumentError, ArgumentParser, set_parsing_settings
from pytorch_lightning import Callback
from pytorch_lightning.cli import LightningArgumentParser
from torch import nn
from torch.utils.data import Dataset

from sslkit.cli import main
from sslkit.configs.allowlist import check_arguments, check_file, check_imports, install_allowlist
from sslkit.configs.refusals import ImportRefused


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    """What the parser reads is a global setting: leave the safe one."""
    yield
    install_allowlist()


def parser(**settings: Any) -> ArgumentParser:
    """Types that the parser reads from a file when a text names one."""
    result = ArgumentParser(exit_on_error=False, **settings)
    result.add_argument("--config", action="config")
    result.add_argument("--head", type=nn.Module)
    result.add_argument("--data", type=Dataset)
    result.add_argument("--callbacks", type=list[Callback] | Callback | None)
    return result


@pytest.mark.parametrize("name", ["part.yaml", "part.txt", "part"])
@pytest.mark.parametrize(
    "option",
    ["--config {}", "--config={}", "-c {}", "-c{}", "-c={}", "--model {}", "--data.source={}"],
)
def test_a_file_named_on_the_command_line_is_read_whatever_it_is_called(
    name: str, option: str, tmp_path: Path
) -> None:
    file = tmp_path / name
    file.write_text("plugin:\n  class_path: os.system\n")
    with pytest.raises(ImportRefused, match=rf"{name}.*, line 2: .*class_path names os\.system"):
        check_arguments(option.format(file).split())


# --- the files that a config pulls in --------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of configs beside the working directory, so that both places are looked in."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    folder = tmp_path / "configs"
    (folder / "sub").mkdir(parents=True)
    return folder


PULLS_IN = [
    "model: sub/inner.txt",
    "data: {source: sub/inner.txt}",
    "trainer: {callbacks: [sub/inner.txt]}",
    "trainer: {callbacks: sub/list.txt}",
    "trainer: {callbacks: sub/list_of_files}",
    "trainer: {logger: '{class_path: os.system}'}",
    "model: |\n  class_path: os.system\n",
    "model: {plugin: sub/again.json}",
    "recipe: &card {source: sub/inner.txt}\nmodel: *card",
    "recipe: &card {class_path: os.system}\nmodel: {recipe: *card}",
]


@pytest.mark.parametrize("place", ["configs", "work"])
@pytest.mark.parametrize("pulls_in", PULLS_IN)
def test_what_a_config_pulls_in_is_checked_too(pulls_in: str, place: str, folder: Path) -> None:
    sub = folder.parent / place / "sub"
    sub.mkdir(exist_ok=True)
    (sub / "inner.txt").write_text("class_path: os.system\n")
    (sub / "list.txt").write_text("torch.nn.Identity\nos.system\n")
    (sub / "list_of_files").write_text("sub/inner.txt\ninner.txt\n")
    (sub / "again.json").write_text('{"plugin": "inner.txt"}')
    config = folder / "config.yaml"
    config.write_text(pulls_in)
    with pytest.raises(ImportRefused, match=r"names os\.system"):
        check_file(config)


def test_the_way_to_what_is_wrong_is_in_the_message(folder: Path) -> None:
    inner = folder / "sub" / "inner.txt"
    inner.write_text("init_args: {}\nclass_path: os.system\n")
    config = folder / "config.yaml"
    config.write_text("seed_everything: 0\nmodel: sub/inner.txt\n")
    with pytest.raises(ImportRefused) as caught:
        check_file(config)
    where = f"{inner} (named in {config}, line 2), line 2: model.class_path names os.system"
    assert str(caught.value).startswith(where)


def test_the_file_scheme_and_the_home_folder_lead_to_files_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = folder / "inner"
    inner.write_text("class_path: os.system\n")
    monkeypatch.setenv("HOME", str(folder))
    for text in (f"file://{inner}", "~/inner"):
        with pytest.raises(ImportRefused, match=r"names os\.system"):
            check_imports({"model": text}, where="a.yaml")


def test_data_and_harmless_files_pass(folder: Path) -> None:
    sub = folder / "sub"
    (sub / "good.yaml").write_text("class_path: torch.nn.Identity\n")
    (sub / "pixels.npz").write_bytes(b"PK\x03\x04\x00\nclass_path: os.system\n")
    (sub / "names.txt").write_text("cat\ndog\n\n- [\n")
    (sub / "latin.txt").write_bytes("caf\u00e9".encode("latin-1"))
    (sub / "loop.yaml").write_text("model: loop.yaml\nhead: ../config.yaml\n")
    config = folder / "config.yaml"
    names = ["good.yaml", "pixels.npz", "names.txt", "latin.txt", "loop.yaml", "not_there", ""]
    config.write_text("files:\n" + "".join(f"  - sub/{name}\n" for name in names))
    check_file(config)


def test_a_file_in_another_encoding_is_no_way_around(folder: Path) -> None:
    (folder / "inner").write_bytes(b"# caf\xe9\nclass_path: os.system\n")
    with pytest.raises(ImportRefused, match=r"names os\.system"):
        check_imports({"model": str(folder / "inner")}, where="a.yaml")


def test_what_can_be_read_once_only_is_refused(folder: Path) -> None:
    os.mkfifo("pipe")
    for text in ("-", "pipe"):
        with pytest.raises(ImportRefused, match=r"model names '.*cannot be checked"):
            check_imports({"model": text}, where="a.yaml")
        with pytest.raises(ImportRefused, match="cannot be checked"):
            check_arguments(["--model", text])
    check_imports({"logger": {"name": "-"}}, where="a.yaml")


def test_a_config_inside_itself_ends() -> None:
    config: dict[str, Any] = {}
    config["model"] = config
    with pytest.raises(ValueError, match=r"a\.yaml is nested too deeply: more than 64"):
        check_imports(config, where="a.yaml")
    with pytest.raises(ValueError, match="the command line is nested too deeply"):
        check_arguments(["--model=" + "[" * 5000 + "]" * 5000])
    check_arguments(["--model=&a [*a]"])


# --- where the parser reads from -------------------------------------------------------------


def fetched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What is asked for over the network or from an fsspec file system."""
    asked: list[Any] = []
    for name in ("head", "get"):
        monkeypatch.setattr(requests, name, lambda url, **_: asked.append(url))
    monkeypatch.setattr(fsspec, "open", lambda url, *_, **__: asked.append(url))
    return asked


@pytest.mark.parametrize("url", ["http://localhost:9/a.yaml", "memory://a.yaml", "s3://b/a.yaml"])
def test_the_parser_reads_no_config_from_elsewhere(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Lightning's CLI switches on the latter.
    if url.startswith("http"):
        set_parsing_settings(config_read_mode_urls_enabled=True)
    else:
        set_parsing_settings(config_read_mode_fsspec_enabled=True)
    install_allowlist()
    asked = fetched(monkeypatch)
    config = tmp_path / "a.yaml"
    for option in ("head", "data", "callbacks"):
        config.write_text(f"{option}: {url}\n")
        for arguments in ([f"--config={config}"], [f"--{option}={url}"], [f"--config={url}"]):
            with pytest.raises(ArgumentError):
                parser().parse_args(arguments)
    assert asked == []


@pytest.mark.slow
def test_lightnings_cli_imported_later_does_not_switch_that_on_again() -> None:
    code = (
        "import fsspec, jsonargparse, sys; from sslkit.configs.allowlist import install_allowlist;"
        "install_allowlist(); import pytorch_lightning.cli;"
        "fsspec.open = lambda *a, **k: sys.exit('asked for a file');"
        "p = jsonargparse.ArgumentParser(exit_on_error=False);"
        "p.add_argument('--config', action='config');"
        "\ntry: p.parse_args(['--config=memory://a.yaml'])"
        "\nexcept jsonargparse.ArgumentError: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "refused", done.stderr


def test_the_environment_gives_no_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "a.yaml"
    config.write_text("head: torch.nn.Identity\n")
    variables = {
        "JSONARGPARSE_DEFAULT_ENV": "true",
        "PL_CONFIG": str(config),
        "APP_CONFIG": str(config),
        "PL_HEAD": "torch.nn.Identity",
        "APP_HEAD": "torch.nn.Identity",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    install_allowlist()
    ours = parser(prog="app", env_prefix="APP")
    lightnings = LightningArgumentParser(exit_on_error=False)
    lightnings.add_argument("--config", action="config")
    lightnings.add_argument("--head", type=nn.Module)
    for one in (ours, lightnings):
        assert one.parse_args([]).head is None
        assert one.parse_object({}).head is None
        assert one.get_defaults().head is None


def test_the_environment_changes_nothing_in_a_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def printed() -> str:
        assert main(["fit", "--config", "quickstart", "--print_config"]) == 0
        return capsys.readouterr().out

    before = printed()
    stranger = tmp_path / "stranger.yaml"
    stranger.write_text("trainer: {max_epochs: 7}\nmodel: {class_path: os.system}\n")
    variables = {
        "JSONARGPARSE_DEFAULT_ENV": "true",
        "PL_CONFIG": str(stranger),
        "PL_MODEL": "os.system",
        "PL_TRAINER__MAX_EPOCHS": "7",
        "PL_TRAINER_MAX_EPOCHS": "7",
        "PL_TRAINER__CALLBACKS": "os.system",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert printed() == before
