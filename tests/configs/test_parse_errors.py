"""Messages from real parsers: each case is a config that a user might write."""

import sys
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal

import pytest
from jsonargparse import ArgumentParser
from torch.utils.data import Dataset

from sslkit.configs.allowlist import ImportRefused, install_allowlist
from sslkit.configs.parse_errors import WrongValue, located, readable
from sslkit.data import ImageDataModule
from sslkit.optim import Schedule

HERE = __name__


class Colour(Enum):
    RED = 1
    BLUE = 2


class Part:
    def __init__(self, size: int = 1, kind: Literal["a", "b"] = "a") -> None:
        if size < 0:
            raise ValueError(f"size must be at least 0, got {size}.")


class Strict(Part):
    def __init__(self, must: int) -> None: ...


class Broken(Part):
    def __init__(self, error: Literal["type", "runtime", "file", "key", "nested"]) -> None:
        errors = {
            "type": TypeError("an image\nis no label"),
            "runtime": RuntimeError("Dataset not found or corrupted."),
            "file": FileNotFoundError(2, "No such file or directory", "missing/a.txt"),
            "key": KeyError("fold"),
            "nested": ValueError("Expected a list of names: not one"),
        }
        raise errors[error]


class Whole:
    def __init__(
        self,
        part: Part | None = None,
        parts: list[Part] | None = None,
        source: str | Part = "x",
        number: int | None = None,
        part_of_its_own: Part | None = None,
    ) -> None: ...


class Model:
    def __init__(self, needed: int, source: str | Path | Dataset | None = None) -> None: ...


@pytest.fixture(autouse=True)
def policy() -> Iterator[None]:
    install_allowlist([HERE])
    yield
    install_allowlist()


def parser(required: bool = False) -> ArgumentParser:
    result = ArgumentParser(exit_on_error=False, allow_abbrev=False)
    result.add_argument("--config", action="config")
    result.add_argument("--number", type=int | None)
    result.add_argument("--choice", type=Literal["x", "y"])
    result.add_argument("--either", type=int | Literal["x", "y"])
    result.add_argument("--text", type=str | Part)
    result.add_argument("--colour", type=Colour)
    result.add_argument("--pair", type=tuple[int, int] | None)
    result.add_argument("--numbers", type=list[int])
    result.add_argument("--call", type=Callable)
    result.add_argument("--parts", type=list[Part] | Part | None)
    result.add_argument("--must", type=int, required=required)
    result.add_subclass_arguments(Whole, "whole", required=False)
    result.add_class_arguments(Model, "model", sub_configs=True)
    result.set_defaults({"model.needed": 1})
    return result


def message(config: dict[str, Any] | list[str], required: bool = False) -> str:
    """What the user reads for a file (a mapping) or for a command line (a list)."""
    use = parser(required)
    parsed = None
    with pytest.raises(Exception) as caught:
        parsed = use.parse_args(config) if isinstance(config, list) else use.parse_object(config)
        use.instantiate(parsed)
    shown = readable(caught.value, use.get_defaults().keys(), parsed)
    assert isinstance(shown, ValueError)
    assert "\n" not in str(shown)
    for internal in ("Parser key", "Union", "Namespace(", "NestedArg", "<class", "Subtypes"):
        assert internal not in str(shown)
    return str(shown)


def spec(name: str, **init_args: Any) -> dict[str, Any]:
    return {"class_path": f"{HERE}.{name}", "init_args": init_args}


def whole(**init_args: Any) -> dict[str, Any]:
    return {"whole": spec("Whole", **init_args)}


