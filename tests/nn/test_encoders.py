import pytest
import torch

from sslkit.nn import Encoder

TINY = {"layers": [1, 1, 1, 1], "channels": [8, 8, 16, 16]}


def tiny(**changes):
    return Encoder("resnet18", small_images=True, options=TINY, **changes)


@pytest.mark.parametrize(
    ("name", "side", "arguments"),
    [
        ("resnet18", 32, {"small_images": True, "options": TINY}),
        ("convnext_atto", 32, {"small_images": True}),
        ("mobilenetv3_small_050", 64, {"in_channels": 1}),
        ("vit_tiny_patch16_224", 32, {"image_size": 32, "options": {"patch_size": 4, "depth": 2}}),
        ("swin_tiny_patch4_window7_224", 224, {"options": {"depths": [1, 1, 1, 1]}}),
    ],
)
def test_feature_width_is_found_for_any_backbone(name, side, arguments):
    encoder = Encoder(name, **arguments).eval()
    with torch.no_grad():
        features = encoder(torch.rand(2, encoder.in_channels, side, side))
    assert features.shape == (2, encoder.num_features)


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_number_of_channels(channels):
    encoder = tiny(in_channels=channels)
    images = torch.randint(256, (2, channels, 32, 32), dtype=torch.uint8)
    assert encoder(encoder.preprocess(images)).shape == (2, 16)


def test_memory_format_follows_the_kind_of_backbone():
    convolutional = tiny()
    assert convolutional.memory_format is torch.channels_last
    weight = convolutional.backbone.layer1[0].conv1.weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    vit = Encoder("vit_tiny_patch16_224", options={"depth": 1})
    assert vit.memory_format is torch.contiguous_format
    assert tiny(channels_last=False).memory_format is torch.contiguous_format


def test_memory_format_does_not_change_the_features():
    a, b = tiny().eval(), tiny(channels_last=False).eval()
    b.load_state_dict(a.state_dict())
    x = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(a(x), b(x))


def test_preprocess_normalises_with_the_saved_statistics():
    encoder = tiny()
    encoder.set_statistics([0.1, 0.2, 0.3], [0.5, 0.25, 1.0])
    images = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)
    expected = torch.tensor([(1 - 0.1) / 0.5, (1 - 0.2) / 0.25, (1 - 0.3) / 1.0])
    torch.testing.assert_close(encoder.preprocess(images)[0, :, 0, 0], expected)
    assert {"mean", "std"} <= encoder.state_dict().keys()


def test_preprocess_resizes_the_shorter_side_and_crops_the_centre():
    encoder = tiny(image_size=16)
    images = torch.zeros(1, 3, 16, 48, dtype=torch.uint8)
    images[..., 16:32] = 255  # the centre square
    assert encoder.preprocess(images).eq(1).all()
    assert encoder.preprocess(torch.zeros(1, 3, 64, 40, dtype=torch.uint8)).shape[-2:] == (16, 16)


def test_spec_rebuilds_the_same_architecture_from_plain_values():
    encoder = tiny(in_channels=2, image_size=24)
    twin = Encoder.from_spec(encoder.spec())
    twin.load_state_dict(encoder.state_dict())
    assert twin.spec() == encoder.spec()
    x = torch.rand(2, 2, 24, 24)
    torch.testing.assert_close(twin.eval()(x), encoder.eval()(x), rtol=0, atol=0)


def test_reinitialised_is_a_function_of_the_seed_and_leaves_global_rng_alone():
    encoder = tiny()
    encoder.set_statistics([0.1] * 3, [0.2] * 3)
    before = torch.get_rng_state()
    a, b, c = encoder.reinitialised(1), encoder.reinitialised(1), encoder.reinitialised(2)
    assert torch.equal(torch.get_rng_state(), before)
    weights = [e.backbone.conv1.weight for e in (a, b, c, encoder)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[3])
    assert torch.equal(a.mean, encoder.mean)


def test_reinitialised_seeds_no_generator_of_an_accelerator(monkeypatch):
    def seeded(*_):
        raise AssertionError("the generators of the GPUs were seeded")

    monkeypatch.setattr(torch.cuda, "manual_seed", seeded)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded)
    tiny().reinitialised(1)


def test_reinitialised_draws_on_the_cpu_whatever_the_default_device():
    encoder = tiny()
    expected = encoder.reinitialised(3).state_dict()
    with torch.device("meta"):
        drawn = encoder.reinitialised(3).state_dict()
    assert all(torch.equal(drawn[name], value) for name, value in expected.items())


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224"])
def test_float32_views_meet_weights_of_any_precision(name, dtype):
    # As with Lightning's `bf16-true` and `64-true`, where the views are made after its conversion.
    options = TINY if name == "resnet18" else {"depth": 1, "embed_dim": 24, "num_heads": 2}
    encoder = Encoder(name, image_size=32, options=options).to(dtype)
    features = encoder(torch.rand(2, 3, 32, 32))
    assert features.dtype == dtype
    features.sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())
    images = torch.randint(256, (2, 3, 32, 32), dtype=torch.uint8)
    assert encoder(encoder.preprocess(images)).dtype == dtype


def test_autocast_keeps_its_own_choice_of_precision():
    seen = []
    encoder = tiny().double()
    encoder.backbone.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].dtype))
    encoder(torch.rand(2, 3, 32, 32))
    encoder.float()
    with torch.autocast("cpu", torch.bfloat16):
        features = encoder(torch.rand(2, 3, 32, 32))
        encoder(torch.rand(2, 3, 32, 32).bfloat16())
    assert seen == [torch.float64, torch.float32, torch.bfloat16]
    assert features.dtype == torch.bfloat16


def test_images_that_were_not_preprocessed_are_refused():
    with pytest.raises(TypeError, match=r"normalised float images, got torch\.uint8.*preprocess"):
        tiny()(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnt18"}, r"no model 'resnt18'.*resnet18"),
        ({"name": "hf-hub:someone/model"}, "no model"),
        ({"name": "resnet18", "options": {"pretrained": True}}, "may not contain pretrained"),
        (
            {"name": "resnet18", "options": {"leyers": 1}},
            "'resnet18' cannot be built with .*leyers",
        ),
        ({"name": "resnet18", "in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"name": "vit_tiny_patch16_224", "small_images": True}, "small_images=True needs"),
    ],
)
def test_bad_arguments_say_what_to_do(arguments, message):
    with pytest.raises(ValueError, match=message):
        Encoder(**arguments)


def test_wrong_channels_are_refused_by_name():
    with pytest.raises(ValueError, match=r"takes 3 channel.*have 1.*in_channels=1"):
        tiny().preprocess(torch.zeros(1, 1, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="mean and std must have one value"):
        tiny().set_statistics([0.5], [0.5])
