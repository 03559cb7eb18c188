"""Feature maps as colours: the first three principal components over all places of some images.

n images, F feature width, h x w places.
"""

import torch
from torch import Tensor

_EDGES = (0.01, 0.99)


def map_colours(maps: Tensor) -> Tensor:
    """Turn feature vectors into colours that are alike where the vectors are.

    As in Oquab et al., "DINOv2: learning robust visual features without supervision", 2024,
    https://arxiv.org/abs/2304.07193, figure 1, without its cut into foreground and background.
    Vectors are made unit length first: in maps after a ReLU, a few long ones would take all the
    colours.

    Args:
        maps: ``(n, F, h, w)``, finite.

    Returns:
        ``(n, h, w, 3)`` float32 on the CPU, from 0 to 1: red the first component, green the second,
        blue the third, each from its 1 % to its 99 % quantile. A component that is not there, or
        does not vary, is 0.5 everywhere.
    """
    n, width, high, wide = maps.shape
    rows = maps.detach().float().cpu().permute(0, 2, 3, 1).reshape(-1, width)
    rows = torch.nn.functional.normalize(rows, dim=1)
    rows = rows - rows.mean(0)
    _, values, directions = torch.linalg.svd(rows, full_matrices=False)
    count = min(3, int((values > 1e-4 * max(len(rows), 1) ** 0.5).sum()))
    directions = directions[:count]
    # Directions come with either sign: that of the largest entry is made positive.
    largest = directions.gather(1, directions.abs().argmax(1, keepdim=True))
    components = rows @ (directions * largest.sign()).T
    colours = torch.full((len(rows), 3), 0.5)
    if count:
        low, high_end = components.quantile(torch.tensor(_EDGES), dim=0)
        colours[:, :count] = ((components - low) / (high_end - low).clamp_min(1e-12)).clamp(0, 1)
    return colours.reshape(n, high, wide, 3)
