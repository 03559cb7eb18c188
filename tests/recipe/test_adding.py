"""From what somebody sent to a recipe of one's own: what is shown, asked and written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from packs import RECIPE, archive, weights, whole

from sslkit.cli import main
from sslkit.configs.finding import find_recipe, user_folder, user_recipes
from sslkit.recipe.adding import add_recipe

ENCODER = b'{"version": 1, "encoder": {"name": "resnet18"}, "mean": [0], "std": [1]}'


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SSLKIT_RECIPES", str(tmp_path / "mine"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def text(more: str = "", name: str = "birds") -> str:
    return RECIPE.replace("name: birds", f"name: {name}") + more


def yes(question: str) -> bool:
    return True


def sent(content: str = RECIPE, **members: bytes) -> Path:
    names = {"encoder_json": "encoder.json", "weights": "encoder.safetensors"}
    more = {names.get(name, f"{name}.json"): value for name, value in members.items()}
    return archive(Path("a.sslrecipe"), whole({"recipe.yaml": content.encode(), **more}))


def test_a_pack_becomes_a_recipe_with_its_weights_beside(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sent(encoder_json=ENCODER, weights=weights())
    assert main(["recipe", "add", "a.sslrecipe", "--yes"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for words in (
        "user/birds from a.sslrecipe",
        "SHA-256",
        "only what ships with sslkit",
        "the images in the package",
        "of the encoder resnet18: 1 tensor in safetensors",
        "Next: sslkit reproduce user/birds",
        "classes sslkit.methods.SimCLR",
    ):
        assert words in shown, shown
    assert sorted(p.name for p in user_folder().iterdir()) == [
        ".added.json",
        "birds.json",
        "birds.safetensors",
        "birds.yaml",
    ]
    assert find_recipe("user/birds").read_text() == RECIPE
    assert (user_folder() / "birds.safetensors").read_bytes() == weights()
    assert (user_folder() / "birds.json").read_bytes() == ENCODER
    assert main(["recipe", "list", "--dataset", "birds"]) == 0
    assert "user/birds" in capsys.readouterr().out


def test_a_recipe_is_added_as_it_is_under_a_name_of_choice() -> None:
    Path("b.yaml").write_text(text())
    target = add_recipe(Path("b.yaml"), name="more/of.them", ask=yes)
    assert target == user_folder() / "more/of.them.yaml"
    assert target.read_text() == text() and user_recipes() == ["user/more/of.them"]


def test_nothing_is_written_without_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    file = sent()
    asked: list[str] = []
    assert add_recipe(file, ask=lambda question: bool(asked.append(question))) is None
    assert asked == ["Add it as user/birds?"]
    assert "Nothing was added." in capsys.readouterr().out
    assert main(["recipe", "add", "a.sslrecipe"]) == 1
    assert "see --yes" in " ".join(capsys.readouterr().err.split())
    assert not user_folder().exists()


@pytest.mark.parametrize(
    ("answer", "added"), [("y", True), ("YES", True), ("", False), ("no", False)]
)
def test_the_terminal_is_asked(answer: str, added: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    sent()
    assert main(["recipe", "add", "a.sslrecipe"]) == int(not added)
    assert bool(user_recipes()) == added


def test_code_of_its_author_is_shown_and_not_covered_by_yes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sent(text("plugins: [{class_path: my_lab.Skip}]\n"))
    line = len(RECIPE.splitlines()) + 1
    assert main(["recipe", "add", "a.sslrecipe", "--yes"]) == 1
    out, err = (" ".join(part.split()) for part in capsys.readouterr())
    assert f"my_lab.Skip (line {line}), not ours: runs only with --trust my_lab" in out
    assert "add --trust my_lab if you know it" in err
    assert not user_folder().exists()
    assert main(["recipe", "add", "a.sslrecipe", "--yes", "--trust", "my_lab"]) == 0
    assert "Next: sslkit reproduce user/birds --trust my_lab" in capsys.readouterr().out
    assert add_recipe(Path("a.sslrecipe"), ask=yes) is not None


def test_what_it_reads_sends_and_names_elsewhere_is_shown(
    capsys: pytest.CaptureFixture[str],
) -> None:
    card = RECIPE[: RECIPE.index("seed_everything")]
    Path("b.yaml").write_text(
        f"""{card}
wandb: true
trainer:
  default_root_dir: /home/somebody/.ssh
  logger: {{class_path: pytorch_lightning.loggers.WandbLogger}}
model:
  class_path: sslkit.methods.SimCLR
  init_args: {{encoder: {{class_path: sslkit.nn.Encoder, init_args: {{weights: start.pth}}}}}}
