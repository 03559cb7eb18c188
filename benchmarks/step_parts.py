"""The parts of a training step, each as something that can be run and timed alone.

B images, V views. What a part needs of the parts before it was made once and is ready.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from sslkit.callbacks.softmax_probe import SoftmaxProbes
from sslkit.data import ViewBatch
from sslkit.methods import BYOL, BarlowTwins, JointEmbedding, MoCo, SimCLR
from sslkit.methods.branches import follow, through
from sslkit.methods.finite import FiniteWatch
from sslkit.negatives.plugin import Progress
from sslkit.nn import Encoder
from sslkit.optim import LARS, WarmupCosine, parameter_groups
from sslkit.seeding import counter_generator
from sslkit.views import BYOLViews, SimCLRViews

SIDE, CLASSES = 32, 10
MEAN, STD = [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]
NARROW = {"layers": [1, 1, 1, 1], "channels": [32, 64, 128, 256]}
BARE = "bare encoder"
SPLIT = "MoCo, 8 splits"  # of the batch statistics, as in the authors' notebook for one GPU
METHODS = ("SimCLR", "MoCo", SPLIT, "BYOL", "BarlowTwins")


def build(name: str, **changes: Any) -> JointEmbedding:
    """A method as in `recipes/small/`."""
    encoder = Encoder("resnet18", small_images=True, options=NARROW)
    plain = {"size": SIDE, "blur": False, "mean": MEAN, "std": STD}
    simclr_views = SimCLRViews(strength=0.5, **plain)
    arguments: dict[str, Any] = {
        "encoder": encoder,
        "optimizer": lambda groups: torch.optim.SGD(groups, momentum=0.9, weight_decay=5e-4),
        "base_lr": 0.24,
        "lr_scaling": "linear",
        "schedule": WarmupCosine(warmup_epochs=1),
        **changes,
    }
    if name == "SimCLR":
        return SimCLR(views=simclr_views, temperature=0.2, **arguments)
    if name in ("MoCo", SPLIT):
        arguments |= {"queue_size": 4096, "momentum": 0.99, "bn_splits": 8 if name == SPLIT else 1}
        return MoCo(views=simclr_views, **arguments)
    arguments |= {"hidden_dim": 1024, "views": BYOLViews(**plain)}
    if name == "BYOL":
        return BYOL(output_dim=128, momentum=0.99, exclude_bias_and_norm=False, **arguments)
    arguments |= {"base_lr": 1.0, "optimizer": lambda groups: LARS(groups, weight_decay=1e-4)}
    return BarlowTwins(output_dim=1024, **arguments)


def images(count: int) -> Tensor:
    """Noise (B,3,32,32) uint8, which takes as long as photographs of this size."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 3, SIDE, SIDE), dtype=torch.uint8, generator=generator)


