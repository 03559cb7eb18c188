import io

import pytest
import torch
from torch import Tensor

from sslkit.functional import unit_rows
from sslkit.nn import Queue


def embeddings(n: int, d: int = 3, *, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def slow_enqueue(rows: list[Tensor], position: int, new: Tensor) -> int:
    """One row after the other."""
    for row in new:
        rows[position] = row / row.norm()
        position = (position + 1) % len(rows)
    return position


def test_it_starts_with_random_unit_rows_of_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PL_GLOBAL_SEED", "1")
    first, again = Queue(50, 8), Queue(50, 8)
    assert torch.equal(first.rows, again.rows)
    torch.testing.assert_close(first.rows.norm(dim=1), torch.ones(50))
    assert first.rows.unique(dim=0).shape == (50, 8)
    assert first.labels.tolist() == first.index.tolist() == [-1] * 50
    assert (first.position, first.filled) == (0, 0)
    monkeypatch.setenv("PL_GLOBAL_SEED", "2")
    assert not torch.equal(Queue(50, 8).rows, first.rows)


@pytest.mark.parametrize("batches", [[2, 2, 2], [4, 4, 4], [5], [3, 7, 1], [12], [13, 2], [1] * 9])
def test_wraps_around_exactly_for_any_batch_size(batches: list[int]) -> None:
    queue = Queue(5, 3)
    rows, labels, position, seen = list(queue.rows.clone()), [-1] * 5, 0, 0
    for step, size in enumerate(batches):
        new = embeddings(size, seed=step)
        numbers = torch.arange(seen, seen + size)
        queue.enqueue(new, numbers, 10 * numbers)
        for number in numbers.tolist():
            labels[number % 5] = number
        position = slow_enqueue(rows, position, new)
        seen += size
        torch.testing.assert_close(queue.rows, torch.stack(rows))
        assert queue.labels.tolist() == labels
        assert queue.index.tolist() == [10 * n if n >= 0 else -1 for n in labels]
        assert queue.position == position == seen % 5
        assert queue.filled == min(seen, 5)


def test_after_as_many_rows_as_it_has_it_holds_the_last_ones() -> None:
    queue = Queue(8, 3)
    batches = [embeddings(4, seed=step) for step in range(3)]
    for batch in batches:
        queue.enqueue(batch)
    last = unit_rows(torch.cat([batches[2], batches[1]]))
    torch.testing.assert_close(queue.rows, last)


def test_rows_without_a_single_label_are_marked_unknown() -> None:
    queue = Queue(4, 3)
    queue.enqueue(embeddings(4), torch.tensor([7, -1, 5, 6]), torch.arange(4))
    queue.enqueue(embeddings(1))
    queue.enqueue(embeddings(1), torch.tensor([[True, False, True]]), torch.tensor([9]))
    assert queue.labels.tolist() == [-1, -1, 5, 6]
    assert queue.index.tolist() == [-1, 9, 2, 3]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_rows_of_any_precision_are_normalised_in_a_wide_one(dtype: torch.dtype) -> None:
    queue, rows = Queue(4, 3), embeddings(4).to(dtype).requires_grad_()
    queue.enqueue(rows)
    assert queue.rows.dtype == torch.float32 and not queue.rows.requires_grad
    torch.testing.assert_close(queue.rows, unit_rows(rows.detach().double()).float())


def test_a_snapshot_stands_still() -> None:
    queue = Queue(4, 3)
    before = queue.snapshot()
    x = embeddings(2).requires_grad_()
    loss = (x @ before.T).square().sum()
    expected = torch.autograd.grad(loss, x, retain_graph=True)[0]
    queue.enqueue(embeddings(4))
    assert not torch.equal(queue.rows, before)
    torch.testing.assert_close(torch.autograd.grad(loss, x)[0], expected)


def test_all_of_it_is_in_the_checkpoint_once() -> None:
    queue = Queue(5, 3)
    queue.enqueue(embeddings(7), torch.arange(7), torch.arange(7))
    file = io.BytesIO()
    torch.save(queue.state_dict(), file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    assert set(state) == {"rows", "labels", "index", "position", "filled"}
    assert len({x.untyped_storage().data_ptr() for x in state.values()}) == 5
    assert sum(x.numel() for x in state.values()) == 5 * 3 + 2 * 5 + 2
    resumed = Queue(5, 3)
    resumed.load_state_dict(state)
    for one in (queue, resumed):
        one.enqueue(embeddings(4, seed=9))
    for name, value in queue.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_the_dtype_of_the_rows_follows_the_module() -> None:
    queue = Queue(4, 3).double()
    queue.enqueue(embeddings(2).double())
    assert queue.rows.dtype == torch.float64
    assert queue.labels.dtype == queue.position.dtype == torch.int64
    torch.testing.assert_close(queue.rows[:2], unit_rows(embeddings(2).double()))


def test_arguments_are_checked() -> None:
    with pytest.raises(ValueError, match="size=0 and dim=3"):
        Queue(0, 3)
    queue = Queue(4, 3)
    with pytest.raises(ValueError, match=r"rows must be \(B, 3\), got \(2, 5\)"):
        queue.enqueue(embeddings(2, 5))
    with pytest.raises(ValueError, match=r"labels must be \(2,\).*got \(3,\)"):
        queue.enqueue(embeddings(2), torch.arange(3))
    assert "size=4, dim=3" in repr(queue)


def test_a_guides_features_go_in_beside_the_rows() -> None:
    queue = Queue(3, 2, guide_dim=4)
    assert queue.guide is not None and not queue.guide.any()
    features = torch.arange(20.0).view(5, 4).bfloat16()
    queue.enqueue(torch.randn(2, 2), index=torch.arange(2), guide=features[:2])
    queue.enqueue(torch.randn(3, 2), index=torch.arange(2, 5), guide=features[2:])
    assert torch.equal(queue.guide, features[queue.index].float())
    with pytest.raises(ValueError, match=r"guide must be \(2, 4\), got None"):
        queue.enqueue(torch.randn(2, 2))
    with pytest.raises(ValueError, match=r"got \(2, 3\)"):
        queue.enqueue(torch.randn(2, 2), guide=torch.randn(2, 3))
    with pytest.raises(ValueError, match="guide_dim must be at least 1"):
        Queue(3, 2, guide_dim=0)


def test_without_a_guide_nothing_is_kept_of_it() -> None:
    queue = Queue(3, 2)
    assert queue.guide is None
    assert "guide" not in queue.state_dict()
