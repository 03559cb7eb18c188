import math

import pytest
import torch
from largest import Largest

from sslkit.functional import knn
from sslkit.functional.knn import knn_scores, nearest_neighbours


def example(queries: int = 7, bank: int = 23, width: int = 5, classes: int = 4):
    g = torch.Generator().manual_seed(3)
    return (
        torch.randn(queries, width, generator=g, dtype=torch.float64),
        torch.randn(bank, width, generator=g, dtype=torch.float64),
        torch.randint(classes, (bank,), generator=g),
    )


def double_loop(queries, bank, labels, k, temperature, classes):
    scores = torch.zeros(len(queries), classes, dtype=torch.float64)
    for i, q in enumerate(queries):
        cosines = []
        for j, b in enumerate(bank):
            dot = sum(float(a) * float(c) for a, c in zip(q, b, strict=True))
            norms = math.sqrt(sum(float(a) ** 2 for a in q) * sum(float(c) ** 2 for c in b))
            cosines.append((dot / norms, int(labels[j])))
        cosines.sort(reverse=True)
        for cosine, label in cosines[:k]:
            if temperature is None:
                scores[i, label] += 1
            else:
                scores[i, label] += math.exp((cosine - cosines[0][0]) / temperature)
    return scores


@pytest.mark.parametrize("k", [1, 4, 23])
@pytest.mark.parametrize("chunk", [2, 512])
@pytest.mark.parametrize("temperature", [0.1, None])
def test_equals_a_double_loop(k, chunk, temperature):
    queries, bank, labels = example()
    scores = knn_scores(
        queries, bank, labels, k=k, num_classes=4, temperature=temperature, chunk=chunk
    )
    torch.testing.assert_close(scores, double_loop(queries, bank, labels, k, temperature, 4))


def test_equals_a_double_loop_where_the_neighbours_are_found_by_groups():
    queries, bank, labels = example(queries=3, bank=203)
    scores = knn_scores(queries, bank, labels, k=5, num_classes=4, temperature=0.1)
    torch.testing.assert_close(scores, double_loop(queries, bank, labels, 5, 0.1, 4))


def test_neighbours_come_in_chunks_and_nearest_first():
    queries, bank, _ = example()
    cosines = torch.nn.functional.cosine_similarity(queries.unsqueeze(1), bank, dim=2)
    expected = cosines.topk(6, dim=1)
    parts = list(nearest_neighbours(queries, bank, k=6, chunk=3))
    assert [len(index) for _, index in parts] == [3, 3, 1]
    torch.testing.assert_close(torch.cat([cosine for cosine, _ in parts]), expected.values)
    assert torch.equal(torch.cat([index for _, index in parts]), expected.indices)


@pytest.mark.parametrize("block", [1, 5, 16, 23])
@pytest.mark.parametrize("k", [1, 6, 23])
def test_a_bank_that_is_met_in_parts_gives_the_same_neighbours(monkeypatch, block, k):
    queries, bank, labels = example()
    whole = list(nearest_neighbours(queries, bank, k=k, chunk=3))
    monkeypatch.setattr(knn, "_BANK_ROWS", block)
    parts = list(nearest_neighbours(queries, bank, k=k, chunk=3))
    for (cosine, index), (expected, rows) in zip(parts, whole, strict=True):
        torch.testing.assert_close(cosine, expected)
        assert torch.equal(index, rows)
    scores = knn_scores(queries, bank, labels, k=k, num_classes=4, temperature=0.1)
    torch.testing.assert_close(scores, double_loop(queries, bank, labels, k, 0.1, 4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_memory_does_not_grow_with_the_bank(monkeypatch, dtype):
    monkeypatch.setattr(knn, "_BANK_ROWS", 64)
    bank = torch.randn(5000, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    # Columns of a wider matrix, as the features of one layer are.
    for rows in (bank, bank[:, :6]):
        with Largest() as memory:
            list(nearest_neighbours(rows[:40], rows, k=5, chunk=10))
        assert memory.made <= 64 * 10


def test_rows_of_zeros_have_cosine_zero():
    queries, bank, _ = example()
    queries[0], bank[2] = 0, 0
    (cosine, index), *_ = nearest_neighbours(queries, bank, k=23)
    assert torch.equal(cosine[0], torch.zeros(23, dtype=torch.float64))
    assert (cosine[index == 2] == 0).all()
    assert cosine.isfinite().all()


def test_several_k_in_one_pass_equal_one_at_a_time():
    queries, bank, labels = example()
    together = knn_scores(queries, bank, labels, k=(9, 2, 9), num_classes=4)
    assert list(together) == [9, 2]
    for k, scores in together.items():
        alone = knn_scores(queries, bank, labels, k=k, num_classes=4)
        torch.testing.assert_close(scores, alone, rtol=0, atol=0)


def test_weights_let_one_near_neighbour_outvote_two_far_ones():
    bank = torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.6, -0.8]])
    labels = torch.tensor([0, 1, 1])
    query = torch.tensor([[2.0, 0.0]])
    sharp = knn_scores(query, bank, labels, k=3, num_classes=2, temperature=0.07)
    flat = knn_scores(query, bank, labels, k=3, num_classes=2, temperature=100.0)
    assert sharp.argmax(1).item() == 0
    assert flat.argmax(1).item() == 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_inputs_are_scored_in_float32(dtype):
    queries, bank, labels = example()
    with torch.autocast("cpu", torch.bfloat16):
        scores = knn_scores(queries.to(dtype), bank.to(dtype), labels, k=5, num_classes=4)
    exact = knn_scores(
        queries.to(dtype).float(), bank.to(dtype).float(), labels, k=5, num_classes=4
    )
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, exact, rtol=0, atol=0)


def test_stays_finite_at_a_tiny_temperature_and_any_feature_scale():
    queries, bank, labels = example()
    for scale in (1e-4, 1e4):
        scores = knn_scores(
            queries.float() * scale, bank.float(), labels, k=5, num_classes=4, temperature=1e-3
        )
        assert scores.isfinite().all()
        assert (scores.amax(1) >= 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"k": 24}, r"k=24 .* only 23 rows"),
        ({"k": (3, 24)}, r"k=24 .* only 23 rows"),
        ({"k": 0}, "at least 1"),
        ({"k": ()}, "at least 1"),
        ({"temperature": 0.0}, "temperature .* got 0.0"),
        ({"chunk": 0}, "chunk=0"),
        ({"num_classes": 3}, "from 0 to 3"),
    ],
)
def test_says_what_is_wrong(change, message):
    queries, bank, labels = example()
    arguments = {"k": 3, "num_classes": 4} | change
    with pytest.raises(ValueError, match=message):
        knn_scores(queries, bank, labels, **arguments)


def test_refuses_unlabelled_bank_rows_and_shapes_that_do_not_fit():
    queries, bank, labels = example()
    with pytest.raises(ValueError, match="unlabelled"):
        knn_scores(queries, bank, labels - 1, k=3, num_classes=4)
    with pytest.raises(ValueError, match=r"queries \(7, 4\)"):
        knn_scores(queries[:, :4], bank, labels, k=3, num_classes=4)
    with pytest.raises(ValueError, match=r"labels \(22,\)"):
        knn_scores(queries, bank, labels[1:], k=3, num_classes=4)
