import pytest
import torch
from torch import nn

from sslkit.nn import MLPHead
from sslkit.nn.heads import linear_head


def layout(head):
    """Class names, with '+b' for a layer that has an offset."""
    return [
        type(layer).__name__ + ("+b" if getattr(layer, "bias", None) is not None else "")
        for layer in head.layers
    ]


@pytest.mark.parametrize(
    ("sizes", "arguments", "expected"),
    [
        (
            [12, 8],
            {"hidden_bias": False, "last_bias": False, "last_norm": "scale"},
            ["Linear", "BatchNorm1d+b", "ReLU", "Linear", "BatchNorm1d"],
        ),
        ([8], {"norm": "none"}, ["Linear+b"]),
        ([12, 8], {"norm": "none"}, ["Linear+b", "ReLU", "Linear+b"]),
        (
            [12, 8],
            {"hidden_bias": False, "last_bias": False, "last_norm": "plain"},
            ["Linear", "BatchNorm1d+b", "ReLU", "Linear", "BatchNorm1d"],
        ),
        ([12, 8], {"last_bias": False}, ["Linear+b", "BatchNorm1d+b", "ReLU", "Linear"]),
        (
            [32, 8],
            {"norm": "group", "last_bias": False},
            ["Linear+b", "GroupNorm+b", "ReLU", "Linear"],
        ),
        (
            [12, 12, 8],
            {"last_norm": "affine"},
            ["Linear+b", "BatchNorm1d+b", "ReLU"] * 2 + ["Linear+b", "BatchNorm1d+b"],
        ),
    ],
    ids=["simclr", "moco1", "moco2", "moco3", "byol", "byol-gn", "nnclr"],
)
def test_every_published_placement(sizes, arguments, expected):
    head = MLPHead(6, sizes, **arguments)
    assert layout(head) == expected
    assert head(torch.rand(4, 6)).shape == (4, sizes[-1]) == (4, head.out_features)


def test_last_norm_scale_has_a_scale_and_no_offset_and_plain_has_neither():
    scale = MLPHead(6, [8], last_norm="scale").layers[-1]
    assert scale.weight is not None
    assert scale.bias is None
    assert MLPHead(6, [8], last_norm="plain").layers[-1].weight is None


def test_scale_only_norm_survives_a_checkpoint():
    head = MLPHead(6, [8], last_norm="scale")
    twin = MLPHead(6, [8], last_norm="scale")
    twin.load_state_dict(head.state_dict())
    x = torch.rand(5, 6)
    torch.testing.assert_close(head(x), twin(x))


def test_weight_std_is_the_standard_deviation_of_the_kernels():
    head = MLPHead(200, [200, 200], weight_std=0.01)
    for layer in head.layers:
        if isinstance(layer, nn.Linear):
            assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)


def test_group_norm_head_has_no_batch_statistics():
    head = MLPHead(6, [32, 8], norm="group")
    x = torch.rand(4, 6)
    torch.testing.assert_close(head(x)[:1], head(x[:1]))


@pytest.mark.parametrize(
    ("sizes", "arguments", "message"),
    [
        ([], {}, "one or more widths"),
        ([0], {}, "at least 1"),
        ([40, 4], {"norm": "group"}, "16"),
        ([16, 4], {"norm": "group"}, "from 32"),
    ],
)
def test_bad_arguments(sizes, arguments, message):
    with pytest.raises(ValueError, match=message):
        MLPHead(6, sizes, **arguments)


def test_a_classifier_starts_small_and_may_normalise_first():
    torch.manual_seed(0)
    linear = linear_head(200, 50)
    assert linear.weight.std().item() == pytest.approx(0.01, rel=0.05)
    assert not linear.bias.any()
    norm, last = linear_head(6, 3, batch_norm=True)
    assert not norm.affine and last.out_features == 3
    with pytest.raises(ValueError, match="at least two classes, got 1"):
        linear_head(6, 1)
