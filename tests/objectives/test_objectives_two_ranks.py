"""Every objective on two ranks with different images, against one process on the joined batch."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from gloo import WORLD, run_two_ranks
from torch import Tensor, nn

from sslkit import objectives
from sslkit.data import ViewBatch
from sslkit.distributed import mean_across_ranks
from sslkit.negatives import HardNegativeFilter, ReweightNegatives
from sslkit.nn import Queue
from sslkit.objectives import (
    DCL,
    WMSE,
    BarlowTwins,
    BYOLObjective,
    DebiasedNCE,
    DualViewNCE,
    MoCoV3Objective,
    NNCLRObjective,
    NTXent,
    Objective,
    QueueInfoNCE,
    SelfLabelledBCE,
    SelfLabelledMSE,
    TriBYOLObjective,
)

IMAGES, WIDTH, DIM, STEPS = 12, 6, 4, 2  # images on a rank, input width, embedding size
QUEUE: dict[str, Any] = {"dim": DIM, "queue_size": 40, "temperature": 0.3}

OBJECTIVES: dict[str, Callable[[], Objective]] = {
    "nt_xent": lambda: NTXent(temperature=0.3),
    "nt-xent filtered": lambda: NTXent(plugins=[HardNegativeFilter(keep=8)]),
    "dclw filtered": lambda: DCL(sigma=0.5, plugins=[HardNegativeFilter(keep=0.5)]),
    "debiased reweighted": lambda: DebiasedNCE(plugins=[ReweightNegatives(beta=0.5)]),
    "moco v3 filtered": lambda: MoCoV3Objective(plugins=[HardNegativeFilter(keep=8)]),
    "nnclr reweighted": lambda: NNCLRObjective(**QUEUE, plugins=[ReweightNegatives()]),
    "moco filtered and reweighted": lambda: QueueInfoNCE(
        **QUEUE, symmetric=True, plugins=[HardNegativeFilter(keep=8), ReweightNegatives()]
    ),
    "moco debiased": lambda: QueueInfoNCE(**QUEUE, tau_plus=0.1),
    "dcl": lambda: DCL(temperature=0.3),
    "dclw": lambda: DCL(temperature=0.3, sigma=0.5),
    "dclw with gradient": lambda: DCL(temperature=0.3, sigma=0.5, weight_gradient=True),
    "debiased": lambda: DebiasedNCE(temperature=0.3),
    "hcl": lambda: DebiasedNCE(temperature=0.5, beta=1.0),
    "barlow twins": BarlowTwins,
    "barlow twins official": lambda: BarlowTwins(grad_scale="official"),
    "w-mse": lambda: WMSE(slice_size=6, iterations=2),
    "w-mse of four views": lambda: WMSE(slice_size=12, views=4, distance="euclidean", eps=0.1),
    "byol": BYOLObjective,
    "tribyol": TriBYOLObjective,
    "ccsl": lambda: SelfLabelledMSE(theta_positive=0.5, negative_weight=0.5),
    "cssl": SelfLabelledBCE,
    "moco v3": lambda: MoCoV3Objective(temperature=0.3),
    "nnclr": lambda: NNCLRObjective(**QUEUE),
    "nnclr decoupled": lambda: NNCLRObjective(**QUEUE, decoupled=True),
    "moco": lambda: QueueInfoNCE(**QUEUE),
    "moco symmetric": lambda: QueueInfoNCE(**QUEUE, symmetric=True),
    "moco decoupled": lambda: QueueInfoNCE(**QUEUE, symmetric=True, decoupled=True),
    "moco weighted": lambda: QueueInfoNCE(**QUEUE, decoupled=True, sigma=0.5),
    "moco symmetric weighted": lambda: QueueInfoNCE(
        **QUEUE, symmetric=True, decoupled=True, sigma=0.5
    ),
    "dual view": lambda: DualViewNCE(**QUEUE, hardest=5),
    "dual view symmetric": lambda: DualViewNCE(**QUEUE, hardest=5, symmetric=True),
}
# What an image gains or loses does not depend on other images of its batch.
SOLITARY = {"byol", "tribyol"}
all_objectives = pytest.mark.parametrize("name", OBJECTIVES)


def views_of(rank: int, step: int) -> Tensor:
    """Four alike views of a rank's own images, (4, B, width)."""
    generator = torch.Generator().manual_seed(10 * step + rank)
    image = torch.randn(1, IMAGES, WIDTH, generator=generator, dtype=torch.float64)
    return image + torch.randn(4, IMAGES, WIDTH, generator=generator, dtype=torch.float64) / 2


def labels_of(rank: int, step: int) -> Tensor:
    return torch.arange(IMAGES) + 100 * step + 50 * rank


def linear(seed: int) -> nn.Linear:
    layer = nn.Linear(WIDTH, DIM, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, generator=generator)
    return layer


def train(objective: Objective, views: list[Tensor], labels: list[Tensor]) -> dict:
    """Two steps; gradients are those of both."""
    objective = objective.double()
    online, target, second = linear(0), linear(1), linear(2)
    routes, results = objective.routes, []
    for x, label in zip(views, labels, strict=True):
        predictions = online(x[list(routes.online)])
        targets = torch.cat([target(x[list(routes.target)]), second(x[list(routes.second_target)])])
        batch = ViewBatch(list(x), label, -label)
        results.append(objective(predictions, targets, batch))
        results[-1]["loss"].backward()
    assert target.weight.grad is None and second.weight.grad is None
    assert online.weight.grad is not None and online.bias.grad is not None
    return {
        "results": [{key: v.detach() for key, v in result.items()} for result in results],
        "weight": online.weight.grad,
        "bias": online.bias.grad,
        "state": objective.state_dict(),
    }