# --- a value of the wrong type ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"number": "x"}, "number takes int, got 'x'."),
        (["--number=x"], "number takes int, got 'x'."),
        (["--number=a: [b"], "number takes int, got 'a: [b'."),
        ({"must": "x"}, "must takes int, got 'x'."),
        ({"choice": "z"}, "choice takes one of 'x', 'y', got 'z'."),
        ({"either": "z"}, "either takes int or one of 'x', 'y', got 'z'."),
        (["--colour=GREEN"], "colour takes one of RED,BLUE, got 'GREEN'."),
        ({"pair": [1]}, "pair takes tuple with 2 elements, got '[1]'."),
        ({"numbers": ["a"]}, "numbers takes int, got 'a'."),
        ({"numbers": 3}, "numbers takes list, got '3'."),
        (
            ["--numbers=Part"],
            "numbers takes a list, got 'Part', which is one class: --numbers+ Part "
            "adds it to the list, and in a YAML file the list is [{class_path: Part}].",
        ),
        (["--numbers=HardNegativeMixing"], "--numbers+ sslkit.negatives.HardNegativeMixing adds"),
        ({"numbers": f"{HERE}.Part"}, f"got '{HERE}.Part', which is one class: --numbers+ {HERE}"),
        ({"text": 3}, "text takes str or the class_path of a Part, got '3'."),
        ({"model": {"needed": "x"}}, "model.needed takes int, got 'x'."),
        (["--model={needed: x}"], "model.needed takes int, got 'x'."),
        (["--model=nope.yaml"], "model takes options (key: value) or a config file of them"),
        (whole(number="x"), "whole.number takes int, got 'x'."),
        ([f"--whole={HERE}.Whole", "--whole.number=x"], "whole.number takes int, got 'x'."),
        ([f"--whole={HERE}.Whole", "--whole.part.size=x"], "whole.part.size takes int, got 'x'."),
        (whole(part=spec("Part", kind="c")), "whole.part.kind takes one of 'a', 'b', got 'c'."),
        (whole(parts=[spec("Part"), spec("Part", size="x")]), "whole.parts.size takes int"),
        (whole(source=spec("Part", size="x")), "whole.source.size takes int, got 'x'."),
        ({"text": spec("Part", size="x")}, "text.size takes int, got 'x'."),
        ({"parts": [spec("Part", size="x")]}, "parts.size takes int, got 'x'."),
        ({"parts": spec("Part", size="x")}, "parts.size takes int, got 'x'."),
        (["--number"], "argument --number: expected one argument"),
    ],
)
def test_a_wrong_type(config: dict[str, Any] | list[str], expected: str) -> None:
    assert expected in message(config)


# --- a wrong name ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (["--numbr", "1"], "there is no option --numbr. Did you mean --number?"),
        (["--model.sorce", "1"], "there is no option --model.sorce. Did you mean --model.source?"),
        ({"zzz": 1}, "there is no option 'zzz'. It has config, number, choice, "),
        ({"modl.source": 1}, "there is no option 'modl.source'. Did you mean model.source?"),
        ({"numbr": 1}, "there is no option 'numbr'. Did you mean number?"),
        ({"model": {"sorce": "a"}}, "'model' has no option 'sorce'. Did you mean source?"),
        (whole(prt=1), f"{HERE}.Whole has no option 'prt'. Did you mean part?"),
        (whole(zzz=1), f"{HERE}.Whole has no option 'zzz'. It has part, parts, source, number"),
        (whole(source=spec("Part", sise=1)), f"{HERE}.Part has no option 'sise'. Did you mean"),
        ({"text": spec("Part", sise=1)}, f"{HERE}.Part has no option 'sise'. Did you mean size?"),
        ({"parts": [spec("Part", sise=1)]}, f"{HERE}.Part has no option 'sise'."),
        ({"whole": "Whol"}, "whole names 'Whol', which is not the import path of a known class."),
        (["--whole=SimCRL"], "whole names 'SimCRL', which is not the import path of a known class. "
         "Did you mean sslkit.methods.SimCLR?"),
        (["--whole=./x"], "whole names './x', which is not the import path of a known class."),
        (["--whole=memory://x"], "whole names 'memory://x', which is not the import path"),
        (whole(part="Par"), "whole.part names 'Par', which is not the import path"),
        ({"whole": {"class_path": f"{HERE}.Whol"}}, f"whole names {HERE}.Whol, which is "
         f"not there: module '{HERE}' has no attribute 'Whol'."),
        ({"text": {"class_path": f"{HERE}.Par"}}, f"text names {HERE}.Par, which is not there"),
        ({"text": spec("Whole")}, f"text names {HERE}.Whole, which is not a Part."),
        ({"whole": spec("Part")}, f"whole names {HERE}.Part, which is not a Whole."),
        (whole(part=spec("Model")), f"whole.part names {HERE}.Model, which is not a Part."),
    ],
)  # fmt: skip
def test_a_wrong_name(config: dict[str, Any] | list[str], expected: str) -> None:
    assert expected in message(config)


def test_what_is_missing() -> None:
    assert message([], required=True).startswith("must must be given: start from a recipe")
    strict = f"{HERE}.Strict needs must, which must be given."
    assert message({"text": spec("Strict")}) == f"text: {strict}"
    assert message(whole(part=spec("Strict"))) == f"whole.part: {strict}"


def test_images_that_are_missing() -> None:
    use = ArgumentParser(exit_on_error=False)
    use.add_argument("--data.source", required=True)
    with pytest.raises(Exception) as caught:
        use.parse_args([])
    said = str(readable(caught.value, ()))
    for way in ("path/to/images", "images.npz", "class_path: torchvision.datasets.CIFAR10"):
        assert way in said
    assert said.startswith("data.source must be given, the images: a folder of them")