data:
  source: {{class_path: torchvision.datasets.CIFAR10, init_args: {{root: ../x, download: true}}}}
  test_source: pixels.npz
"""
    )
    assert add_recipe(Path("b.yaml"), ask=lambda question: False) is None
    shown = " ".join(capsys.readouterr().out.split())
    for words in (
        "path trainer.default_root_dir: /home/somebody/.ssh",
        "path data.source.init_args.root: ../x",
        "sends metrics to Weights & Biases (wandb: true)",
        "sends metrics elsewhere (WandbLogger)",
        "reads model.encoder.weights: start.pth",
        "data torchvision.datasets.CIFAR10 (downloads it)",
        "data pixels.npz: a file or folder of yours (test_source)",
        "weights none",
    ):
        assert words in shown, shown


def test_what_would_be_replaced_is_compared(capsys: pytest.CaptureFixture[str]) -> None:
    sent(encoder_json=ENCODER, weights=weights())
    assert add_recipe(Path("a.sslrecipe"), ask=yes)
    capsys.readouterr()
    sent(text("trainer: {max_epochs: 3}\n").replace("A test.", "Another."))
    assert add_recipe(Path("a.sslrecipe"), ask=yes)
    shown = " ".join(capsys.readouterr().out.split())
    assert "replaces the recipe of this name; settings that differ: 1" in shown
    assert "trainer.max_epochs: not there -> 3" in shown
    # Weights of the recipe that is no more would be taken for those of the new one.
    assert sorted(p.name for p in user_folder().iterdir()) == [".added.json", "birds.yaml"]
    with pytest.raises(ValueError, match="differs in capitals only"):
        add_recipe(Path("a.sslrecipe"), name="Birds", ask=yes)


def test_what_the_user_put_there_is_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Also a recipe that was added and then edited."""
    folder = user_folder()
    folder.mkdir()
    (folder / "birds.json").write_text("mine")
    (folder / "birds.safetensors").write_text("mine too")
    assert add_recipe(sent(), ask=yes)  # without weights, nothing is in the way
    sent(text("trainer: {max_epochs: 3}\n"), encoder_json=ENCODER, weights=weights())
    asked: list[str] = []
    with pytest.raises(FileExistsError, match=r"birds\.safetensors is there.*with --name"):
        add_recipe(Path("a.sslrecipe"), ask=lambda question: bool(asked.append(question)))
    assert asked == []
    assert (folder / "birds.json").read_text() == "mine"
    assert (folder / "birds.safetensors").read_text() == "mine too"
    assert (folder / "birds.yaml").read_text() == RECIPE
    sent(text("trainer: {max_epochs: 3}\n"))
    (folder / "birds.yaml").write_text(RECIPE + "# edited\n")
    assert main(["recipe", "add", "a.sslrecipe", "--yes"]) == 1
    assert "it is left alone" in " ".join(capsys.readouterr().err.split())
    assert (folder / "birds.yaml").read_text() == RECIPE + "# edited\n"
    assert add_recipe(Path("a.sslrecipe"), name="others", ask=yes)


