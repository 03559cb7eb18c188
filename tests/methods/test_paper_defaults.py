"""What each constructor builds when it is given nothing but a small network."""

import pytest
import torch
from tiny import encoder
from torch import nn

from sslkit import methods
from sslkit.nn import Encoder
from sslkit.optim import LARS, Constant, MultiStep, WarmupCosine
from sslkit.views import BYOLViews, MoCoV2Views, SimCLRViews, WMSEViews

# Method: optimiser, its decay, base_lr, its rule, exclusion, schedule, views and their size.
SETTINGS = {
    "SimCLR": (LARS, 1e-4, 0.075, "sqrt", True, WarmupCosine, SimCLRViews, 224),
    "DCL": (LARS, 1e-4, 0.075, "sqrt", True, WarmupCosine, SimCLRViews, 224),
    "DCLW": (LARS, 1e-4, 0.075, "sqrt", True, WarmupCosine, SimCLRViews, 224),
    "DebiasedSimCLR": (torch.optim.Adam, 1e-6, 1e-3, "none", False, Constant, MoCoV2Views, 32),
    "MoCo": (torch.optim.SGD, 1e-4, 0.03, "linear", False, WarmupCosine, MoCoV2Views, 224),
    "DualViewMoCo": (torch.optim.SGD, 1e-4, 0.03, "linear", False, WarmupCosine, MoCoV2Views, 224),
    "MoCoV3": (LARS, 1e-6, 0.6, "linear", True, WarmupCosine, BYOLViews, 224),
    "BYOL": (LARS, 1.5e-6, 0.2, "linear", True, WarmupCosine, BYOLViews, 224),
    "BarlowTwins": (LARS, 1e-6, 0.2, "linear", True, WarmupCosine, BYOLViews, 224),
    "WMSE": (torch.optim.Adam, 1e-6, 3e-3, "none", False, MultiStep, WMSEViews, 32),
    "NNCLR": (LARS, 1e-6, 0.3, "linear", True, WarmupCosine, BYOLViews, 224),
    "TriBYOL": (torch.optim.SGD, 4e-4, 0.03, "none", False, WarmupCosine, MoCoV2Views, 224),
    "CCSL": (torch.optim.SGD, 4e-4, 0.03, "none", False, Constant, BYOLViews, 96),
    "CSSL": (torch.optim.SGD, 4e-4, 0.03, "none", False, Constant, BYOLViews, 96),
}

# Method: widths of projector and predictor; the tiny encoder has 16 features.
HEADS = {
    "SimCLR": ([16, 128], None),
    "DCL": ([16, 128], None),
    "DCLW": ([16, 128], None),
    "DebiasedSimCLR": ([512, 128], None),
    "MoCo": ([16, 128], None),
    "DualViewMoCo": ([16, 128], None),
    "MoCoV3": ([4096, 256], [4096, 256]),
    "BYOL": ([4096, 256], [4096, 256]),
    "BarlowTwins": ([8192, 8192, 8192], None),
    "WMSE": ([1024, 64], None),
    "NNCLR": ([2048, 2048, 256], [4096, 256]),
    "TriBYOL": ([512, 128], [512, 128]),
    "CCSL": ([512, 512], [512, 512]),
    "CSSL": ([512, 512], [512, 512]),
}

# Method: attributes of the objective.
OBJECTIVES = {
    "SimCLR": {"temperature": 0.1},
    "DCL": {"temperature": 0.1, "sigma": None},
    "DCLW": {"temperature": 0.1, "sigma": 0.5, "weight_gradient": False},
    "DebiasedSimCLR": {"temperature": 0.5, "tau_plus": 0.1, "beta": 0.0},
    "MoCo": {"temperature": 0.2, "decoupled": False},
    "DualViewMoCo": {"temperature": 0.2, "hardest": 16384, "key_weight": 0.5},
    "MoCoV3": {"temperature": 1.0},
    "BarlowTwins": {"off_diagonal_weight": 0.0051, "grad_scale": "true"},
    "WMSE": {"slice_size": 128, "iterations": 1, "eps": 0.0, "distance": "cosine"},
    "NNCLR": {"temperature": 0.1, "decoupled": False},
    "CCSL": {"theta_positive": 0.8, "theta_negative": 0.2, "negative_weight": 0.0},
    "CSSL": {"temperature": 0.1, "theta_positive": 0.8, "theta_negative": 0.2},
}

# Method: base, schedule, alternate and shuffle of the momentum branches, and their number.
MOMENTUM = {
    "MoCo": (0.999, "constant", False, True, 1),
    "DualViewMoCo": (0.999, "constant", False, True, 1),
    "MoCoV3": (0.99, "cosine", False, False, 1),
    "BYOL": (0.996, "cosine", False, False, 1),
    "TriBYOL": (0.996, "constant", True, False, 2),
    "CCSL": (0.996, "constant", False, False, 1),
    "CSSL": (0.996, "constant", False, False, 1),
}

