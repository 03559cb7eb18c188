import pytest
import torch

from sslkit.nn import Encoder, LayeredEncoder, feature_maps

RESNET = {"layers": [1, 1, 1, 1], "channels": [4, 6, 8, 10]}
VIT = {"patch_size": 4, "depth": 4, "embed_dim": 12, "num_heads": 3}


def images(side=24, channels=1, count=3):
    generator = torch.Generator().manual_seed(0)
    size = (count, channels, side, side)
    return torch.randint(256, size, dtype=torch.uint8, generator=generator)


@pytest.fixture
def resnet():
    return Encoder("resnet18", small_images=True, in_channels=1, options=RESNET).eval()


def test_a_cnn_gives_its_output_and_pooled_maps_in_one_pass(resnet):
    net = LayeredEncoder(resnet, 2, images())
    # The mean of the last map is the output.
    expected = {"output": 10, "map 1 of 2, mean": 8, "map 1 of 2, maximum": 8}
    assert net.widths == expected | {"map 2 of 2, maximum": 10}
    assert next(iter(net.widths)) == "output" and net.num_features == 36
    x = net.preprocess(images())
    calls = []
    resnet.backbone.layer1.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        found = dict(zip(net.widths, net(x).split(list(net.widths.values()), 1), strict=True))
        assert len(calls) == 1
        before, last = feature_maps(resnet, x, levels=2)
        assert torch.equal(found["output"], resnet(x))
    torch.testing.assert_close(found["map 1 of 2, mean"], before.mean((2, 3)))
    torch.testing.assert_close(found["map 1 of 2, maximum"], before.amax((2, 3)))
    torch.testing.assert_close(found["map 2 of 2, maximum"], last.amax((2, 3)))


def test_a_vit_gives_its_class_token_and_pooled_patches():
    vit = Encoder("vit_tiny_patch16_224", image_size=16, options=VIT).eval()
    net = LayeredEncoder(vit, 1, images(16, 3))
    names = ["output", "map 1 of 1, mean", "map 1 of 1, maximum"]
    assert net.widths == dict.fromkeys(names, 12)
    x = net.preprocess(images(16, 3))
    with torch.no_grad():
        output, mean, _ = net(x).split(12, 1)
        torch.testing.assert_close(output, vit(x))
        torch.testing.assert_close(mean, vit.backbone.forward_features(x)[:, 1:].mean(1))


def test_maps_of_one_place_are_no_features_of_their_own(resnet):
    # 8 pixels become 1 in the last map: mean and maximum are the output.
    assert list(LayeredEncoder(resnet, 1, images(8)).widths) == ["output"]


def test_a_backbone_without_maps_or_with_an_end_of_its_own_gives_its_output(resnet):
    whole = resnet.backbone.forward
    resnet.backbone.forward = lambda x: whole(x) + 1
    assert list(LayeredEncoder(resnet, 2, images()).widths) == ["output"]
    resnet.backbone = torch.nn.Flatten()
    resnet.backbone.weight = torch.nn.Parameter(torch.zeros(1))
    net = LayeredEncoder(resnet, 2, images())
    x = net.preprocess(images())
    assert torch.equal(net(x), x.flatten(1))


def test_its_specification_is_the_encoders_and_more(resnet):
    one, two = (LayeredEncoder(resnet, levels, images()).spec() for levels in (1, 2))
    assert resnet.spec().items() <= one.items()
    assert one != two
    with pytest.raises(ValueError, match="levels must be at least 1, got 0"):
        LayeredEncoder(resnet, 0, images())
