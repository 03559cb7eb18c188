"""Checkpoints as other libraries write them, and the features that must come out of them."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet
from torchvision.models.vision_transformer import VisionTransformer

from sslkit.cli import main
from sslkit.data.embedded import quickstart_splits
from sslkit.nn import Encoder, load_encoder
from sslkit.nn.checkpoint import FORMAT

State = dict[str, Tensor]
LAYERS = [1, 1, 1, 1]


def photographs(size: int = 28) -> Tensor:
    grey = quickstart_splits()["test"].tensor(4).float() / 255
    return grey[:, :, :size, :size].expand(-1, 3, -1, -1).contiguous()


def unlike_fresh(network: nn.Module) -> nn.Module:
    """With statistics and scales that no other initialisation has."""
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            for tensor in (layer.running_mean, layer.bias):
                assert tensor is not None
                nn.init.normal_(tensor, std=0.2)
            for tensor in (layer.running_var, layer.weight):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.5, 1.5)
    return network.eval()


@pytest.fixture(scope="module")
def resnet() -> nn.Module:
    return unlike_fresh(ResNet(BasicBlock, LAYERS))


def under(prefix: str, state: State, change: float = 0.0) -> State:
    return {prefix + name: x + change for name, x in state.items()}


def head(*names: str) -> State:
    return {name: torch.zeros(2) for name in names}


def numbered(network: nn.Module, *, keep_pool: bool = True) -> State:
    """As in ``nn.Sequential(*list(resnet.children())[:-1])``, where lightly's examples start."""
    parts = [x for n, x in network.named_children() if n != "fc"]
    if not keep_pool:
        parts = [x for x in parts if not isinstance(x, nn.MaxPool2d)]
    return nn.Sequential(*parts).state_dict()


def shortcut(state: State) -> State:
    return {name.replace("downsample", "shortcut"): x for name, x in state.items()}


def body(network: nn.Module) -> State:
    return {n: x for n, x in network.state_dict().items() if not n.startswith("fc.")}


def moco(network: nn.Module) -> State:
    heads = head("module.encoder_q.fc.0.weight", "module.queue", "module.queue_ptr")
    return {
        **under("module.encoder_q.", body(network)),
        **under("module.encoder_k.", body(network), 1),
        **heads,
    }


def moco_v3(network: nn.Module) -> State:
    return {
        **under("module.base_encoder.", body(network)),
        **under("module.momentum_encoder.", body(network), 1),
        **head("module.base_encoder.fc.0.weight", "module.predictor.0.weight"),
    }


def solo_learn(network: nn.Module) -> State:
    return {
        **under("momentum_backbone.", body(network), 1),
        **under("backbone.", body(network)),
        **head("classifier.weight", "projector.0.weight", "momentum_projector.0.weight"),
    }


def barlow_twins(network: nn.Module) -> State:
    return {
        **under("module.backbone.", body(network)),
        **head("module.projector.0.weight", "module.bn.running_mean"),
    }


def simclr_with_mlp(network: nn.Module) -> State:
    return {**under("backbone.", body(network)), **head("backbone.fc.0.weight")}


def simclr(network: nn.Module) -> State:
    return {**under("encoder.", body(network)), **head("projector.0.weight")}


def lightly(network: nn.Module) -> State:
    return {
        **under("backbone.", numbered(network)),
        **under("backbone_momentum.", numbered(network), 1),
        **head("projection_head.layers.0.weight"),
    }


def lightly_small(network: nn.Module) -> State:
    return under("backbone.", shortcut(numbered(network, keep_pool=False)))


def lightly_whole(network: nn.Module) -> State:
    return under("backbone.", shortcut(body(network)))


def simclr_numbered(network: nn.Module) -> State:
    return {**under("f.", numbered(network, keep_pool=False)), **head("g.0.weight")}


