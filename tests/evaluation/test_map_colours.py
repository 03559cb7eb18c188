import torch

from sslkit.evaluation.map_colours import map_colours


def test_places_of_like_features_have_like_colours():
    kinds = torch.eye(8)[:4]
    where = torch.randint(0, 4, (3, 5, 5), generator=torch.Generator().manual_seed(0))
    length = torch.rand(3, 5, 5, generator=torch.Generator().manual_seed(1)) + 0.5
    maps = (kinds[where] * length[..., None]).permute(0, 3, 1, 2)
    colours = map_colours(maps)
    assert colours.shape == (3, 5, 5, 3) and 0 <= colours.min() and colours.max() <= 1
    own = [colours[where == kind] for kind in range(4)]
    assert all((found - found[0]).abs().max() < 1e-4 for found in own)  # whatever their length
    apart = torch.stack([found[0] for found in own])
    assert torch.pdist(apart).min() > 0.3
    assert torch.equal(colours, map_colours(maps))


def test_a_component_that_is_not_there_is_grey():
    maps = torch.zeros(1, 4, 2, 2)
    assert torch.equal(map_colours(maps), torch.full((1, 2, 2, 3), 0.5))
    maps[0, 0] = torch.tensor([[1.0, 1.0], [1.0, -1.0]])
    colours = map_colours(maps)
    assert (colours[..., 1:] == 0.5).all()
    assert colours[0, 1, 1, 0] == 0 and colours[0, 0, 0, 0] == 1
