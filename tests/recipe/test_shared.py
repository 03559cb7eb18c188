"""A stranger's recipe as text: what is refused says the line, and no file of ours is looked at."""

import sys
from pathlib import Path

import pytest
from packs import RECIPE

from sslkit.configs.refusals import ImportRefused
from sslkit.recipe import find_recipe, list_recipes
from sslkit.recipe.shared import LARGEST, read_shared

LINES = len(RECIPE.splitlines())


def read(text: str, **options) -> object:
    return read_shared(text.encode(), "a.yaml", **{"alone": False, **options})


def test_a_plain_one_is_read() -> None:
    found = read_shared(RECIPE.encode(), "a.yaml", alone=True)
    assert (found.text, found.card.name, found.outside, found.modules) == (RECIPE, "birds", (), ())
    assert found.config["data"] == {"source": "quickstart"}


def test_with_a_shipped_recipe_it_is_merged() -> None:
    card = RECIPE[: RECIPE.index("seed_everything")]
    text = f"extends: quickstart\n{card}trainer: {{max_epochs: 3}}\n"
    found = read_shared(text.encode(), "a.yaml", alone=False)
    assert found.config["trainer"]["max_epochs"] == 3
    assert found.config["trainer"]["precision"] == "bf16-mixed"
    assert found.config["recipe"]["name"] == "birds" and "extends" not in found.config
    with pytest.raises(ValueError, match=r"a\.yaml, line 1: extends has no place here"):
        read(text, alone=True)
    with pytest.raises(FileNotFoundError, match="Did you mean quickstart"):
        read(text.replace("quickstart", "quickstrat"))
    for name in ("base.yaml", "../base.yml", "[quickstart]", "/etc/x.yaml"):
        with pytest.raises(ValueError, match=r"line 1: extends names a file|is not a shipped"):
            read(text.replace("quickstart", name))


NEVER = [
    "loader: os.system",
    "loader: builtins.eval",
    "call: {class_path: subprocess.Popen}",
    "call: {class_path: torch.ops.load_library}",
    "loader: torch.ops.load_library",
    "call: {class_path: torchvision.datasets.DatasetFolder}",
    "call: {class_path: sslkit.cli.main}",
    "call: {class_path: sslkit.recipe.adding.add}",
    "call: {class_path: pytorch_lightning.callbacks.LambdaCallback}",
    "call: {class_path: lightning_fabric.utilities.cloud_io._load}",
    "call: {class_path: jsonargparse.set_parsing_settings}",
    "call: {class_path: SimCLR}",
    "call: {class_path: ''}",
    "call: {class_path: a/b.py}",
    "x: !!python/object/apply:os.system [ls]",
    "x: !!python/name:os.system",
    "x: !local {a: 1}",
    "!tagged x: 1",
    "x: !!set {a}",
    "x: '{class_path: os.system}'",
    "x: '-'",
]


