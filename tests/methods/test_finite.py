import pytest
import torch

from sslkit.methods.finite import FiniteWatch


def test_names_the_first_bad_quantity_and_those_still_finite():
    watch, good, bad = FiniteWatch(), torch.ones(3), torch.tensor([1.0, float("nan")])
    watch.watch(features=good, embeddings=bad, loss=bad)
    with pytest.raises(
        FloatingPointError, match=r"step 7: the embeddings .* features still finite"
    ):
        watch.check(7)


def test_remembers_between_checks_the_earliest_cause():
    watch, good, bad = FiniteWatch(), torch.ones(3), torch.tensor([float("inf")])
    watch.watch(features=good, loss=good)
    watch.watch(features=bad, loss=bad)
    watch.watch(features=good, loss=bad)
    with pytest.raises(FloatingPointError, match="the features went"):
        watch.check(1)


def test_silent_while_all_is_finite_and_before_any_step():
    watch = FiniteWatch()
    watch.check(0)
    watch.watch(loss=torch.tensor(1.0))
    watch.check(1)
    watch.check(2)
