import pytest
import torch

from sslkit.functional.hardest import hardest_columns


@pytest.mark.parametrize(
    ("size", "count"),
    [(1, 1), (7, 7), (40, 3), (64, 2), (67, 2), (320, 10), (327, 10), (1000, 31), (1000, 40)],
)
def test_equals_topk_where_no_scores_are_equal(size: int, count: int) -> None:
    generator = torch.Generator().manual_seed(size)
    scores = torch.stack([torch.randperm(size, generator=generator) for _ in range(20)]).double()
    values, columns = hardest_columns(scores, count)
    expected = scores.topk(count, dim=1)
    assert torch.equal(values, expected.values) and torch.equal(columns, expected.indices)


def test_scores_in_one_group_are_all_found() -> None:
    # Columns 0, 10, 20, ... 70 of 80 form a group; the last seven columns belong to none.
    scores = torch.zeros(1, 87)
    scores[0, [0, 10, 20, 86]] = torch.tensor([1.0, 3, 2, 4])
    assert hardest_columns(scores, 2)[1].tolist() == [[86, 10]]
    scores[0, 86] = 0
    assert hardest_columns(scores, 2)[1].tolist() == [[10, 20]]


def test_equal_scores_are_different_columns() -> None:
    scores = torch.randint(0, 3, (50, 200), generator=torch.Generator().manual_seed(0)).float()
    values, columns = hardest_columns(scores, 5)
    assert torch.equal(values, scores.topk(5, dim=1).values)
    assert torch.equal(values, scores.gather(1, columns))
    assert all(len(row.unique()) == 5 for row in columns)
