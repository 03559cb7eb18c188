import pytest

from sslkit.arguments import FIT_HELP, Parser, resolve_configs, take_trusted
from sslkit.evaluate_arguments import evaluate_parser
from sslkit.recipe import find_recipe


def test_trusted_modules_are_taken_out_wherever_they_stand():
    rest, trusted = take_trusted(["--a", "1", "--trust", "mine", "--b=2", "--trust=theirs"])
    assert rest == ["--a", "1", "--b=2"]
    assert trusted == ["mine", "theirs"]
    with pytest.raises(ValueError, match="--trust needs the name of a module"):
        take_trusted(["--trust"])


@pytest.mark.parametrize(
    "given", [["--config", "quickstart"], ["-c", "quickstart"], ["--config=quickstart"]]
)
def test_recipe_names_become_files(given):
    resolved = resolve_configs([*given, "--trainer.max_epochs", "3"])
    assert resolved[-2:] == ["--trainer.max_epochs", "3"]
    assert resolved[-3].endswith(str(find_recipe("quickstart")))


def test_a_config_option_without_a_value():
    with pytest.raises(ValueError, match="--config needs a file or a recipe's name"):
        resolve_configs(["--config"])


def test_parser_errors_are_exceptions_that_name_the_help():
    with pytest.raises(ValueError, match=r"unrecognized arguments: --what \(see `tool --help`\)"):
        Parser(prog="tool").parse_args(["--what"])


def test_evaluate_options_are_not_abbreviated():
    assert evaluate_parser().parse_args(["x", "--train_images", "5"]).train_images == 5
    with pytest.raises(ValueError, match="unrecognized arguments: --train_image 5"):
        evaluate_parser().parse_args(["x", "--train_image", "5"])


def test_the_help_of_fit_names_options_of_its_own():
    for option in ("--config", "--trust", "--debug", "--ckpt_path", "--wandb", "--print_config"):
        assert option in FIT_HELP
    assert max(map(len, FIT_HELP.splitlines())) <= 100
