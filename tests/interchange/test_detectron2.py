"""The layout of detectron2, read by a ResNet of the test's own under detectron2's names."""

from pathlib import Path

import pytest
import torch
from runs import RESNET, cnn, settled, vit, written_run
from torch import Tensor, nn

from sslkit.cli import main
from sslkit.interchange.detectron2_file import resnet_features
from sslkit.nn import Encoder
from sslkit.nn.key_names import resnet_to_detectron2


class Conv(nn.Conv2d):
    """A convolution that holds its normalisation, as detectron2's does."""

    def __init__(self, a: int, b: int, size: int, stride: int = 1) -> None:
        super().__init__(a, b, size, stride, size // 2, bias=False)
        self.norm = nn.BatchNorm2d(b)

    def forward(self, input: Tensor) -> Tensor:
        return self.norm(super().forward(input))


class Block(nn.Module):
    """sizes: the kernels; the stride is in the first of 3."""

    def __init__(self, a: int, inside: int, b: int, sizes: tuple[int, ...], stride: int) -> None:
        super().__init__()
        widths = [a, *[inside] * (len(sizes) - 1), b]
        for i, size in enumerate(sizes):
            step = stride if i == sizes.index(3) else 1
            self.add_module(f"conv{i + 1}", Conv(widths[i], widths[i + 1], size, step))
        self.shortcut = Conv(a, b, 1, stride) if a != b else None
        self.count = len(sizes)

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for i in range(1, self.count + 1):
            out = self.get_submodule(f"conv{i}")(out)
            out = out.relu() if i < self.count else out
        return (out + (x if self.shortcut is None else self.shortcut(x))).relu()


class Network(nn.Module):
    def __init__(self, sizes: tuple[int, ...], widths: list[int], expansion: int) -> None:
        super().__init__()
        self.stem = nn.ModuleDict({"conv1": Conv(3, 64, 7, 2)})
        before = 64
        for i, width in enumerate(widths):
            block = Block(before, width, width * expansion, sizes, 2 if i else 1)
            self.add_module(f"res{i + 2}", nn.Sequential(block))
            before = width * expansion

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(self.stem["conv1"](x).relu(), 3, 2, 1)
        for i in (2, 3, 4, 5):
            x = self.get_submodule(f"res{i}")(x)
        return x.mean((2, 3))


@pytest.mark.parametrize(
    ("name", "sizes", "expansion"), [("resnet18", (3, 3), 1), ("resnet50", (1, 3, 1), 4)]
)
@torch.no_grad()
def test_the_names_and_the_features(name: str, sizes, expansion: int, tmp_path: Path) -> None:
    widths = [64, 16, 24, 32]
    options = {**RESNET, "channels": widths}
    encoder = settled(Encoder(name, image_size=64, options=options))
    run, out = written_run(tmp_path / "run", encoder), tmp_path / "d2.pth"
    assert main(["export", str(run), "--to", "detectron2", "--out", str(out)]) == 0
    content = torch.load(out, weights_only=True)
    assert list(content) == ["model"]
    network = Network(sizes, widths, expansion)
    network.load_state_dict(content["model"], strict=True)
    images = torch.rand(2, 3, 64, 64)
    torch.testing.assert_close(network.eval()(images), encoder(images), rtol=1e-5, atol=1e-5)
    card = (tmp_path / "d2.pth.md").read_text()
    assert "STRIDE_IN_1X1: false" in card and "PIXEL_MEAN: [71.4, 71.4, 71.4]" in card


def test_a_tensor_that_is_not_used_is_an_error() -> None:
    encoder = settled(Encoder("resnet18", image_size=32, options=RESNET))
    state = resnet_to_detectron2(encoder.backbone.state_dict())
    images = torch.rand(1, 3, 32, 32)
    torch.testing.assert_close(resnet_features(state, images), encoder(images))
    with pytest.raises(ValueError, match=r"does not use res6\.0\.conv1\.weight"):
        resnet_features({**state, "res6.0.conv1.weight": torch.zeros(1)}, images)


@pytest.mark.parametrize("build", [cnn, vit])
def test_other_networks_are_refused(build, tmp_path: Path, capsys) -> None:
    run = written_run(tmp_path / "run", build())
    arguments = ["export", str(run), "--to", "detectron2", "--out", str(tmp_path / "d2.pth")]
    assert main(arguments) == 1
    assert "detectron2's backbone is a ResNet" in " ".join(capsys.readouterr().err.split())
    assert [p.name for p in tmp_path.iterdir()] == ["run"]
