import subprocess
import sys

import pytest
from jsonargparse import ArgumentError

from sslkit.evaluate_arguments import evaluate_parser
from sslkit.evaluation.plan import PLANS


def read(*arguments):
    return evaluate_parser().parse_args(["run", *arguments])


def test_nothing_but_a_checkpoint_is_the_quick_protocol_on_everything():
    options = vars(read())
    assert options.pop("seed") == 0 and options.pop("no_cache") is False
    given = {name: value for name, value in options.items() if value not in (None, [])}
    assert given == {"checkpoint": "run", "protocol": "quick", "batch_size": 256}


def test_the_protocols_are_those_that_there_are():
    (action,) = [a for a in evaluate_parser()._actions if a.dest == "protocol"]
    assert set(action.choices) == set(PLANS)


def test_numbers_have_the_kind_that_a_plan_takes():
    options = read("--fractions", "0.5, 1e-2", "--shots", "1,20", "--seeds", "3", "--layers", "0")
    assert options.fractions == (0.5, 0.01)
    assert options.shots == (1, 20) and all(type(shot) is int for shot in options.shots)
    assert (options.seeds, options.layers) == (3, 0)
    assert read("--fractions", "none").fractions == ()


def test_modules_to_trust_add_up_and_paths_stay_as_they_are():
    options = read("--trust", "a", "--real_labels", "~/real.json", "--trust", "b.c")
    assert options.trust == ["a", "b.c"] and options.real_labels == "~/real.json"
    assert read().trust == []  # a list of its own in every call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--shots", "1,,2"], "--shots: takes whole numbers with commas between them, or none"),
        (["--fractions", ""], "--fractions: takes numbers with commas"),
        (["--seeds", "two"], "--seeds: invalid int value: 'two'"),
        (["--seed"], "--seed: expected one argument"),
        (["--picture", "x"], "unrecognized arguments: --picture"),
        (["another"], "unrecognized arguments: another"),
    ],
)
def test_what_cannot_be_read_is_an_error_that_names_it(arguments, words):
    with pytest.raises((ArgumentError, ValueError)) as caught:
        read(*arguments)
    assert words in str(caught.value)


def test_reading_options_imports_no_torch():
    code = (
        "import sys; from sslkit.evaluate_arguments import evaluate_parser; "
        "evaluate_parser().parse_args(['run']); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
