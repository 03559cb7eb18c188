"""What the layers inside an encoder give while it runs, pooled to one row an image.

N images, F_l features of a layer.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class LayerFeatures:
    """Watches modules of an encoder; what they return passes through as it is.

    Feature maps (N, F, h, w) are averaged over places, tokens (N, T, F) over tokens.

    Args:
        encoder: An encoder, or any module.
        names: Of modules in it, or in its ``backbone``: ``layer3``, ``blocks.5``.

    Raises:
        ValueError: If it has no module of such a name.
    """

    def __init__(self, encoder: nn.Module, names: Sequence[str]) -> None:
        self.names = list(names)
        backbone: Any = getattr(encoder, "backbone", encoder)
        self._channels_last = getattr(backbone, "output_fmt", "") == "NHWC"
        self._seen: list[list[Tensor]] | None = None
        self._hooks = [
            _module(encoder, backbone, name).register_forward_hook(self._hook(number))
            for number, name in enumerate(self.names)
        ]

    def start(self) -> None:
        """Begin to keep what the layers return."""
        self._seen = [[] for _ in self.names]

    def take(self, count: int) -> list[Tensor]:
        """Stop, and hand over what was kept since `start`.

        Args:
            count: N. A layer that was run again, to save memory in the backward pass, gave its rows
                once more.

        Returns:
            ``(N, F_l)`` float32 detached of each layer, images in the order in which they were
            encoded.

        Raises:
            ValueError: If a layer saw fewer images.
        """
        seen, self._seen = self._seen or [[] for _ in self.names], None
        rows = [torch.cat(parts) if parts else torch.empty(0, 1) for parts in seen]
        for name, part in zip(self.names, rows, strict=True):
            if len(part) < count:
                raise ValueError(
                    f"the layer {name} saw {len(part)} of {count} images in a step: it is not run "
                    "for every image, so it cannot be probed. Name another layer."
                )
        return [part[:count] for part in rows]

    def close(self) -> None:
        """Watch no longer."""
        for hook in self._hooks:
            hook.remove()

    def _hook(self, number: int) -> Any:
        def keep(module: nn.Module, given: Any, output: Any) -> None:
            if self._seen is None:
                return
            x = output[0] if isinstance(output, (tuple, list)) else output
            self._seen[number].append(self._pool(x.detach()))

        return keep

    def _pool(self, x: Tensor) -> Tensor:
        if x.ndim == 4 and self._channels_last:
            x = x.flatten(1, 2)
        elif x.ndim == 4:
            # No copy where the memory is laid out so, and then as tokens are.
            x = x.permute(0, 2, 3, 1).flatten(1, 2)
        return _mean_of_tokens(x) if x.ndim == 3 else x.flatten(1).float()


def _mean_of_tokens(x: Tensor) -> Tensor:
    """(N, T, F) -> (N, F) float32."""
    if x.dtype == torch.float32 or x.device.type != "cpu":
        return x.mean(1, dtype=torch.float32)
    # On a CPU, to make float32 of half precision takes several times as long as this product, which
    # adds up in float32 too.
    ones = x.new_ones(1, x.shape[1])
    return (ones @ x).squeeze(1).float() / x.shape[1]


def _module(encoder: nn.Module, backbone: nn.Module, name: str) -> nn.Module:
    for holder in (backbone, encoder):
        found = dict(holder.named_modules()).get(name) if name else None
        if found is not None:
            return found
    known = [child for child, _ in backbone.named_children()]
    raise ValueError(
        f"layers: the encoder has no module {name!r}. It consists of {', '.join(known)}; a block "
        "of them is named as blocks.5 or layer3.0."
    )
