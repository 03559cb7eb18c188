"""What an installation contains: built from a copy of the tree, without network or isolation."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import sslkit

ROOT = Path(__file__).resolve().parent.parent
HOOKS = "from setuptools import build_meta as hooks; print(hooks.{hook}({folder!r}))"
# Where the recipes come from, in the last line.
FIND = "from sslkit.recipe import find_recipe; print(find_recipe('quickstart').resolve())"


def run(*arguments: str, cwd: Path, path: tuple[Path, ...] = ()) -> str:
    """The last line that Python prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def build(hook: str, tree: Path, folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder / run("-c", HOOKS.format(hook=hook, folder=str(folder)), cwd=tree)


def find(setup: str, cwd: Path, *path: Path) -> Path:
    """Where quickstart is found with nothing but `path` to import from.

    Without the interpreter's own site-packages (-S), in which sslkit may be installed as well; the
    one dependency of finding a recipe is copied.
    """
    dependencies = cwd / "dependencies"
    shutil.copytree(Path(yaml.__file__).parent, dependencies / "yaml")
    return Path(run("-S", "-c", f"{setup}{FIND}", cwd=cwd, path=(*path, dependencies)))


def unpack(wheel: Path, target: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(target)
    return target


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a commit of the working tree would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("not a git checkout, so there is no list of its files")
    copy = tmp_path_factory.mktemp("tree")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def installed(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel is installed."""
    wheel = build("build_wheel", tree, tmp_path_factory.mktemp("wheel"))
    return unpack(wheel, tmp_path_factory.mktemp("installed"))


def test_every_package_is_listed() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    folders = {p.parent for p in (ROOT / "sslkit").rglob("__init__.py")}
    packages = {".".join(folder.relative_to(ROOT).parts) for folder in folders}
    assert set(config["options"]["packages"].split()) == packages | {"sslkit.recipes"}, (
        "setup.cfg lists other packages than there are: a wheel would lack some"
    )


def test_the_citation_has_the_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == sslkit.__version__


@pytest.mark.slow
def test_a_wheel_holds_all_that_is_needed(tree: Path, installed: Path) -> None:
    for folder in ("sslkit", "recipes"):
        for file in (tree / folder).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                name = file.relative_to(tree)
                inside = name if folder == "sslkit" else "sslkit" / name
                assert (installed / inside).read_bytes() == file.read_bytes(), inside
    for needed in (
        "py.typed",
        "data/embedded/LICENSE-fashion-mnist.txt",
        "evaluation/evaluation.schema.json",
        "recipes/quickstart.yaml",
    ):
        assert (installed / "sslkit" / needed).is_file()
    assert {p.name for p in installed.iterdir() if not p.name.endswith(".dist-info")} == {"sslkit"}
    (info,) = installed.glob("*.dist-info")
    licences = {p.name for p in info.rglob("LICENSE*")}
    assert licences == {"LICENSE", "LICENSE-fashion-mnist.txt"}
    assert "sslkit = sslkit.cli:main" in (info / "entry_points.txt").read_text()


@pytest.mark.slow
def test_an_installed_wheel_finds_its_recipes(installed: Path, tmp_path: Path) -> None:
    found = find("", tmp_path, installed)
    assert found == (installed / "sslkit" / "recipes" / "quickstart.yaml").resolve()


@pytest.mark.slow
def test_an_editable_install_finds_the_recipes_of_its_tree(tree: Path, tmp_path: Path) -> None:
    target = unpack(build("build_editable", tree, tmp_path / "wheel"), tmp_path / "target")
    assert not (target / "sslkit").exists()
    found = find(f"import site; site.addsitedir({str(target)!r}); ", tmp_path)
    assert found == (tree / "recipes" / "quickstart.yaml").resolve()


@pytest.mark.slow
def test_a_source_archive_builds_the_same_wheel(
    tree: Path, installed: Path, tmp_path: Path
) -> None:
    with tarfile.open(build("build_sdist", tree, tmp_path / "sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    (source,) = (p for p in tmp_path.iterdir() if (p / "setup.cfg").is_file())
    again = unpack(build("build_wheel", source, tmp_path / "wheel"), tmp_path / "target")

    def content(folder: Path) -> dict[Path, bytes]:
        files = (p for p in (folder / "sslkit").rglob("*") if p.is_file())
        return {p.relative_to(folder): p.read_bytes() for p in files if p.suffix != ".pyc"}

    assert content(again) == content(installed)


def test_every_extra_that_is_advised_is_there():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    texts = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *(ROOT / "sslkit").rglob("*.py")]
    advised = {
        extra for text in texts for extra in re.findall(r"sslkit\[(\w+)\]", text.read_text())
    }
    assert {"export", "stream"} <= advised <= {*setup["options.extras_require"]}
