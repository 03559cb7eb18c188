"""What the contrastive objectives hand to plug-ins and observers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sslkit.data import ViewBatch
from sslkit.functional import unit_rows
from sslkit.negatives import FrozenGuide, Pairs, Plugin, Progress
from sslkit.nn import Encoder
from sslkit.objectives import (
    DCL,
    BYOLObjective,
    DebiasedNCE,
    MoCoV3Objective,
    NNCLRObjective,
    NTXent,
    PairObjective,
    QueueInfoNCE,
)

B, D = 4, 3
QUEUE: dict[str, Any] = {"dim": D, "queue_size": 10}
OBJECTIVES: dict[str, Callable[..., PairObjective]] = {
    "NTXent": NTXent,
    "DCL": DCL,
    "DCLW": lambda **k: DCL(sigma=0.5, **k),
    "DCLW with gradient": lambda **k: DCL(sigma=0.5, weight_gradient=True, **k),
    "DebiasedNCE": DebiasedNCE,
    "HCL": lambda **k: DebiasedNCE(beta=1.0, **k),
    "QueueInfoNCE": lambda **k: QueueInfoNCE(**QUEUE, **k),
    "symmetric": lambda **k: QueueInfoNCE(**QUEUE, symmetric=True, **k),
    "decoupled": lambda **k: QueueInfoNCE(**QUEUE, decoupled=True, **k),
    "weighted": lambda **k: QueueInfoNCE(**QUEUE, decoupled=True, sigma=0.5, symmetric=True, **k),
    "debiased": lambda **k: QueueInfoNCE(**QUEUE, tau_plus=0.1, **k),
    "NNCLR": lambda **k: NNCLRObjective(**QUEUE, **k),
    "NNCLR decoupled": lambda **k: NNCLRObjective(**QUEUE, decoupled=True, **k),
    "MoCoV3": MoCoV3Objective,
}
every_objective = pytest.mark.parametrize("name", OBJECTIVES)


class Copy(Plugin):
    """Changes nothing, and says that it did: the loss then reads the pairs."""

    def forward(self, pairs: Pairs) -> Pairs:
        return pairs.with_()


class Means(nn.Module):
    """A guide: the mean of each channel."""

    num_features = 3

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, views: Tensor) -> Tensor:
        self.calls += 1
        return views.mean((2, 3))


class Guided(Copy):
    def __init__(self, guide: Any) -> None:
        super().__init__()
        self.guide = guide


def compare(objective: PairObjective, step: int = 0) -> tuple[dict[str, Tensor], Tensor, ViewBatch]:
    objective.double()
    generator = torch.Generator().manual_seed(step)
    online, target = (
        torch.randn(2, B, D, generator=generator, dtype=torch.float64) for _ in range(2)
    )
    online.requires_grad_()
    views = [torch.rand(B, 3, 2, 2, generator=generator).double() for _ in range(2)]
    batch = ViewBatch(views, torch.arange(B) + 10 * step, torch.arange(B) + 100 * step)
    routes = objective.routes
    objective.begin(Progress(batch=step), batch)
    result = objective(online[list(routes.online)], target[list(routes.target)], batch)
    (gradient,) = torch.autograd.grad(result["loss"], online)
    return result, gradient, batch


def seen_by(objective: PairObjective) -> list[tuple[Pairs, Pairs]]:
    seen: list[tuple[Pairs, Pairs]] = []
    objective.watch(lambda before, after: seen.append((before, after)))
    return seen


@every_objective
def test_the_loss_of_pairs_is_the_loss_without_plugins(name: str) -> None:
    plain, through = OBJECTIVES[name](), OBJECTIVES[name](plugins=[Copy()])
    for step in range(2):
        (expected, its_gradient, _), (found, gradient, _) = (
            compare(objective, step) for objective in (plain, through)
        )
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            torch.testing.assert_close(found[key], value, msg=lambda m, key=key: f"{key}: {m}")
        torch.testing.assert_close(gradient, its_gradient)
    torch.testing.assert_close(through.state_dict(), plain.state_dict())


@every_objective
def test_watching_changes_nothing_and_can_end(name: str) -> None:
    plain, watched = OBJECTIVES[name](), OBJECTIVES[name]()
    seen: list[Pairs] = []

    def observer(before: Pairs, after: Pairs) -> None:
        assert before is after and not torch.is_grad_enabled()
        seen.append(after)

    stop = watched.watch(observer)
    for step in range(2):
        (expected, its_gradient, _), (found, gradient, _) = (
            compare(objective, step) for objective in (plain, watched)
        )
        assert all(torch.equal(found[key], value) for key, value in expected.items())
        assert torch.equal(gradient, its_gradient)
    calls = 2 if "NNCLR" in name or name == "MoCoV3" else 1
    assert len(seen) == 2 * calls
    stop()
    compare(watched, 2)
    assert len(seen) == 2 * calls
    for pairs in seen:
        assert pairs.score(pairs).shape == pairs.query.shape[:1]


def test_an_observer_sees_the_pairs_before_and_after() -> None:
    objective = NTXent(plugins=[Copy(), Copy()])
    seen = seen_by(objective)
    compare(objective)
    ((before, after),) = seen
    assert before is not after
    assert torch.equal(before.query, after.query)


def test_objectives_without_pairs_have_no_observers() -> None:
    assert not hasattr(BYOLObjective(), "watch")


@every_objective
def test_labels_and_indices_are_those_of_the_images(name: str) -> None:
    objective = OBJECTIVES[name]()
    seen = seen_by(objective)
    compare(objective, 1)
    _, _, batch = compare(objective, 2)
    by_queue = hasattr(objective, "queue") and "NNCLR" not in name
    for before, _ in seen[len(seen) // 2 :]:
        query, bank = before.query_info, before.bank_info
        assert query is not None and bank is not None
        views = len(before.query) // B
        assert query.label.tolist() == batch.label.tolist() * views
        assert query.index.tolist() == batch.index.tolist() * views
        assert len(bank.label) == len(bank.index) == len(before.bank)
        if by_queue:  # the first batch, as often as it has views, and nothing else yet
            known = bank.label[bank.label >= 0]
            keys = len(objective.routes.target)
            assert known.tolist() == [10, 11, 12, 13] * keys
            continue
        assert before.mask is not None
        same_image = query.index[:, None] == bank.index
        assert torch.equal(before.mask, ~same_image)


def test_classes_as_a_matrix_and_no_batch_at_all_are_unknown() -> None:
    objective = NTXent()
    seen = seen_by(objective)
    online = torch.randn(2, B, D)
    many = ViewBatch([], torch.ones(B, 7, dtype=torch.bool), torch.arange(B))
    objective(online, online[:0], many)
    objective(online, online[:0], None)
    labels = [before.bank_info.label.tolist() for before, _ in seen if before.bank_info]
    assert labels == [[-1] * 2 * B] * 2


@every_objective
def test_a_guide_looks_once_at_every_view_and_its_features_arrive(name: str) -> None:
    guide = Means()
    objective = OBJECTIVES[name](plugins=[Guided(guide)])
    seen = seen_by(objective)
    batches = [compare(objective, step)[2] for step in range(2)]
    assert guide.calls == 2 * len({*objective.routes.online, *objective.routes.target})
    features = [[unit_rows(v.mean((2, 3))) for v in batch.views] for batch in batches]
    by_queue = hasattr(objective, "queue") and "NNCLR" not in name
    for number, (before, _) in enumerate(seen[len(seen) // 2 :]):
        query, bank = before.query_info, before.bank_info
        assert query is not None and query.guide is not None
        assert bank is not None and bank.guide is not None
        own, all_views = features[1], torch.cat(features[1])
        if by_queue:
            assert torch.equal(query.guide, torch.cat([own[v] for v in objective.routes.online]))
            keys = torch.cat([features[0][view] for view in objective.routes.target])
            assert torch.equal(bank.guide[: len(keys)], keys)
            assert not bank.guide[len(keys) :].any()
        elif len(seen) == 4:
            assert torch.equal(query.guide, own[number])
            assert torch.equal(bank.guide, own[1 - number])
        else:
            assert torch.equal(query.guide, all_views)
            assert torch.equal(bank.guide, all_views)


def test_a_queue_keeps_features_only_where_a_guide_needs_them() -> None:
    guided, plain = QueueInfoNCE(**QUEUE, plugins=[Guided(Means())]), QueueInfoNCE(**QUEUE)
    assert guided.queue.guide is not None and guided.queue.guide.shape == (10, 3)
    assert guided.state_dict().keys() - plain.state_dict().keys() == {"queue.guide"}


@pytest.mark.parametrize("name", ["QueueInfoNCE", "symmetric", "MoCoV3"])
def test_momentum_as_guide_is_the_embeddings_of_the_targets(name: str) -> None:
    objective = OBJECTIVES[name](plugins=[Guided("momentum")])
    assert "queue.guide" not in objective.state_dict()
    seen = seen_by(objective)
    compare(objective)
    before = seen[0][0]
    query, bank = before.query_info, before.bank_info
    assert query is not None and query.guide is not None
    assert bank is not None and bank.guide is not None
    torch.testing.assert_close(bank.guide, before.bank)
    if name == "QueueInfoNCE":  # the key of the other view is all there is of the query's image
        torch.testing.assert_close(query.guide, before.positive[:, 0])
    elif name == "symmetric":  # each query's own view, which is the other one's positive
        torch.testing.assert_close(query.guide, before.positive[:, 0].roll(B, 0))
    else:
        torch.testing.assert_close(query.guide, seen[1][0].positive[:, 0])


def test_a_guide_that_trains_is_frozen_and_learns_how_views_are_normalised() -> None:
    class Learned(Means):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))
            self.told: list[Any] = []

        def set_statistics(self, mean: Any, std: Any) -> None:
            self.told.append((mean, std))

    guide = Learned()
    objective = NTXent(plugins=[Guided(guide)])
    objective.set_statistics([0.1], [0.2])
    NTXent().set_statistics([0.1], [0.2])
    assert guide.told == [([0.1], [0.2])]
    assert not guide.weight.requires_grad
    objective.train()
    compare(objective)
    assert not guide.training


def test_features_without_a_batch_that_was_announced_are_looked_up() -> None:
    guide = Means()
    objective = NTXent(plugins=[Guided(guide)])
    views = [torch.rand(B, 3, 2, 2) for _ in range(2)]
    batch = ViewBatch(views, torch.arange(B), torch.arange(B))
    online = torch.randn(2, B, D)
    objective(online, online[:0], batch)
    objective(online, online[:0], batch)
    assert guide.calls == 4


def test_a_guide_that_is_named_twice_is_one(tmp_path: Path) -> None:
    """As a recipe names it, once for each plug-in that asks it."""
    options = {"layers": [1, 1, 1, 1], "channels": [4, 4, 4, 4]}
    torch.save(Encoder("resnet18", options=options).backbone.state_dict(), tmp_path / "net.pth")
    first, second, other = (
        FrozenGuide(Encoder("resnet18", weights=weights, options=options))
        for weights in (tmp_path / "net.pth", tmp_path / "net.pth", None)
    )
    chain = NTXent(plugins=[Guided(first), Guided(second)]).plugins
    assert chain.guide is first
    assert all(plugin.guide is first for plugin in chain)
    with pytest.raises(ValueError, match="ask two guides"):
        NTXent(plugins=[Guided(first), Guided(other)])
    with pytest.raises(ValueError, match="ask two guides"):
        NTXent(plugins=[Guided(first), Guided(Means())])
