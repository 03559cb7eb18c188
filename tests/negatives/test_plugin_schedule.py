import pytest
import torch

from sslkit.negatives import Pairs, Plugin, PluginSchedule, Progress


class Nothing(Plugin):
    def forward(self, pairs: Pairs) -> Pairs:
        return pairs


def strengths(schedule: PluginSchedule, steps: int, steps_per_epoch: int = 4) -> list[float]:
    return [schedule.strength(Progress(step, steps_per_epoch)) for step in range(steps)]


def test_it_acts_always_unless_told_otherwise() -> None:
    assert strengths(PluginSchedule(), 3) == [1, 1, 1]
    assert Nothing().strength == 1


def test_it_starts_ramps_and_stops_in_steps() -> None:
    schedule = PluginSchedule(start=2, ramp=4, stop=7, unit="steps")
    assert strengths(schedule, 9) == [0, 0, 0.25, 0.5, 0.75, 1, 1, 0, 0]


def test_it_starts_ramps_and_stops_in_epochs() -> None:
    schedule = PluginSchedule(start=0.5, ramp=0.5, stop=1.5)
    assert strengths(schedule, 8) == [0, 0, 0.5, 1, 1, 1, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"start": -1}, "must be 0 or more, got start=-1"),
        ({"ramp": -1}, "ramp=-1"),
        ({"start": 2, "stop": 2}, "stop must come after its start, got start=2 and stop=2"),
    ],
)
def test_bad_numbers_are_refused(arguments, message) -> None:
    with pytest.raises(ValueError, match=message):
        PluginSchedule(**arguments)


def draw(plugin: Plugin, position: int = 0, **progress: int) -> float:
    plugin.begin(Progress(**progress), position)
    return float(torch.rand((), generator=plugin.generator(torch.device("cpu"))))


def test_draws_are_named_by_seed_rank_batch_and_place(monkeypatch) -> None:
    plugin = Nothing()
    first = draw(plugin, batch=3)
    assert draw(Nothing(), batch=3) == first
    assert draw(plugin, batch=3, step=7) == first  # accumulated batches differ by their number
    others = [
        draw(plugin, batch=4),
        draw(plugin, batch=3, rank=1),
        draw(plugin, batch=3, position=1),
    ]
    monkeypatch.setenv("PL_GLOBAL_SEED", "1")
    others.append(draw(plugin, batch=3))
    assert len({first, *others}) == 5


def test_the_abstract_one_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Plugin()  # pyright: ignore[reportAbstractUsage]
