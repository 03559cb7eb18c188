"""Features as pooled from images of a few classes, drawn around a centre for each class."""

import torch

from sslkit.evaluation import Features


def clouds(count=90, *, classes=3, width=6, seed=0, several=False) -> Features:
    """The seed draws the noise; centres are the same for all. With ``several``, label sets."""
    generator = torch.Generator().manual_seed(seed)
    centres = 1.5 * torch.randn(classes, width, generator=torch.Generator().manual_seed(99))
    labels = torch.arange(count) % classes
    sets = torch.nn.functional.one_hot(labels, classes).bool()
    if several:
        sets |= torch.rand(count, classes, generator=generator) < 0.2
    rows = sets.float() @ centres + torch.randn(count, width, generator=generator)
    return Features(3 + rows, sets if several else labels, torch.arange(count))