def test_images_that_are_not_sent_along_are_in_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("b.yaml").write_text(RECIPE.replace("data: {source: quickstart}\n", ""))
    assert add_recipe(Path("b.yaml"), ask=yes)
    assert "Next: sslkit reproduce user/birds --data FOLDER" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "shown"),
    [
        (
            """trainer: {logger: "{class_path: pytorch_lightning.loggers.MLFlowLogger}"}\n""",
            ["classes sslkit.methods.SimCLR, pytorch_lightning.loggers.MLFlowLogger"],
        ),
        ("trainer: {logger: WandbLogger}\n", ["classes sslkit.methods.SimCLR, WandbLogger"]),
        ("trainer: {logger: WandbLogger}\n", ["sends metrics elsewhere (WandbLogger)"]),
        (
            """trainer: {x: "{root: ../y, download: yes}"}\n""",
            ["path trainer.x.root: ../y", "download trainer.x.download: True"],
        ),
        (
            "trainer: {x: {download: 'on', y: {download: false, z: null}}}\n",
            ["download trainer.x.download: on"],
        ),
        (
            f"trainer: {{x: [{', '.join(f'/p{i}' for i in range(40))}]}}\n",
            [f"path trainer.x.{i}: /p{i}" for i in range(40)],
        ),
        (
            """trainer: {encoder: "{class_path: sslkit.nn.Encoder, weights: a.pth}"}\n""",
            ["reads trainer.encoder.weights: a.pth"],
        ),
    ],
)
def test_every_class_place_and_download_is_shown(
    more: str, shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("b.yaml").write_text(text(more))
    assert add_recipe(Path("b.yaml"), ask=lambda question: False) is None
    out = " ".join(capsys.readouterr().out.split())
    for words in shown:
        assert words in out, out
    assert "y.download" not in out


def test_a_source_that_is_a_text_is_no_folder(capsys: pytest.CaptureFixture[str]) -> None:
    source = "'{class_path: torchvision.datasets.CIFAR10, init_args: {download: true}}'"
    Path("b.yaml").write_text(RECIPE.replace("source: quickstart", f"source: {source}"))
    assert add_recipe(Path("b.yaml"), ask=lambda question: False) is None
    out = " ".join(capsys.readouterr().out.split())
    assert "data torchvision.datasets.CIFAR10 (downloads it)" in out
    assert "folder of yours" not in out


def test_more_than_anybody_looks_at_is_refused() -> None:
    Path("b.yaml").write_text(text(f"trainer: {{x: [{', '.join(['/p'] * 101)}]}}\n"))
    with pytest.raises(ValueError, match="has 101 paths, and at most 100 can be looked at"):
        add_recipe(Path("b.yaml"), ask=yes)
    assert not user_folder().exists()


@pytest.mark.parametrize("name", ["../x", "/x", "con", "a b", ""])
def test_a_name_that_cannot_be(name: str) -> None:
    sent()
    if name:
        with pytest.raises(ValueError, match="Give it one with --name"):
            add_recipe(Path("a.sslrecipe"), name=name, ask=yes)
    sent(text(name="'a b'"))
    with pytest.raises(ValueError, match="Give it one with --name"):
        add_recipe(Path("a.sslrecipe"), ask=yes)
    assert not user_folder().exists()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"weights": weights()}, "one of encoder.safetensors and encoder.json without the other"),
        ({"encoder_json": ENCODER}, "without the other"),
        ({"weights": b"\x80\x04\x95pickle", "encoder_json": ENCODER}, "is no safetensors file"),
        ({"weights": weights(), "encoder_json": b"[]"}, "encoder.json holds no mapping"),
        ({"environment": b"["}, "environment.json is not JSON"),
        ({"evaluation": b'"x"'}, "evaluation.json holds no mapping"),
        ({"costs": b"\xff"}, "costs.json is not JSON"),
    ],
)
def test_members_that_are_not_what_they_are_called(members: dict[str, bytes], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace(".", r"\.")):
        add_recipe(sent(**members), ask=yes)
    assert not user_folder().exists()


def test_other_files_are_no_recipes() -> None:
    for name, words in (("a.zip", "is neither a pack"), ("a.ckpt", "is neither a pack")):
        Path(name).write_bytes(b"PK")
        with pytest.raises(ValueError, match=words):
            add_recipe(Path(name), ask=yes)
    for name in ("missing.yaml", "missing.sslrecipe"):
        with pytest.raises(FileNotFoundError, match="there is no"):
            add_recipe(Path(name), ask=yes)
    sent("extends: quickstart\n" + RECIPE)
    with pytest.raises(ValueError, match=r"recipe\.yaml, line 1: extends has no place"):
        add_recipe(Path("a.sslrecipe"), ask=yes)


def test_a_fetched_one_is_called_by_its_address(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(address, folder: Path) -> Path:
        return archive(folder / "a.sslrecipe", whole())

    monkeypatch.setattr("sslkit.recipe.adding.fetch", fetch)
    assert main(["recipe", "add", "https://x.org/a.sslrecipe", "--yes"]) == 0
    assert "user/birds from https://x.org/a.sslrecipe" in capsys.readouterr().out
    assert user_recipes() == ["user/birds"]
    assert main(["recipe", "add", "http://x.org/a.sslrecipe", "--yes"]) == 1


def test_reading_and_adding_need_no_torch(here: Path) -> None:
    sent(encoder_json=ENCODER, weights=weights())
    code = (
        "import sys, sslkit.cli as c\n"
        "try: assert c.main(sys.argv[1:]) == 0\n"
        "except SystemExit as e: assert not e.code\n"
        "assert not {'torch', 'pytorch_lightning', 'wandb', 'huggingface_hub'} & set(sys.modules)"
    )
    for arguments in (
        ["recipe", "add", "a.sslrecipe", "--yes"],
        ["recipe", "add", "--help"],
        ["recipe", "pack", "--help"],
        ["reproduce", "--help"],
    ):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "SSLKIT_RECIPES": str(here / "other")},
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout
