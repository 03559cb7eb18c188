import math
from pathlib import Path

import pytest
import torch
from gloo import WORLD, run_two_ranks
from torch import Tensor, nn

from sslkit.distributed import mean_across_ranks
from sslkit.functional import nt_xent
from sslkit.objectives import NTXent, Routes

IMAGES, WIDTH, SIZE = 5, 6, 4  # images on a rank, input width, embedding size
NONE = torch.empty(0, IMAGES, SIZE, dtype=torch.float64)


def images_of(rank: int) -> Tensor:
    """Two views of a rank's own images, (2, B, width)."""
    generator = torch.Generator().manual_seed(10 + rank)
    return torch.randn(2, IMAGES, WIDTH, generator=generator, dtype=torch.float64)


def linear() -> nn.Linear:
    layer = nn.Linear(WIDTH, SIZE, dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, generator=generator)
    return layer


def train_step_on(rank: int) -> dict:
    """Loss and gradients as DDP leaves them: parameter gradients averaged over ranks."""
    layer, images = linear(), images_of(rank).requires_grad_()
    result = NTXent(temperature=0.2)(layer(images), NONE, None)
    result["loss"].backward()
    assert layer.weight.grad is not None and layer.bias.grad is not None
    return {
        "loss": mean_across_ranks(result["loss"]),
        "weight": mean_across_ranks(layer.weight.grad),
        "bias": mean_across_ranks(layer.bias.grad),
        "input": images.grad,
        "per_anchor": result["per_anchor"],
        "positive_similarity": mean_across_ranks(result["positive_similarity"]),
        "negative_similarity": mean_across_ranks(result["negative_similarity"]),
    }


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    return run_two_ranks(train_step_on, tmp_path_factory.mktemp("ranks"))


@pytest.fixture(scope="module")
def single() -> dict:
    layer = linear()
    images = torch.cat([images_of(rank) for rank in range(WORLD)], dim=1).requires_grad_()
    result = NTXent(temperature=0.2)(layer(images), NONE, None)
    result["loss"].backward()
    return {**result, "weight": layer.weight.grad, "bias": layer.bias.grad, "input": images.grad}


@pytest.mark.parametrize(
    "quantity", ["loss", "weight", "bias", "positive_similarity", "negative_similarity"]
)
def test_two_ranks_equal_one_process(quantity: str, ranks: list[dict], single: dict) -> None:
    for r in ranks:
        expected = single[quantity].detach()
        # A bias shifts all embeddings, so its gradient is a small sum of large terms.
        torch.testing.assert_close(r[quantity], expected, rtol=1e-9, atol=1e-12)


def test_ranks_hold_their_own_anchors(ranks: list[dict], single: dict) -> None:
    by_rank = [r["per_anchor"].unflatten(0, (2, IMAGES)) for r in ranks]
    whole = single["per_anchor"].unflatten(0, (2, WORLD * IMAGES))
    torch.testing.assert_close(torch.cat(by_rank, dim=1), whole, rtol=1e-12, atol=0)


def test_local_gradients_are_the_world_size_times_the_single_ones(
    ranks: list[dict], single: dict
) -> None:
    # Each rank takes the mean over its own anchors, W times fewer; averaging parameter gradients
    # over ranks divides by W again.
    together = torch.cat([r["input"] for r in ranks], dim=1)
    torch.testing.assert_close(together, WORLD * single["input"], rtol=1e-9, atol=1e-12)


def test_local_negatives_would_be_another_loss(ranks: list[dict]) -> None:
    # Guards the comparison above: were nothing gathered, it could not pass by accident.
    layer = linear()
    alone = [nt_xent(*layer(images_of(rank)), temperature=0.2) for rank in range(WORLD)]
    assert abs(torch.stack(alone).mean() - ranks[0]["loss"]) > 0.1


def mixed_precision_gradient_on(rank: int, embeddings: Tensor) -> dict:
    z = embeddings[:, rank].to(torch.bfloat16).requires_grad_()
    NTXent(temperature=0.2)(z, NONE, None)["loss"].backward()
    return {"grad": z.grad}


def test_half_precision_gradients_are_summed_in_float32(tmp_path: Path) -> None:
    embeddings = torch.randn(2, WORLD, IMAGES, SIZE, generator=torch.Generator().manual_seed(3))
    ranks = run_two_ranks(mixed_precision_gradient_on, tmp_path, embeddings)
    z = embeddings.flatten(1, 2).to(torch.bfloat16).requires_grad_()
    NTXent(temperature=0.2)(z, NONE, None)["loss"].backward()
    assert z.grad is not None
    # Rounded to bfloat16 once, as in one process; a sum of rounded halves differs in places. Not
    # asked of every entry: float32 noise may turn a tie.
    together = torch.cat([r["grad"] for r in ranks], dim=1)
    assert (together == WORLD * z.grad).float().mean() > 0.95


# --- one process ----------------------------------------------------------------------------------


def test_forward_gives_the_function_and_what_to_watch() -> None:
    online = torch.randn(2, 7, 3, requires_grad=True)
    result = NTXent(temperature=0.3)(online, online, None)
    torch.testing.assert_close(result["loss"], nt_xent(*online, temperature=0.3))
    assert result["per_anchor"].shape == (14,)
    torch.testing.assert_close(result["per_anchor"].mean(), result["loss"].detach())
    cosine = nn.functional.cosine_similarity(online[0], online[1]).mean().detach()
    torch.testing.assert_close(result["positive_similarity"], cosine)
    assert {name for name, value in result.items() if value.requires_grad} == {"loss"}
    assert all(value.ndim == 0 for name, value in result.items() if name != "per_anchor")


def test_collapse_shows_in_the_similarities() -> None:
    result = NTXent()(torch.ones(2, 8, 3), torch.ones(2, 8, 3), None)
    torch.testing.assert_close(result["positive_similarity"].item(), 1.0)
    torch.testing.assert_close(result["negative_similarity"].item(), 1.0)
    torch.testing.assert_close(result["loss"].item(), math.log(15))


def test_routes_and_default() -> None:
    assert NTXent().routes == Routes(online=(0, 1), target=())
    assert NTXent().temperature == 0.1
    assert "temperature=0.3" in repr(NTXent(temperature=0.3))


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_temperature_is_checked_when_it_is_set(temperature: float) -> None:
    with pytest.raises(ValueError, match=f"temperature .* got {temperature}"):
        NTXent(temperature=temperature)


@pytest.mark.parametrize("shape", [(3, 4, 8), (1, 4, 8), (4, 8)])
def test_two_views_are_needed(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"online must hold two views.*got shape"):
        NTXent()(torch.ones(shape), torch.ones(shape), None)
