import torch
from torch import nn

from sslkit.methods.branches import targets, through
from sslkit.objectives import Routes


def test_views_together_share_batch_statistics_and_one_by_one_do_not():
    views = [torch.randn(4, 3), 5 + torch.randn(4, 3)]
    norm = nn.BatchNorm1d(3)
    together = through(norm, views, jointly=True)
    expected = norm(torch.cat(views)).unflatten(0, (2, 4))
    torch.testing.assert_close(together, expected)
    apart = through(norm, views, jointly=False)
    torch.testing.assert_close(apart.mean(1), torch.zeros(2, 3), atol=1e-5, rtol=0)
    assert together.mean(1).abs().min() > 0.5


def test_views_of_different_sizes_keep_their_order():
    class Pool(nn.Module):
        def forward(self, x):
            return x.mean((2, 3))

    sizes = (8, 4, 8, 4)
    views = [torch.full((2, 1, s, s), float(i)) for i, s in enumerate(sizes)]
    out = through(Pool(), views, jointly=True)
    assert out[:, 0, 0].tolist() == [0, 1, 2, 3]


def test_target_branches_are_those_that_the_routes_ask_for():
    assert targets(Routes(online=(0, 1), target=())) == []
    assert targets(Routes(online=(0,), target=(1,))) == [(1,)]
    assert targets(Routes((0, 1, 2), (0, 1), second_target=(0, 2))) == [(0, 1), (0, 2)]