def test_a_refusal_of_the_import_policy_comes_first() -> None:
    use = parser()
    for config in ({"call": "os.system"}, {"text": {"class_path": "os.system"}}):
        with pytest.raises(Exception) as caught:
            use.parse_object(config)
        shown = readable(caught.value, ())
        assert isinstance(shown, ImportRefused)
        assert "os.system, which is not on the import allowlist" in str(shown)


# --- a class that cannot be built ------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("type", "an image is no label"),
        ("runtime", "Dataset not found or corrupted."),
        ("file", "[Errno 2] No such file or directory: 'missing/a.txt'"),
        ("key", "'fold'"),
        ("nested", "Expected a list of names: not one"),
    ],
)
def test_what_a_constructor_says_comes_through_with_its_key(error: str, words: str) -> None:
    broken = spec("Broken", error=error)
    expected = f"{HERE}.Broken: {words}"
    assert message({"text": broken}) == f"text: {expected}"
    assert message({"parts": [broken]}) == f"parts.0: {expected}"
    assert message(whole(part=broken)) == f"whole.part: {expected}"
    assert message(whole(source=broken)) == f"whole.source: {expected}"
    # Which one of several it was, the parser does not say.
    assert message({"parts": [broken, spec("Part")]}) == words


def test_a_constructor_that_stands_twice_is_named_without_a_key() -> None:
    twice = whole(part=spec("Part", size=-1), part_of_its_own=spec("Part"))
    assert message(twice) == f"{HERE}.Part: size must be at least 0, got -1."


def test_a_data_set_of_torchvision_says_itself_what_is_wrong(tmp_path: Path) -> None:
    use = ArgumentParser(exit_on_error=False)
    use.add_class_arguments(ImageDataModule, "data")
    root = {"root": str(tmp_path / "missing"), "train": True}
    source = {"class_path": "torchvision.datasets.CIFAR10", "init_args": root}
    parsed = use.parse_object({"data": {"source": source, "batch_size": 2}})
    with pytest.raises(ValueError) as caught:
        use.instantiate(parsed)
    expected = "torchvision.datasets.CIFAR10: Dataset not found or corrupted."
    assert str(readable(caught.value, (), parsed)).startswith(f"data.source: {expected}")
    assert str(readable(caught.value, ())).startswith(expected)


def test_a_class_of_the_toolkit_names_its_arguments_itself() -> None:
    use = ArgumentParser(exit_on_error=False)
    use.add_subclass_arguments(Schedule, "schedule")
    parsed = use.parse_args(["--schedule=WarmupCosine", "--schedule.warmup_epochs=-1"])
    with pytest.raises(ValueError) as caught:
        use.instantiate(parsed)
    assert str(readable(caught.value, (), parsed)).startswith("schedule: warmup_epochs ")
    assert str(readable(caught.value, ())).startswith("warmup_epochs ")


def test_an_error_of_another_kind_keeps_its_words() -> None:
    for words in (
        "Expected a list of names: not one",
        "batch_size must be at least 2, got 1.",
        "arguments are required: two",
        "",
    ):
        assert str(readable(ValueError(words), ())) == words


def test_a_text_that_imitates_a_report_imports_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "unmet_stranger.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    inner = "Problem with given class_path 'unmet_stranger.X':\n  Option 'y' is not accepted"
    text = f"x either not accessible or invalid\n- {inner}"
    for config in ({"whole": text}, whole(part=text), {"number": text}):
        use = parser()
        with pytest.raises(Exception) as caught:
            use.parse_object(config)
        readable(caught.value, ())
    assert "unmet_stranger" not in sys.modules


def test_the_line_is_that_of_the_last_file_unless_an_option_says_otherwise(tmp_path: Path) -> None:
    first, second, third = (tmp_path / f"{i}.yaml" for i in range(3))
    first.write_text("trainer: {}\nmodel:\n  size: x\n")
    second.write_text("model: {size: y}\n")
    third.write_text("seed: 0\n")
    error = WrongValue("model.size takes int", "model.size")
    configs = [f"--config={first}", "--config", str(second), "-c", str(third)]
    assert str(located(error, configs)) == f"{second}, line 1: model.size takes int"
    assert str(located(error, configs[:1])) == f"{first}, line 3: model.size takes int"
    for option in ("--model.size=3", "--model=a.B", "--model.size.deep=1"):
        assert located(error, [*configs, option]) is error
    assert located(error, [*configs, "--modelling=1"]) is not error
    for other in (WrongValue("model.other", "model.other"), WrongValue("x"), ValueError("x")):
        assert located(other, configs) is other
