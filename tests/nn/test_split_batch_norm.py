import copy

import pytest
import torch
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn

from sslkit.nn import Encoder
from sslkit.nn.split_batch_norm import SplitBatchNorm2d, split_batch_norm


def images(n: int = 6) -> Tensor:
    return torch.randn(n, 3, 4, 5, generator=torch.Generator().manual_seed(0))


def trained(**arguments) -> nn.BatchNorm2d:
    """A batch normalisation with statistics, scale and offset of its own."""
    norm = nn.BatchNorm2d(3, **arguments)
    for i, tensor in enumerate((norm.weight, norm.bias)):
        if tensor is not None:
            tensor.data = torch.tensor([0.5, 1.0, 2.0]) + i
    norm(images() + 1)
    return norm


@pytest.mark.parametrize("splits", [1, 2, 3, 6])
def test_each_part_is_normalised_as_a_device_would(splits: int) -> None:
    norm = trained()
    devices = [copy.deepcopy(norm) for _ in range(splits)]
    x = images().requires_grad_()
    expected = torch.cat([d(part) for d, part in zip(devices, x.chunk(splits), strict=True)])
    (expected_grad,) = torch.autograd.grad(expected.square().sum(), x)
    split = SplitBatchNorm2d(norm, splits)
    y = images().requires_grad_()
    out = split(y)
    (grad,) = torch.autograd.grad(out.square().sum(), y)
    torch.testing.assert_close(out, expected)
    torch.testing.assert_close(grad, expected_grad)
    for name in ("running_mean", "running_var"):
        mean = torch.stack([getattr(device, name) for device in devices]).mean(0)
        torch.testing.assert_close(getattr(split, name), mean)
    assert split.num_batches_tracked == 2


@pytest.mark.parametrize("arguments", [{"momentum": None}, {"track_running_stats": False}])
def test_one_part_is_plain_batch_norm_whatever_it_tracks(arguments: dict) -> None:
    norm = trained(**arguments)
    split = SplitBatchNorm2d(copy.deepcopy(norm), 1)
    for _ in range(2):
        torch.testing.assert_close(split(images()), norm(images()))
    for name, value in norm.state_dict().items():
        torch.testing.assert_close(split.state_dict()[name], value)


def test_in_eval_mode_it_is_plain_batch_norm_for_any_batch() -> None:
    norm = trained().eval()
    split = SplitBatchNorm2d(copy.deepcopy(norm), 4)
    assert not split.training
    torch.testing.assert_close(split(images(5)), norm(images(5)), rtol=0, atol=0)
    assert torch.equal(split.running_mean, norm.running_mean)  # type: ignore[arg-type]


def test_two_views_can_pass_before_one_backward() -> None:
    split = SplitBatchNorm2d(trained(), 2)
    x = images().requires_grad_()
    (split(x) * split(x + 1)).sum().backward()
    assert x.grad is not None and split.weight.grad is not None


@pytest.mark.parametrize("name", ["resnet18", "densenet121"])
def test_a_network_keeps_its_state_dict_and_its_evaluation(name: str) -> None:
    # densenet121 has timm's layer of normalisation and activation.
    options = {
        "resnet18": {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]},
        "densenet121": {"growth_rate": 4, "block_config": [1, 1, 1, 1]},
    }
    torch.manual_seed(0)
    encoder = Encoder(name, options=options[name])
    split = copy.deepcopy(encoder)
    split_batch_norm(split.backbone, 2)
    norms = [m for m in split.modules() if isinstance(m, nn.BatchNorm2d)]
    assert norms and all(isinstance(m, SplitBatchNorm2d) and m.splits == 2 for m in norms)
    shapes = {n: x.shape for n, x in encoder.state_dict().items()}
    assert {n: x.shape for n, x in split.state_dict().items()} == shapes
    x = torch.rand(4, 3, 64, 64)
    torch.testing.assert_close(split.eval()(x), encoder.eval()(x), rtol=0, atol=0)
    half = copy.deepcopy(encoder).train()(x[2:])
    torch.testing.assert_close(split.train()(x)[2:], half)


def test_converting_again_changes_the_parts() -> None:
    module = nn.Sequential(nn.BatchNorm2d(3), BatchNormAct2d(3))
    split_batch_norm(module, 2)
    weights = list(module.parameters())
    split_batch_norm(module, 3)
    assert all("splits=3" in repr(layer) for layer in module)
    assert all(a is b for a, b in zip(module.parameters(), weights, strict=True))
    assert module(images()).min() == 0  # the activation is still there


def test_what_cannot_be_split_is_refused() -> None:
    with pytest.raises(ValueError, match=r"batch of 6 cannot be cut into 4.*batch_size that 4"):
        SplitBatchNorm2d(trained(), 4)(images())
    with pytest.raises(ValueError, match="splits must be at least 1, got 0"):
        split_batch_norm(nn.Sequential(nn.BatchNorm2d(3)), 0)
    with pytest.raises(ValueError, match="Sequential has none"):
        split_batch_norm(nn.Sequential(nn.LayerNorm(3)), 2)

    class Other(nn.BatchNorm2d):
        pass

    with pytest.raises(ValueError, match="no counterpart of Other"):
        split_batch_norm(nn.Sequential(Other(3)), 2)