_BUILT = {}


def built(name):
    if name not in _BUILT:
        _BUILT[name] = getattr(methods, name)(encoder=encoder())
    return _BUILT[name]


@pytest.mark.parametrize("name", SETTINGS)
def test_optimisation_and_views(name):
    method = built(name)
    optimiser, decay, base_lr, scaling, exclude, schedule, views, size = SETTINGS[name]
    made = method.optimizer([nn.Parameter(torch.zeros(2, 2))])
    assert type(made) is optimiser
    assert made.defaults["weight_decay"] == decay
    assert made.defaults.get("momentum", 0.9) == 0.9
    assert (method.base_lr, method.lr_scaling) == (base_lr, scaling)
    assert method.exclude_bias_and_norm is exclude
    assert type(method.schedule) is schedule
    assert type(method.views) is views
    assert method.views.sizes == (size,) * (3 if name == "TriBYOL" else 2)


@pytest.mark.parametrize("name", HEADS)
def test_heads(name):
    method = built(name)

    def widths(head):
        return head and [m.out_features for m in head.layers if isinstance(m, nn.Linear)]

    assert (widths(method.projector), widths(method.predictor)) == HEADS[name]


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives(name):
    objective = built(name).objective
    assert {key: getattr(objective, key) for key in OBJECTIVES[name]} == OBJECTIVES[name]


@pytest.mark.parametrize("name", SETTINGS)
def test_momentum_and_batch_statistics(name):
    method = built(name)
    # ShuffleBN wants statistics of each rank by itself; everybody else those of all.
    assert method.sync_batchnorm is (name not in ("MoCo", "DualViewMoCo"))
    if name not in MOMENTUM:
        assert method.momentum is None
        return
    base, schedule, alternate, shuffle, branches = MOMENTUM[name]
    momentum = method.momentum
    assert (momentum.base, momentum.schedule) == (base, schedule)
    assert (momentum.alternate, momentum.shuffle) == (alternate, shuffle)
    assert len(method.momentum_branches) == branches


def kinds(head):
    return [type(layer).__name__ for layer in head.layers]


def test_where_heads_normalise_and_have_biases():
    def biases(head):
        return [m.bias is not None for m in head.layers if isinstance(m, nn.Linear)]

    hidden = ["Linear", "BatchNorm1d", "ReLU"]
    assert kinds(built("MoCo").projector) == ["Linear", "ReLU", "Linear"]
    assert biases(built("MoCo").projector) == [True, True]
    for head in (built("BYOL").projector, built("BYOL").predictor):
        assert kinds(head) == [*hidden, "Linear"]
        assert biases(head) == [True, False]
    assert kinds(built("MoCoV3").projector) == [*hidden, "Linear", "BatchNorm1d"]
    assert not built("MoCoV3").projector.layers[-1].affine
    assert kinds(built("MoCoV3").predictor) == [*hidden, "Linear"]
    assert biases(built("MoCoV3").projector) == biases(built("MoCoV3").predictor) == [False] * 2
    assert kinds(built("BarlowTwins").projector) == [*hidden, *hidden, "Linear"]
    assert biases(built("BarlowTwins").projector) == [False] * 3
    assert kinds(built("NNCLR").projector) == [*hidden, *hidden, "Linear", "BatchNorm1d"]
    assert built("NNCLR").projector.layers[-1].affine
    assert kinds(built("WMSE").projector) == [*hidden, "Linear"]


def test_queues_and_the_rest():
    assert len(built("MoCo").objective.queue.rows) == 65536
    assert len(built("NNCLR").objective.queue.rows) == 98304
    assert built("BarlowTwins").bias_lr_ratio == pytest.approx(0.0048 / 0.2)
    assert built("BarlowTwins").schedule.final_fraction == 0.001
    assert built("MoCo").schedule.warmup_epochs == 0
    assert built("MoCo").schedule.per_epoch
    assert all(built(n).schedule.warmup_epochs == 10 for n in ("SimCLR", "BYOL", "NNCLR", "MoCoV3"))
    crops = [view.operations[0].scale for view in built("MoCoV3").views.views]
    assert crops == [(0.2, 1.0)] * 2
    jointly = {n for n in SETTINGS if built(n).encode_jointly}
    assert jointly == {"SimCLR", "DCL", "DCLW"}
    assert {n for n in SETTINGS if built(n).project_jointly} == jointly | {"WMSE"}


@pytest.mark.parametrize(
    ("name", "backbone"), [("WMSE", "resnet18"), ("DebiasedSimCLR", "resnet50")]
)
def test_methods_for_small_images_have_an_encoder_for_them(name, backbone):
    built_encoder = getattr(methods, name)().encoder
    assert isinstance(built_encoder, Encoder)
    assert (built_encoder.name, built_encoder.small_images) == (backbone, True)