@pytest.mark.parametrize(
    ("layout", "wrapper", "left_out"),
    [
        (moco, "state_dict", "encoder_q.fc (1), encoder_k (72), queue (1), queue_ptr (1)"),
        (moco_v3, "state_dict", "base_encoder.fc (1), momentum_encoder (72), predictor (1)"),
        (
            solo_learn,
            "state_dict",
            "momentum_backbone (72), classifier (1), projector (1), momentum_projector (1)",
        ),
        (barlow_twins, "model", "projector (1), bn (1)"),
        (body, None, "nothing"),  # Barlow Twins' resnet50.pth and torch hub
        (ResNet.state_dict, None, "fc (2)"),  # torchvision
        (simclr_with_mlp, "state_dict", "backbone.fc (1)"),
        (simclr, None, "projector (1)"),
        (simclr_numbered, None, "g (1)"),
        (lightly, "state_dict", "backbone_momentum (72), projection_head (1)"),
        (lightly_small, "state_dict", "nothing"),
        (lightly_whole, "state_dict", "nothing"),
    ],
)
def test_a_resnet_of_another_library(
    layout: Callable[[nn.Module], State],
    wrapper: str | None,
    left_out: str,
    resnet: nn.Module,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr("sslkit.nn.weights.rank_zero_info", told.append)
    state = layout(resnet)
    path = tmp_path / "theirs.pth"
    torch.save(state if wrapper is None else {wrapper: state, "epoch": 3}, path)
    encoder = Encoder("resnet18", options={"layers": LAYERS}, weights=path).eval()
    images = photographs()
    pooled = nn.Sequential(*[x for n, x in resnet.named_children() if n != "fc"], nn.Flatten())
    with torch.no_grad():
        torch.testing.assert_close(encoder(images), pooled(images), rtol=1e-5, atol=1e-5)
    assert len(told) == 1
    assert "all 72 tensors of the backbone are from theirs.pth" in told[0]
    assert told[0].endswith(f"left out: {left_out}.")


def vit_arguments() -> dict[str, int]:
    return {"image_size": 28, "patch_size": 7, "num_layers": 2, "num_heads": 2, "hidden_dim": 24}


@pytest.mark.parametrize("old_names", [False, True])
def test_a_vision_transformer_of_torchvision(old_names: bool, tmp_path: Path) -> None:
    source = VisionTransformer(**vit_arguments(), mlp_dim=96, num_classes=5).eval()
    state = source.state_dict()
    if old_names:
        state = {
            n.replace("mlp.0", "mlp.linear_1").replace("mlp.3", "mlp.linear_2"): x
            for n, x in state.items()
        }
    torch.save(state, tmp_path / "vit.pth")
    encoder = Encoder(
        "vit_tiny_patch16_224",
        image_size=28,
        weights=tmp_path / "vit.pth",
        options={"depth": 2, "embed_dim": 24, "num_heads": 2, "patch_size": 7},
    ).eval()
    source.set_submodule("heads", nn.Identity())
    images = photographs()
    with torch.no_grad():
        torch.testing.assert_close(encoder(images), source(images), rtol=1e-5, atol=1e-5)


def test_a_vision_transformer_of_moco_v3(tmp_path: Path) -> None:
    options = {"depth": 1, "embed_dim": 24, "num_heads": 2, "patch_size": 7}
    source = Encoder("vit_tiny_patch16_224", image_size=28, options=options)
    state = under("module.base_encoder.", source.backbone.state_dict())
    state |= head("module.base_encoder.head.0.weight", "module.predictor.0.weight")
    torch.save({"state_dict": state}, tmp_path / "vit.pth")
    encoder = Encoder(
        "vit_tiny_patch16_224", image_size=28, options=options, weights=tmp_path / "vit.pth"
    )
    for name, value in encoder.backbone.state_dict().items():
        assert torch.equal(value, source.backbone.state_dict()[name]), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.pop("module.encoder_q.bn1.bias"),
            r"encoder_q\.\* of MoCo, does not fit.*1 of its 72 tensors are missing \(first bn1\.",
        ),
        (
            lambda state: state.update(head("module.encoder_q.layer9.0.conv1.weight")),
            r"encoder_q\.\* of MoCo, does not fit.*1 are unknown \(first layer9",
        ),
        (
            lambda state: state.update(head("module.encoder_q.conv1.weight")),
            r"1 have another shape \(first conv1\.weight\)",
        ),
    ],
)
def test_the_backbone_in_a_checkpoint_must_fit(
    change: Callable[[State], None], message: str, resnet: nn.Module, tmp_path: Path
) -> None:
    state = moco(resnet)
    change(state)
    torch.save({"state_dict": state}, tmp_path / "moco.pth")
    with pytest.raises(ValueError, match=rf"weights: moco\.pth.*{message}"):
        Encoder("resnet18", options={"layers": LAYERS}, weights=tmp_path / "moco.pth")


def test_the_branch_of_the_targets_is_never_taken(resnet: nn.Module, tmp_path: Path) -> None:
    torch.save(under("module.encoder_k.", body(resnet)), tmp_path / "keys.pth")
    with pytest.raises(ValueError, match=r"72 of its 72 tensors are missing"):
        Encoder("resnet18", options={"layers": LAYERS}, weights=tmp_path / "keys.pth")


def test_nothing_that_a_checkpoint_names_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a_trap.py").write_text(
        "from pathlib import Path\nPath(__file__).with_name('sprung').touch()\nclass Part: pass\n"
    )
    model = Encoder("resnet18", options={"layers": LAYERS, "channels": [8, 8, 16, 16]})
    trap = {"class_path": "a_trap.Part", "init_args": {}}
    checkpoint = {
        "pytorch-lightning_version": "2.6.0",
        "hparams_name": "kwargs",
        "hyper_parameters": {
            "_class_path": "a_trap.Part",
            "_instantiator": "a_trap.Part",
            "encoder": trap,
            "views": [trap],
        },
        "datamodule_hyper_parameters": {"_class_path": "a_trap.Part", "source": trap},
        "callbacks": {"a_trap.Part": {"class_path": "a_trap.Part"}},
        "sslkit": {"format": FORMAT, "version": "0", "method": trap, "encoder": model.spec()},
        "state_dict": {f"encoder.{name}": x for name, x in model.state_dict().items()},
    }
    run = tmp_path / "run"
    path = run / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    torch.save(checkpoint, path)
    (run / "config.yaml").write_text(f"model: {json.dumps(trap)}\n")
    load_encoder(path)
    Encoder("resnet18", options=model.options, weights=path)
    out = tmp_path / "out.safetensors"
    assert main(["export", str(run), "--to", "timm", "--out", str(out)]) == 0
    assert out.is_file()
    assert "a_trap" not in sys.modules
    assert not (tmp_path / "sprung").exists()

    import a_trap  # pyright: ignore[reportMissingImports]  # the trap does work

    assert a_trap.Part and (tmp_path / "sprung").exists()
