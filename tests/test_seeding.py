import os

import pytest
import torch

from sslkit.seeding import counter_generator, global_seed, restore_rng_state, rng_state


def draw(*counters: int) -> list[float]:
    return torch.rand(8, generator=counter_generator(*counters)).tolist()


def test_same_counters_give_the_same_stream() -> None:
    assert draw(3, 1, 4) == draw(3, 1, 4)


@pytest.mark.parametrize("other", [(3, 1, 5), (3, 4, 1), (3, 1), (3, 1, 4, 0), (2, 2, 4), (31, 4)])
def test_other_counters_give_another_stream(other: tuple[int, ...]) -> None:
    assert draw(3, 1, 4) != draw(*other)


def test_a_stream_is_the_same_in_every_run_of_python() -> None:
    # Stored values: a change here breaks every checkpoint that is being resumed.
    generator = counter_generator(3, 1, 4)
    assert generator.initial_seed() == 8860860081527638639
    drawn = torch.randint(1000, (4,), generator=generator)
    assert drawn.tolist() == [523, 980, 899, 373]


def test_neighbouring_streams_are_unrelated() -> None:
    first = torch.stack([torch.randn(2000, generator=counter_generator(0, i)) for i in range(8)])
    correlation = torch.corrcoef(first) - torch.eye(8)
    assert correlation.abs().max() < 0.1


def test_drawing_leaves_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    draw(7)
    assert torch.equal(before, torch.get_rng_state())


def test_global_seed_is_lightnings_or_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "PL_GLOBAL_SEED", "17")
    assert global_seed() == 17
    monkeypatch.delitem(os.environ, "PL_GLOBAL_SEED")
    assert global_seed() == 0


def test_restored_state_draws_the_same_again() -> None:
    outside = torch.get_rng_state()
    state = rng_state()
    first = torch.rand(5)
    torch.rand(3)
    restore_rng_state(state)
    assert torch.equal(first, torch.rand(5))
    torch.set_rng_state(outside)


def test_state_is_plain_enough_for_a_checkpoint(tmp_path) -> None:
    torch.save(rng_state(), tmp_path / "state.pt")
    loaded = torch.load(tmp_path / "state.pt", weights_only=True)
    restore_rng_state(loaded)
    assert torch.equal(loaded["cpu"], rng_state()["cpu"])
