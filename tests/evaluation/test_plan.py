import pytest

from sslkit.evaluation import FULL, QUICK, Plan


def test_the_quick_plan_is_the_bare_protocol_and_the_full_one_has_everything():
    assert Plan() == QUICK
    assert not (QUICK.grid or QUICK.sweep or QUICK.fractions or QUICK.shots or QUICK.pixels)
    assert QUICK.seeds == 1
    assert FULL.grid and FULL.sweep and FULL.layers and FULL.details and FULL.pixels
    assert FULL.fractions == (0.01, 0.1) and FULL.seeds > 1
    assert FULL.to_dict()["name"] == "full" and FULL.to_dict()["fractions"] == [0.01, 0.1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": 0}, "seeds must be at least 1, got 0"),
        ({"layers": -1}, "layers must be at least 0, got -1"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"shots": (5, 0)}, r"shots must be whole numbers from 1 on, got \[5, 0\]"),
        ({"grid": (0,)}, r"grid must be whole numbers from 1 on, got \[0\]"),
        ({"fractions": (0.1, 1.0)}, r"between 0 and 1, got \[0.1, 1.0\]"),
        ({"fractions": (10.0,)}, "0.01 is 1 % of the labels"),
    ],
)
def test_says_what_is_out_of_range(changes, message):
    with pytest.raises(ValueError, match=message):
        Plan(**changes)