@pytest.mark.parametrize("line", NEVER)
def test_what_no_trust_in_the_author_covers_is_refused_with_its_line(line: str) -> None:
    with pytest.raises(ImportRefused, match=rf"a\.yaml, line {LINES + 1}: "):
        read(f"{RECIPE}{line}\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (RECIPE[RECIPE.index("seed_everything") :], "has no card"),
        ("seed_everything: 0\n", "has no card"),
        ("", "not a config"),
        ("- a\n", "not a config"),
        ("a: [\n", r"a\.yaml, line 2: not valid YAML"),
        (f"{RECIPE}seed_everything: 1\n", rf"line {LINES + 1}: seed_everything stands there twice"),
        (f"{RECIPE}a: {'[' * 99}{']' * 99}\n", "nested too deeply"),
        (f"{RECIPE}a: &a {{b: *a}}\n", "nested too deeply"),
        (f"{RECIPE}a: 2001-02-30\n", "not plain YAML"),
        (f"{RECIPE}---\na: 1\n", "not valid YAML"),
        (RECIPE.replace("birds\n", "../birds\n", 1), "recipe: name is the recipe's path"),
        (RECIPE.replace("untested", "measured"), "must also have expected"),
        (RECIPE.replace("seed: 0", "sed: 0"), "did you mean seed"),
        (RECIPE.replace("A test.", '"\\e[31m"'), "no terminal should print"),
        ("\x00", "not valid YAML"),
    ],
)
def test_what_is_no_recipe(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read(text)


def test_a_class_of_another_kind_is_refused_with_its_line() -> None:
    wrong = RECIPE.replace("sslkit.methods.SimCLR", "torch.nn.ReLU")
    line = wrong[: wrong.index("torch.nn.ReLU")].count("\n") + 1
    with pytest.raises(ValueError, match=rf"line {line}: model names torch\.nn\.ReLU, and takes"):
        read(wrong)
    callbacks = "trainer:\n  callbacks:\n    - {class_path: sslkit.callbacks.OnlineKNN}\n"
    callbacks += "    - class_path: torch.optim.SGD\n"
    with pytest.raises(ValueError, match=rf"line {LINES + 4}: trainer\.callbacks names torch\.opt"):
        read(RECIPE + callbacks)
    assert read(RECIPE.replace("sslkit.methods.SimCLR", "my_lab.Method"))


@pytest.mark.parametrize("path", ["/home/x", "../x", "~/x", "C:/x", "file:///x", "a/../../x"])
def test_a_pack_names_no_path_elsewhere(path: str) -> None:
    text = f"{RECIPE}trainer:\n  default_root_dir: {path}\n"
    with pytest.raises(ValueError, match=rf"line {LINES + 2}: trainer\.default_root_dir is "):
        read(text, alone=True)
    assert read(text)
    assert read(RECIPE.replace("A test.", path), alone=True)


@pytest.mark.parametrize("name", list_recipes())
def test_shipped_recipes_have_their_classes_in_their_places(name: str) -> None:
    content = find_recipe(name).read_bytes()
    assert read_shared(content, name, alone="extends:" not in content.decode()).outside == ()


def test_bombs_and_other_encodings() -> None:
    lines = ["l0: &l0 x"] + [f"l{i}: &l{i} [*l{i - 1}, *l{i - 1}]" for i in range(1, 40)]
    with pytest.raises(ValueError, match="longer than it looks"):
        read(RECIPE + "\n".join(lines))
    with pytest.raises(ValueError, match="at most 1,048,576"):
        read_shared(bytes(LARGEST + 1), "a.yaml", alone=False)
    for content in (b"\xff\xfea", RECIPE.encode("utf-16"), b"caf\xe9: 1"):
        with pytest.raises(ValueError, match="not a text in UTF-8"):
            read_shared(content, "a.yaml", alone=False)


def test_modules_of_the_author_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trace = tmp_path / "imported"
    (tmp_path / "my_lab.py").write_text(f"open({str(trace)!r}, 'w').close()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    text = f"{RECIPE}plugins:\n  - class_path: my_lab.Skip\n  - class_path: other.parts.Mix\n"
    found = read_shared(text.encode(), "a.yaml", alone=True)
    assert found.modules == ("my_lab", "other.parts")
    assert [value.line for value in found.outside] == [LINES + 2, LINES + 3]
    assert not trace.exists() and "my_lab" not in sys.modules
    native = f"{text}loader: torch.ops.load_library\n"
    trusted = read_shared(native.encode(), "a.yaml", alone=True, trust=["torch.ops"])
    assert trusted.modules == ("my_lab", "other.parts", "torch.ops")
    tag = f"{text}x: !!python/name:my_lab.Skip\n"
    with pytest.raises(ImportRefused, match="YAML tag"):
        read(tag, trust=["my_lab"])


def test_files_that_it_names_are_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fit reads parts of a config from files; whoever only adds a recipe must not open any."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "part.yaml").write_text("class_path: os.system\n")
    names = ["part.yaml", str(tmp_path / "part.yaml"), f"file://{tmp_path}/part.yaml"]
    opened: list[str] = []
    real = open

    def spy(path, *args, **kwargs):
        opened.append(str(path))
        return real(path, *args, **kwargs)

    monkeypatch.setattr("io.open", spy)
    monkeypatch.setattr("builtins.open", spy)
    for name in names:
        read(f"{RECIPE}part: {name}\n")
    assert not [path for path in opened if "part.yaml" in path]


LOGGER = "trainer: {logger: {class_path: pytorch_lightning.loggers.CSVLogger, init_args: %s}}\n"


@pytest.mark.parametrize("place", ["ftp://host/x", "webdhdfs://host/x", "simplecache::ftp://h/x"])
def test_a_pack_writes_to_no_address(place: str) -> None:
    text = RECIPE + LOGGER % f"{{save_dir: '{place}'}}"
    with pytest.raises(ValueError, match=rf"line {LINES + 1}: trainer.*a pack has no addresses"):
        read(text, alone=True)
    read(text)  # outside of packs it is shown to who adds it


def test_images_may_have_an_address() -> None:
    text = RECIPE.replace("source: quickstart", "source: 'https://host/{0..9}.tar'")
    assert text != RECIPE
    read(text, alone=True)


@pytest.mark.parametrize(
    "text",
    [
        "data.batch_size: 3\n",
        "trainer: {logger.class_path: pytorch_lightning.loggers.WandbLogger}\n",
        "x: [{a.b: 1}]\n",
    ],
)
def test_two_keys_in_one_hide_nothing(text: str) -> None:
    with pytest.raises(ValueError, match=rf"line {LINES + 1}: '[\w.]+' is two keys in one"):
        read(RECIPE + text)


def test_a_merge_smuggles_nothing_in() -> None:
    with pytest.raises(ValueError, match=rf"line {LINES + 1}: << has no place here"):
        read(RECIPE + "<<: {extends: quickstart}\n", alone=True)


def test_two_keys_in_one_do_not_hide_behind_an_alias_of_the_card() -> None:
    text = RECIPE.replace("summary: A test.", "summary: &s {logger.class_path: x}")
    assert text != RECIPE
    with pytest.raises(ValueError, match=r"'logger\.class_path' is two keys in one"):
        read(f"{text}trainer: *s\n")
