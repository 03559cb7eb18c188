import copy

import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from timm.layers.norm_act import BatchNormAct2d
from timm.layers.std_conv import StdConv2d
from torch import Tensor, nn
from torch.nn import functional as F

from sslkit.nn import Encoder
from sslkit.nn.normalisation import StandardisedConv2d, replace_batch_norm, standardise

RESNET = {"layers": [1, 1, 1, 1], "channels": [16, 16, 32, 32]}
DENSENET = {"growth_rate": 32, "block_config": [2, 2, 2, 2]}


def encoder(name: str = "resnet18", options: dict = RESNET, **arguments) -> Encoder:
    torch.manual_seed(0)
    return Encoder(name, norm="group", options=options, **arguments)


@pytest.mark.parametrize(("name", "options"), [("resnet18", RESNET), ("densenet121", DENSENET)])
def test_a_network_is_without_batch_statistics(name: str, options: dict) -> None:
    # densenet121 has timm's layer of normalisation and activation.
    model = encoder(name, options)
    modules = list(model.backbone.modules())
    assert not any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in modules)
    assert not any("running" in n for n, _ in model.named_buffers())
    groups = [m.num_groups for m in modules if isinstance(m, nn.GroupNorm)]
    assert groups and set(groups) == {16}
    assert all(isinstance(m, StandardisedConv2d) for m in modules if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize(("name", "options"), [("resnet18", RESNET), ("densenet121", DENSENET)])
def test_no_sample_depends_on_the_rest_of_the_batch(name: str, options: dict) -> None:
    model = encoder(name, options, small_images=True).train()
    x = torch.rand(5, 3, 32, 32)
    together = model(x)
    torch.testing.assert_close(model(x[2:3]), together[2:3], rtol=1e-6, atol=1e-6)
    others = torch.cat([100 * x[:2], x[2:3], -x[3:]])
    torch.testing.assert_close(model(others)[2], together[2], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("unbiased", [True, False])
def test_weights_are_standardised_for_each_output_channel(unbiased: bool) -> None:
    weight = torch.randn(4, 3, 3, 2, dtype=torch.float64) * 5 + 2
    expected = torch.empty_like(weight)
    for o, kernel in enumerate(weight):
        numbers = kernel.flatten()
        mean = sum(numbers) / 18
        variance = sum((numbers - mean) ** 2) / (17 if unbiased else 18)
        expected[o] = (kernel - mean) / (variance.sqrt() + 1e-5)
    torch.testing.assert_close(standardise(weight, unbiased=unbiased), expected)


@pytest.mark.parametrize("kind", [nn.Conv2d, Conv2dSame])
@pytest.mark.parametrize(
    "arguments",
    [{}, {"bias": False, "stride": 2}, {"groups": 2, "padding": 1}, {"dilation": 2}],
)
def test_the_convolution_is_that_of_its_standardised_kernel(kind: type, arguments: dict) -> None:
    conv = kind(4, 6, 3, **arguments)
    ours = StandardisedConv2d(conv)
    assert ours.state_dict().keys() == conv.state_dict().keys()
    assert ours.weight is conv.weight and ours.bias is conv.bias
    reference = copy.deepcopy(conv)
    reference.weight.data = standardise(conv.weight)
    x = torch.randn(2, 4, 9, 10)
    torch.testing.assert_close(ours(x), reference(x), rtol=0, atol=0)


def test_the_convolution_does_not_see_scale_and_offset_of_a_kernel() -> None:
    conv = StandardisedConv2d(nn.Conv2d(3, 4, 3, dtype=torch.float64))
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    before = conv(x)
    scale = torch.tensor([0.5, 1.0, 3.0, 20.0]).view(4, 1, 1, 1)
    conv.weight.data = scale * conv.weight + torch.arange(4.0).view(4, 1, 1, 1)
    torch.testing.assert_close(conv(x), before, rtol=1e-3, atol=1e-3)  # the epsilon


def test_the_gradient_reaches_the_kernel() -> None:
    conv = StandardisedConv2d(nn.Conv2d(2, 2, 2, dtype=torch.float64))

    def loss(weight: Tensor) -> Tensor:
        return F.conv2d(torch.ones(1, 2, 3, 3).double(), standardise(weight)).square().sum()

    assert torch.autograd.gradcheck(loss, conv.weight)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_16_bits_standardise_in_32(dtype: torch.dtype) -> None:
    weight = (torch.randn(2, 64, 3, 3) + 30).to(dtype)
    assert standardise(weight).dtype == dtype
    torch.testing.assert_close(standardise(weight), standardise(weight.float()).to(dtype))


def test_normalisations_keep_scale_offset_epsilon_and_activation() -> None:
    plain, act = nn.BatchNorm2d(32, eps=1e-3), BatchNormAct2d(32, act_layer=nn.SiLU)
    plain.weight.data.zero_()  # as at the end of a residual block
    module = nn.Sequential(plain, act, nn.BatchNorm2d(32, affine=False))
    replace_batch_norm(module)
    assert [type(layer).__name__ for layer in module] == ["GroupNorm", "GroupNormAct", "GroupNorm"]
    assert module[0].weight is plain.weight and module[0].eps == 1e-3
    assert module[2].weight is None
    x = torch.randn(2, 32, 4, 4)
    torch.testing.assert_close(module[1](x), F.silu(F.group_norm(x, 16)))


def test_a_kernel_of_one_number_stays_as_it_is() -> None:
    module = nn.Sequential(nn.Conv2d(16, 16, 1, groups=16), nn.BatchNorm2d(16))
    replace_batch_norm(module)
    assert type(module[0]) is nn.Conv2d


def test_it_is_part_of_the_specification() -> None:
    model = encoder(small_images=True)
    twin = Encoder.from_spec(model.spec())
    twin.load_state_dict(model.state_dict())
    x = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(twin(x), model(x), rtol=0, atol=0)
    assert model.spec()["norm"] == "group"
    assert Encoder("resnet18", options=RESNET).spec()["norm"] == "batch"
    assert copy.deepcopy(model)(x).shape == (2, 32)


def test_what_cannot_be_replaced_is_refused() -> None:
    with pytest.raises(ValueError, match=r"16 groups.*do not divide the 8 channels of .*bn1"):
        encoder(options={"layers": [1, 1, 1, 1], "channels": [8, 16, 16, 16]})
    with pytest.raises(ValueError, match="has none"):
        encoder("vit_tiny_patch16_224", {"depth": 1})
    with pytest.raises(ValueError, match="norm must be 'batch' or 'group', got 'layer'"):
        Encoder("resnet18", norm="layer")  # type: ignore[arg-type]
    for layer in (nn.SyncBatchNorm(16), StdConv2d(16, 16, 3), nn.BatchNorm1d(16)):
        with pytest.raises(ValueError, match=rf"the layer 1 \({type(layer).__name__}\)"):
            replace_batch_norm(nn.Sequential(nn.BatchNorm2d(16), layer))