def fill(first: int, last: int) -> dict:
    """A queue after two batches of which this process has the given rows."""
    queue = Queue(7, 3)
    for step in range(2):
        rows = torch.randn(6, 3, generator=torch.Generator().manual_seed(step)).bfloat16()
        marks = torch.arange(first, last) + 10 * step
        queue.enqueue(rows[first:last], marks, -marks)
    return queue.state_dict()


def train_on(rank: int) -> dict:
    """Every objective, as DDP leaves it: gradients averaged over ranks."""
    found = {"queue": fill(3 * rank, 3 * rank + 3)}
    for name, build in OBJECTIVES.items():
        steps = range(STEPS)
        objective = build()
        drawn: list[Tensor] = []
        if isinstance(objective, WMSE):
            draw = objective.draw
            objective.draw = lambda n, draw=draw, drawn=drawn: drawn.append(draw(n)) or drawn[-1]
        result = train(
            objective, [views_of(rank, s) for s in steps], [labels_of(rank, s) for s in steps]
        )
        for part in ("weight", "bias"):
            result[part] = mean_across_ranks(result[part])
        result["scalars"] = [
            {key: mean_across_ranks(v) for key, v in r.items() if v.ndim == 0}
            for r in result["results"]
        ]
        found[name] = {**result, "drawn": drawn}
    return found


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    return run_two_ranks(train_on, tmp_path_factory.mktemp("ranks"))


def train_alone(name: str, ranks: list[dict]) -> dict:
    objective = OBJECTIVES[name]()
    if isinstance(objective, WMSE):
        # Permutations that stay within each rank's images.
        drawn = iter(zip(*(r[name]["drawn"] for r in ranks), strict=True))
        objective.draw = lambda images: torch.cat(
            [own + IMAGES * rank for rank, own in enumerate(next(drawn))], dim=1
        )
    return train(
        objective,
        [torch.cat([views_of(r, s) for r in range(WORLD)], dim=1) for s in range(STEPS)],
        [torch.cat([labels_of(r, s) for r in range(WORLD)]) for s in range(STEPS)],
    )


def test_the_table_has_every_objective() -> None:
    named = {type(build()).__name__ for build in OBJECTIVES.values()}
    assert named == set(objectives.__all__) - {"Objective", "PairObjective", "Routes"}


@all_objectives
def test_two_ranks_equal_one_process(name: str, ranks: list[dict]) -> None:
    single = train_alone(name, ranks)
    share = 1 / WORLD if name == "barlow twins official" else 1
    for r in (rank[name] for rank in ranks):
        for scalars, result in zip(r["scalars"], single["results"], strict=True):
            for key, value in scalars.items():
                torch.testing.assert_close(value, result[key], rtol=1e-9, atol=1e-12)
        for part in ("weight", "bias"):
            torch.testing.assert_close(r[part], share * single[part], rtol=1e-9, atol=1e-11)
        assert r["state"].keys() == single["state"].keys()
        for key, value in r["state"].items():
            torch.testing.assert_close(value, single["state"][key], rtol=1e-12, atol=1e-15)


@all_objectives
def test_ranks_hold_the_losses_of_their_own_images(name: str, ranks: list[dict]) -> None:
    single = train_alone(name, ranks)
    for step, result in enumerate(single["results"]):
        own = [rank[name]["results"][step] for rank in ranks]
        if "per_anchor" not in result:
            assert name.startswith("barlow")
            assert own[0]["loss"] == own[1]["loss"]
            continue
        by_rank = [r["per_anchor"].unflatten(0, (-1, IMAGES)) for r in own]
        whole = result["per_anchor"].unflatten(0, (-1, WORLD * IMAGES))
        torch.testing.assert_close(torch.cat(by_rank, dim=1), whole, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(result["per_anchor"].mean(), result["loss"])


@pytest.mark.parametrize("name", sorted(set(OBJECTIVES) - SOLITARY))
def test_ranks_that_do_not_talk_would_have_another_loss(name: str, ranks: list[dict]) -> None:
    # Guards the comparison above: were nothing gathered, it could not pass by accident.
    joined = torch.stack([scalars["loss"] for scalars in ranks[0][name]["scalars"]])
    alone = torch.stack(
        [
            torch.stack(
                [
                    result["loss"]
                    for result in train(
                        OBJECTIVES[name](),
                        [views_of(r, s) for s in range(STEPS)],
                        [labels_of(r, s) for s in range(STEPS)],
                    )["results"]
                ]
            )
            for r in range(WORLD)
        ]
    ).mean(dim=0)
    if name.startswith("w-mse"):  # which does not talk, and draws by rank
        assert not torch.equal(ranks[0][name]["drawn"][0], ranks[1][name]["drawn"][0])
        return
    assert (joined - alone).abs().max() > 1e-3


def test_a_queue_holds_the_rows_of_all_ranks_in_their_order(ranks: list[dict]) -> None:
    single = fill(0, 6)
    assert single["labels"].tolist() == [11, 12, 13, 14, 15, 5, 10]  # wrapped in a rank's rows
    for name, value in single.items():
        for rank in ranks:
            assert torch.equal(rank["queue"][name], value), name


def test_queues_are_equal_and_moved_on(ranks: list[dict]) -> None:
    for name, views in (("moco", 1), ("moco symmetric", 2), ("nnclr", 1), ("dual view", 1)):
        states = [rank[name]["state"] for rank in ranks]
        written = WORLD * IMAGES * views * STEPS
        for key in states[0]:
            assert torch.equal(states[0][key], states[1][key]), key
        assert states[0]["queue.position"] == written % 40
        assert states[0]["queue.filled"] == min(written, 40)
        assert set(states[0]["queue.labels"].tolist()) >= set(labels_of(1, 1).tolist())
