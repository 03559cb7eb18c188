import warnings
from itertools import combinations

import oracle
import pytest
import torch
from torch import Tensor

from sslkit.functional import w_mse, w_mse_per_image, whiten


def rows(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def orders(images: int, count: int = 1, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([torch.randperm(images, generator=generator) for _ in range(count)])


# --- values and gradients -------------------------------------------------------------------------


@pytest.mark.parametrize("name", oracle.case_names("objectives", "wmse."))
def test_equals_the_authors_code_in_value_and_gradient(name: str) -> None:
    case = oracle.case("objectives", name)
    inputs = [case.inputs[k].requires_grad_() for k in sorted(case.inputs)]
    images = len(inputs[0])
    loss = w_mse(
        torch.stack(inputs),
        # Without slices the whole batch is one, in any order.
        permutations=case.outputs.get("perms", torch.arange(images)[None]),
        slice_size=case.params.get("w_size", images),
        eps=case.params.get("eps", 0.0),
        distance="euclidean" if "euclid" in name else "cosine",
    )
    loss.backward()
    torch.testing.assert_close(loss.detach(), case.outputs["loss"], rtol=1e-8, atol=0)
    for name_, z in zip(sorted(case.inputs), inputs, strict=True):
        torch.testing.assert_close(z.grad, case.outputs[f"grad_{name_}"], rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("name", oracle.case_names("objectives", "wmse.cosine."))
def test_equals_the_authors_whitened_rows(name: str) -> None:
    case = oracle.case("objectives", name)
    for view in ("z1", "z2"):
        white = whiten(case.inputs[view], eps=case.params["eps"])
        torch.testing.assert_close(white, case.outputs[f"whitened_{view}"], rtol=1e-8, atol=1e-10)


def slow_whiten(x: list[list[float]], eps: float) -> list[list[float]]:
    """Centring, covariance, Cholesky factor and forward substitution, one scalar at a time."""
    n, d = len(x), len(x[0])
    mean = [sum(row[a] for row in x) / n for a in range(d)]
    x = [[row[a] - mean[a] for a in range(d)] for row in x]
    factor = [[0.0] * d for _ in range(d)]
    for a in range(d):
        for b in range(a + 1):
            value = (1 - eps) * sum(row[a] * row[b] for row in x) / (n - 1) + eps * (a == b)
            value -= sum(factor[a][c] * factor[b][c] for c in range(b))
            factor[a][b] = value**0.5 if a == b else value / factor[b][b]
    white = []
    for row in x:
        y: list[float] = []
        for a in range(d):
            y.append((row[a] - sum(factor[a][c] * y[c] for c in range(a))) / factor[a][a])
        white.append(y)
    return white


@pytest.mark.parametrize("eps", [0.0, 0.3])
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_equals_the_loops(distance: str, eps: float) -> None:
    views, permutations, size = rows(3, 12, 2), orders(12, 2), 4
    expected = [0.0] * 12
    for order in permutations.tolist():
        for start in range(0, 12, size):
            images = order[start : start + size]
            white = [slow_whiten(view[images].tolist(), eps) for view in views]
            for a, b in combinations(white, 2):
                for image, y, z in zip(images, a, b, strict=True):
                    if distance == "cosine":
                        dot = sum(p * q for p, q in zip(y, z, strict=True))
                        norms = (sum(p * p for p in y) * sum(q * q for q in z)) ** 0.5
                        value = 2 - 2 * dot / norms
                    else:
                        value = sum((p - q) ** 2 for p, q in zip(y, z, strict=True)) / 2
                    expected[image] += value / 3 / 2  # pairs of views, permutations
    options = {"permutations": permutations, "slice_size": size, "eps": eps, "distance": distance}
    found = w_mse_per_image(views, **options)
    torch.testing.assert_close(found, torch.tensor(expected).double(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(w_mse(views, **options), found.mean())


# --- what the formula promises --------------------------------------------------------------------


def test_whitened_rows_have_mean_zero_and_covariance_one() -> None:
    x = rows(40, 6) @ rows(6, 6, seed=1) + 3
    white = whiten(x)
    torch.testing.assert_close(white.mean(0), torch.zeros(6).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(white.T.cov(), torch.eye(6).double(), rtol=0, atol=1e-10)
    assert white.square().sum(1).mean().item() == pytest.approx(6 * 39 / 40)


def test_invariant_to_lower_triangular_maps_only() -> None:
    x = rows(30, 4)
    lower = torch.tril(rows(4, 4, seed=1), -1) + torch.diag(torch.tensor([1.0, 0.3, 2, 5]))
    torch.testing.assert_close(whiten(x @ lower.T + 7), whiten(x), rtol=1e-9, atol=1e-9)
    general = rows(4, 4, seed=2)
    assert (whiten(x @ general.T) - whiten(x)).abs().max() > 0.1


def test_eps_one_only_centres() -> None:
    x = rows(30, 4)
    torch.testing.assert_close(whiten(x, eps=1.0), x - x.mean(0))


def test_identical_views_have_no_distance() -> None:
    x = rows(16, 3)
    for distance in ("cosine", "euclidean"):
        loss = w_mse(torch.stack([x, x]), permutations=orders(16), slice_size=8, distance=distance)
        assert loss.item() == pytest.approx(0, abs=1e-14)


def test_euclidean_distance_is_a_mean_over_dimensions() -> None:
    a, b = rows(2, 16, 3)
    loss = w_mse(torch.stack([a, b]), permutations=orders(16), slice_size=16, distance="euclidean")
    torch.testing.assert_close(loss, torch.nn.functional.mse_loss(whiten(a), whiten(b)))


def test_two_views_are_a_single_pair() -> None:
    a, b = rows(2, 16, 3)
    loss = w_mse(torch.stack([a, b]), permutations=orders(16), slice_size=16)
    cosine = torch.cosine_similarity(whiten(a), whiten(b))
    torch.testing.assert_close(loss, (2 - 2 * cosine).mean())


@pytest.mark.parametrize(("b", "distance"), [([5.0, 9.0], 0.0), ([9.0, 5.0], 4.0)])
def test_two_images_of_one_dimension_are_alike_or_opposite(b: list[float], distance: float) -> None:
    views = torch.tensor([[1.0, 2.0], b])[..., None]
    loss = w_mse(views, permutations=orders(2), slice_size=2)
    assert loss.item() == pytest.approx(distance)


def test_more_views_are_the_mean_of_their_pairs() -> None:
    views, options = rows(4, 16, 3), {"permutations": orders(16, 2), "slice_size": 8}
    pairs = [w_mse(torch.stack(pair), **options) for pair in combinations(views, 2)]
    torch.testing.assert_close(w_mse(views, **options), torch.stack(pairs).mean())


def test_iterations_are_averaged() -> None:
    views, three = rows(2, 16, 3), orders(16, 3)
    single = [w_mse(views, permutations=p[None], slice_size=8) for p in three]
    assert torch.stack(single).std() > 1e-3
    together = w_mse(views, permutations=three, slice_size=8)
    torch.testing.assert_close(together, torch.stack(single).mean())


def test_losses_are_in_the_order_of_the_images() -> None:
    views = rows(2, 16, 3)
    views[1, 5] = -9 * views[0, 5]
    views[1, :5], views[1, 6:] = views[0, :5], views[0, 6:]
    loss = w_mse_per_image(views, permutations=orders(16), slice_size=16)
    assert loss.argmax() == 5


# --- embeddings without full rank -----------------------------------------------------------------


def test_a_dependent_dimension_is_repaired_with_a_warning() -> None:
    x = rows(30, 3)
    flat = torch.cat([x, torch.zeros(30, 1)], dim=1).requires_grad_()
    with pytest.warns(UserWarning, match="1 of 1 covariances .* had no Cholesky factor"):
        white = whiten(flat)
    torch.testing.assert_close(white[:, :3], whiten(x), rtol=1e-4, atol=1e-4)
    assert white[:, 3].abs().max() == 0
    white.square().sum().backward()
    assert flat.grad is not None and flat.grad.isfinite().all()


def test_only_the_slice_in_need_is_repaired() -> None:
    views = rows(2, 32, 3)
    views[0, 8:16, 2] = 0  # one slice of one view
    order = torch.arange(32)[None]
    with pytest.warns(UserWarning, match="1 of 8 covariances"):
        loss = w_mse_per_image(views, permutations=order, slice_size=8)
    sound = torch.cat([views[:, :8], views[:, 16:]], dim=1)
    expected = w_mse_per_image(sound, permutations=torch.arange(24)[None], slice_size=8)
    torch.testing.assert_close(torch.cat([loss[:8], loss[16:]]), expected, rtol=1e-12, atol=0)
    assert loss.isfinite().all()


@pytest.mark.parametrize("scale", [1e-4, 1.0, 1e4])
def test_repair_is_relative_to_the_embeddings_size(scale: float) -> None:
    x = torch.cat([rows(30, 3), torch.zeros(30, 1)], dim=1).float()
    with pytest.warns(UserWarning, match="Cholesky"):
        white, scaled = whiten(x), whiten(scale * x)
    torch.testing.assert_close(scaled, white, rtol=1e-3, atol=1e-4)


def test_total_collapse_is_finite() -> None:
    with pytest.warns(UserWarning, match="look for collapse"):
        assert whiten(torch.ones(8, 4)).abs().max() == 0


def test_embeddings_that_are_not_finite_stay_so_and_are_not_called_dependent() -> None:
    x = rows(16, 3)
    x[2, 1] = torch.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert whiten(x).isnan().any()


# --- errors ---------------------------------------------------------------------------------------


def test_whitening_needs_more_rows_than_features() -> None:
    message = r"whiten\(\) needs more rows than features, got 64 x 128: .* more than 128"
    with pytest.raises(ValueError, match=message):
        whiten(torch.ones(64, 128))
    with pytest.raises(ValueError, match="got 3 x 3"):
        whiten(torch.ones(3, 3), eps=0.5)
    with pytest.raises(ValueError, match=r"w_mse\(\) needs .* got 4 x 4: .* slice_size"):
        w_mse(rows(2, 8, 4), permutations=orders(8), slice_size=4)


def test_arguments_are_checked() -> None:
    views = rows(2, 16, 3)
    good = {"permutations": orders(16), "slice_size": 8}
    for changed, message in (
        ({"slice_size": 6}, "slices of 6 images, which do not fill a batch of 16"),
        ({"eps": 1.5}, "eps .* got 1.5"),
        ({"distance": "manhattan"}, "distance .* got 'manhattan'"),
        ({"permutations": orders(15)}, "permutations must be int64 .* got torch.int64 .1, 15."),
        ({"permutations": orders(16)[0]}, "permutations must be int64"),
        ({"permutations": orders(16).float()}, "got torch.float32"),
        ({"permutations": torch.zeros(1, 16, dtype=torch.int64)}, "each of 0 to 15 once"),
    ):
        with pytest.raises(ValueError, match=message):
            w_mse(views, **{**good, **changed})
    with pytest.raises(ValueError, match="at least two views"):
        w_mse(views[:1], **good)
    with pytest.raises(ValueError, match="takes a matrix"):
        whiten(views)
