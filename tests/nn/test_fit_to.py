from pathlib import Path

import pytest
import timm
import torch

from sslkit.nn import Encoder

VIT = {"depth": 1, "embed_dim": 24, "num_heads": 2}
SWIN = {"depths": [1, 1, 1, 1], "embed_dim": 8, "num_heads": [1, 1, 1, 1]}
RESNET = {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]}


def vit(**changes) -> Encoder:
    return Encoder("vit_tiny_patch16_224", options=VIT, **changes)


def rebuilt(encoder: Encoder) -> Encoder:
    twin = Encoder.from_spec(encoder.spec())
    twin.load_state_dict(encoder.state_dict())
    return twin.eval()


@pytest.mark.parametrize(
    ("name", "options", "side"),
    [
        ("vit_tiny_patch16_224", VIT, 32),
        ("swin_tiny_patch4_window7_224", SWIN, 128),
        ("resnet18", RESNET, 40),
    ],
)
def test_views_say_what_the_encoder_is_built_for(name: str, options: dict, side: int) -> None:
    encoder = Encoder(name, options=options).eval()
    before = encoder.state_dict()
    encoder.fit_to((side, side))
    assert encoder.image_size == encoder.spec()["image_size"] == side
    images = torch.randint(256, (2, 3, 50, 60), dtype=torch.uint8)
    x = encoder.preprocess(images)
    assert x.shape == (2, 3, side, side)
    torch.testing.assert_close(rebuilt(encoder)(x), encoder(x), rtol=0, atol=0)
    # What does not depend on the size is what the seed drew for it.
    after = encoder.state_dict()
    kept = [name for name in after if after[name].shape == before[name].shape]
    assert len(kept) >= len(after) - 2
    assert all(torch.equal(after[name], before[name]) for name in kept)


def test_the_size_it_has_changes_nothing() -> None:
    encoder = vit()
    backbone = encoder.backbone
    encoder.fit_to((224,))
    assert encoder.backbone is backbone and encoder.image_size == 224
    encoder.fit_to(())
    assert encoder.image_size == 224


def test_new_position_embeddings_are_as_large_as_at_any_other_size() -> None:
    torch.manual_seed(0)
    encoder = Encoder("vit_tiny_patch16_224", options={"depth": 1})
    encoder.fit_to((64,))
    position = encoder.backbone.pos_embed
    assert position.shape == (1, 17, 192)
    assert position.std().item() == pytest.approx(0.02, rel=0.1)  # type: ignore[operator]


def test_weights_of_a_file_are_resampled(tmp_path: Path) -> None:
    source = timm.create_model("vit_tiny_patch16_224", num_classes=5, **VIT)
    positions = torch.arange(14.0).repeat(14)[None, :, None].expand(1, 196, 24)
    source.pos_embed.data[:, 1:] = positions  # type: ignore[index, union-attr]
    torch.save(source.state_dict(), tmp_path / "vit.pth")
    encoder = vit(weights=tmp_path / "vit.pth")
    encoder.fit_to((112, 112))
    resampled = encoder.backbone.pos_embed[0, 1:].unflatten(0, (7, 7))  # type: ignore[index]
    # A ramp from left to right; in the middle, half the steps are twice as far.
    torch.testing.assert_close(resampled[3, 2:5, 0], torch.tensor([4.5, 6.5, 8.5]))
    assert torch.equal(encoder.backbone.patch_embed.proj.weight, source.patch_embed.proj.weight)  # type: ignore[union-attr]
    assert rebuilt(encoder).eval()(torch.rand(1, 3, 112, 112)).shape == (1, 24)


def test_weights_that_cannot_be_resampled_are_refused(tmp_path: Path) -> None:
    options = {"depth": [1, 1, 1]}
    source = timm.create_model("levit_128s", **options)
    torch.save(source.state_dict(), tmp_path / "levit.pth")
    encoder = Encoder("levit_128s", weights=tmp_path / "levit.pth", options=options)
    with pytest.raises(ValueError, match=r"another size than image_size=128.*cannot resample"):
        encoder.fit_to((128,))


def test_frozen_parameters_stay_frozen_and_precision_and_mode_stay() -> None:
    encoder = vit().double().eval()
    encoder.backbone.patch_embed.requires_grad_(False)  # type: ignore[union-attr, operator]
    encoder.fit_to((32,))
    assert {n for n, p in encoder.named_parameters() if not p.requires_grad} == {
        "backbone.patch_embed.proj.weight",
        "backbone.patch_embed.proj.bias",
    }
    assert not encoder.backbone.training
    assert next(encoder.parameters()).dtype == torch.float64


def test_views_of_several_sizes_need_a_backbone_that_takes_them() -> None:
    resnet = Encoder("resnet18", options=RESNET)
    resnet.fit_to((32, 32, 16))
    assert resnet.image_size is None
    for size in (None, 32):
        with pytest.raises(
            ValueError, match=rf"image_size={size} of .*have 16, 32 pixels.*dynamic"
        ):
            vit(image_size=size).fit_to((32, 32, 16))
    flexible = Encoder("vit_tiny_patch16_224", options={**VIT, "dynamic_img_size": True})
    flexible.fit_to((64, 32))
    assert [flexible(torch.rand(1, 3, s, s)).shape for s in (64, 32)] == [(1, 24)] * 2


def test_a_given_image_size_is_kept_and_must_agree() -> None:
    resnet = Encoder("resnet18", image_size=48, options=RESNET)
    resnet.fit_to((32, 32))
    assert resnet.image_size == 48
    with pytest.raises(ValueError, match=r"image_size=64 of 64 x 64 pixels, and the views have 32"):
        vit(image_size=64).fit_to((32, 32))


def test_images_of_another_size_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"224 x 224 pixels, got 32 x 32 pixels.*image_size=32"):
        vit()(torch.rand(1, 3, 32, 32))
    with pytest.raises(ValueError, match="image_size must be at least 1 pixel or None, got 0"):
        vit(image_size=0)