class Step:
    """One method's step, taken apart.

    Args:
        name: One of `METHODS`.
        batch: B.
        precision: ``bf16-mixed`` or ``32-true``.
    """

    def __init__(self, name: str, batch: int, precision: str) -> None:
        self.method = build(name).train()
        self.precision = precision
        self.images = images(batch)
        exclude = self.method.exclude_bias_and_norm
        groups = parameter_groups(self.method, exclude_bias_and_norm=exclude)
        self.optimizer = self.method.optimizer(groups)
        self.label = torch.arange(batch) % CLASSES
        self.draws = 0
        routes = self.method.objective.routes
        following = bool(self.method.momentum_branches)
        self.encoded = sorted({*routes.online} if following else {*routes.online, *routes.target})
        # What the encoder is given when it is measured alone: in its own memory format.
        layout = self.method.encoder.memory_format
        self.views = self.make_views()
        ready = [self.views[view] for view in self.encoded]
        if self.method.encode_jointly:
            ready = [torch.cat(ready)]
        self.ready = [view.contiguous(memory_format=layout) for view in ready]
        self.targets = [
            self.views[view].contiguous(memory_format=layout)
            for view in (routes.target if following else ())
        ]
        self.features = [self.encode(view).detach() for view in self.ready]
        self.gradients = [torch.randn_like(x) for x in self.features]
        with self.autocast(), torch.no_grad():
            rows = torch.cat(self.features).unflatten(0, (len(self.encoded), batch))
            self.rows = rows.float()
            _, self.online, self.target = self.method.embed(self.views)
        self.watch = FiniteWatch()
        self.probe = SoftmaxProbes([self.rows.shape[-1]], CLASSES, lrs=[0.1])
        for parameter in self.method.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.randn_like(parameter).mul_(1e-4)

    def parts(self) -> dict[str, Callable[[], Any]]:
        """Every part by its name, the bare encoder first."""
        parts: dict[str, Callable[[], Any]] = {
            BARE: self.bare,
            "views": self.make_views,
            "memory format": self.arrange,
            "heads": self.heads,
            "loss": self.loss,
            "optimiser": self.optimizer.step,
            "finite check": self.check,
            "online probe": self.learn,
        }
        if self.method.momentum is not None:
            parts["momentum"] = self.follow
        return parts

    def autocast(self) -> AbstractContextManager[Any]:
        """As Lightning's precision plug-in."""
        half = self.precision != "32-true"
        return torch.autocast("cpu", dtype=torch.bfloat16, enabled=half)

    def encode(self, view: Tensor) -> Tensor:
        """(B,C,S,S) -> (B,F)."""
        with self.autocast():
            return self.method.encoder(view)

    def bare(self) -> None:
        """The encoder forward and backward, and where there is one the target's forward."""
        for parameter in self.method.encoder.parameters():
            parameter.grad = None
        features = [self.encode(view) for view in self.ready]
        with torch.no_grad(), self.autocast():
            for view in self.targets:
                for branch in self.method.momentum_branches:
                    branch.get_submodule("layers")[0](view)  # type: ignore[index]
        torch.autograd.backward(features, self.gradients)

    def make_views(self) -> list[Tensor]:
        """Draw and apply."""
        self.draws += 1
        return self.method.views(self.images, counter_generator(0, self.draws))

    def arrange(self) -> list[Tensor]:
        """From the views to what the encoder reads."""
        layout = self.method.encoder.memory_format
        views = [self.views[view] for view in self.encoded]
        if self.method.encode_jointly:
            views = [torch.cat(views)]
        views += self.shuffled()
        return [view.contiguous(memory_format=layout) for view in views]

    def shuffled(self) -> list[Tensor]:
        """The views of the momentum branch, as it reorders them."""
        momentum = self.method.momentum
        views = [self.views[view] for view in self.method.objective.routes.target if self.targets]
        if momentum is None or not momentum.shuffle:
            return views
        return [view[torch.randperm(len(view))] for view in views]

    def heads(self) -> None:
        """Projector and predictor forward and backward, and the target's projector."""
        method = self.method
        with self.autocast():
            given = self.rows.clone().requires_grad_()
            z = through(method.projector, given.unbind(), jointly=method.project_jointly)
            if method.predictor is not None:
                z = through(method.predictor, z.unbind(), jointly=method.project_jointly)
            with torch.no_grad():
                for _ in self.targets:
                    for branch in method.momentum_branches:
                        branch.get_submodule("layers")[1](self.rows[0])  # type: ignore[index]
        z.backward(torch.ones_like(z))

    def loss(self) -> None:
        """The objective forward and backward, the queue included."""
        batch = ViewBatch(self.views, self.label, self.label)
        self.method.objective.begin(Progress(0, 1, self.draws, 0), batch)
        online = self.online.detach().float().requires_grad_()
        learning = not self.targets and self.method.predictor is None
        target = self.target.detach().float().requires_grad_(learning)
        self.method.objective(online, target, batch)["loss"].backward()

    def check(self) -> None:
        """Whether everything is finite."""
        self.watch.watch(features=self.rows, embeddings=self.online, loss=self.online.sum())
        self.watch.check(0)

    def learn(self) -> None:
        """A step of the online probe on all views."""
        self.probe.step([self.rows.flatten(0, 1)], self.label.repeat(len(self.rows)))

    def follow(self) -> None:
        """The momentum branches move."""
        method = self.method
        assert method.momentum is not None
        online: tuple[nn.Module, ...] = (method.encoder, method.projector)
        follow(method.momentum_branches, online, method.momentum, 0, 100)

    def whole(self) -> None:
        """All of it, without Lightning."""
        views = self.make_views()
        batch = ViewBatch(views, self.label, self.label)
        self.method.objective.begin(Progress(0, 1, self.draws, 0), batch)
        with self.autocast():
            _, online, target = self.method.embed(views)
        result = self.method.objective(online.float(), target.float(), batch)
        self.optimizer.zero_grad()
        result["loss"].backward()
        self.optimizer.step()
        if self.method.momentum is not None:
            self.follow()
