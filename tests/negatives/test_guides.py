from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sslkit.negatives.guides import FrozenGuide
from sslkit.negatives.masks import FalseNegativeMask
from sslkit.nn import Encoder
from sslkit.nn.checkpoint import FORMAT

SMALL = {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]}


def encoder(**options: object) -> Encoder:
    return Encoder("resnet18", small_images=True, options=SMALL, **options)  # type: ignore[arg-type]


def views(n: int = 3, side: int = 16) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_features_are_the_encoders_in_unit_length() -> None:
    net = encoder()
    guide = FrozenGuide(net)
    assert guide.num_features == net.num_features == 8
    features = guide(views())
    assert features.shape == (3, 8) and not features.requires_grad
    torch.testing.assert_close(features.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(features, nn.functional.normalize(net.eval()(views()), dim=1))


def test_it_is_no_part_of_what_is_trained_or_saved_but_moves_along() -> None:
    plugin = FalseNegativeMask(guide=FrozenGuide(net := encoder()))
    model = nn.Sequential(nn.Linear(2, 2), plugin)
    assert len(list(model.parameters())) == 2
    assert sorted(model.state_dict()) == ["0.bias", "0.weight"]
    model.load_state_dict(model.state_dict(), strict=True)
    model.train()
    assert not any(module.training for module in net.modules())
    before = {name: x.clone() for name, x in net.state_dict().items()}
    plugin.guide(views())  # type: ignore[operator]
    assert all(torch.equal(x, before[name]) for name, x in net.state_dict().items())
    assert not any(p.requires_grad for p in net.parameters())
    model.double()
    assert next(net.parameters()).dtype == torch.float64
    assert plugin.guide(views()).dtype == torch.float64  # type: ignore[operator]


def test_views_are_normalised_anew_once_their_statistics_are_known() -> None:
    net = encoder()
    images = views().sigmoid()
    m, s = [0.2, 0.3, 0.4], [0.5, 0.6, 0.7]
    own_m, own_s = [0.48, 0.45, 0.4], [0.23, 0.22, 0.21]

    def normal(mean: list[float], std: list[float]) -> Tensor:
        return (images - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)

    guide = FrozenGuide(net, mean=own_m, std=own_s)
    as_they_come = guide(normal(m, s))
    torch.testing.assert_close(as_they_come, FrozenGuide(net)(normal(m, s)))
    guide.set_statistics(m, s)
    torch.testing.assert_close(guide(normal(m, s)), FrozenGuide(net)(normal(own_m, own_s)))
    assert (guide(normal(m, s)) - as_they_come).abs().max() > 1e-3


def test_what_an_encoder_expects_is_its_own_or_timms() -> None:
    known = encoder()
    known.set_statistics([0.5, 0.5, 0.5], [0.25, 0.25, 0.25])
    imagenet = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    for net, (mean, std) in ((known, ([0.5] * 3, [0.25] * 3)), (encoder(), imagenet)):
        guides = FrozenGuide(net), FrozenGuide(net, mean=mean, std=std)
        for guide in guides:
            guide.set_statistics([0.1] * 3, [0.2] * 3)
        assert torch.equal(*(guide(views()) for guide in guides))


def test_a_guide_of_one_size_sees_views_of_that_size() -> None:
    sizes: list[int] = []
    net = encoder(image_size=24)
    net.backbone.register_forward_pre_hook(lambda _, given: sizes.append(given[0].shape[-1]))
    FrozenGuide(net)(views(side=16))
    vit = Encoder(
        "vit_tiny_patch16_224", image_size=32, options={"depth": 1, "embed_dim": 24, "num_heads": 2}
    )
    assert FrozenGuide(vit)(views(side=16)).shape == (3, 24)
    assert sizes == [24]


def test_the_encoder_of_a_run(tmp_path: Path) -> None:
    net = encoder(image_size=16)
    net.set_statistics([0.5] * 3, [0.25] * 3)
    state = {f"encoder.{name}": x for name, x in net.state_dict().items()}
    record = {"format": FORMAT, "version": "0", "encoder": net.spec()}
    path = tmp_path / "run.ckpt"
    torch.save({"state_dict": state, "sslkit": record}, path)
    torch.testing.assert_close(FrozenGuide(checkpoint=path)(views()), FrozenGuide(net)(views()))


def test_two_of_the_same_weights_and_statistics_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save(encoder().backbone.state_dict(), path)
    guide = FrozenGuide(encoder(weights=path))
    assert guide.same_as(guide)
    assert guide.same_as(FrozenGuide(encoder(weights=path)))
    assert guide.same_as(FrozenGuide(encoder(weights=path), mean=(0.485, 0.456, 0.406)))
    for other in (
        FrozenGuide(encoder()),
        FrozenGuide(encoder(weights=path), mean=[0.5, 0.5, 0.5]),
        FrozenGuide(encoder(weights=path, image_size=24)),
        encoder(weights=path),
        "momentum",
    ):
        assert not guide.same_as(other)


def test_both_or_neither_encoder_is_refused() -> None:
    for arguments in ({}, {"encoder": encoder(), "checkpoint": "run.ckpt"}):
        with pytest.raises(ValueError, match="an encoder or a checkpoint of one, and not both"):
            FrozenGuide(**arguments)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        FrozenGuide(checkpoint="nowhere.ckpt")


def test_statistics_and_views_of_other_channels_are_refused() -> None:
    guide = FrozenGuide(encoder())
    with pytest.raises(ValueError, match="one value for each of the guide's 3"):
        guide.set_statistics([0.5], [0.5])
    with pytest.raises(ValueError, match="std above 0"):
        FrozenGuide(encoder(), std=[0.0, 1.0, 1.0])
    with pytest.raises(ValueError, match=r"takes 3 channel\(s\) and the views have 1"):
        guide(torch.zeros(2, 1, 16, 16))
