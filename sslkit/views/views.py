"""Several views of each image, drawn independently and normalised."""

from collections.abc import Callable, Sequence
from typing import Any, Self, overload

import torch
from torch import Generator, Tensor, nn

from sslkit.views.draws import Draw
from sslkit.views.validation import check_images
from sslkit.views.view import View


class Views(nn.Module):
    """Turns a uint8 batch into V views of each image, on the batch's device.

    Every image and every view has its own draw. `draw` makes all random numbers, `apply` is a
    deterministic function of images and draw, and calling the module does both.

    ``mean`` and ``std`` belong to the data. Values given here win; otherwise those last handed to
    `set_statistics` are used (the data module's, in training); without either, views are in [0, 1].
    They are non-persistent buffers: they follow the module to its device, stay float32 and stay out
    of checkpoints.

    Views are computed in float32. They come in the module's dtype, which is float32 unless it was
    moved to another, as by ``views.to(torch.bfloat16)`` or a trainer's precision ``bf16-true``;
    rounding once at the end is all that this changes.

    Args:
        views: The chain of operations of each view.
        mean: Per channel, of pixel values in [0, 1].
        std: Per channel, of pixel values in [0, 1].

    Raises:
        ValueError: If there is no view, or the statistics are incomplete or out of range.
    """

    mean: Tensor | None
    std: Tensor | None
    _moved: Tensor

    def __init__(
        self,
        views: list[View],
        *,
        mean: list[float] | None = None,
        std: list[float] | None = None,
    ) -> None:
        super().__init__()
        if not views:
            raise ValueError("views must list at least one View, got none.")
        self.views = tuple(views)
        self.register_buffer("mean", None, persistent=False)
        self.register_buffer("std", None, persistent=False)
        self.register_buffer("_moved", torch.empty(0), persistent=False)  # tells device and dtype
        self._statistics: tuple[list[float], list[float]] | None = None
        self._given = mean is not None or std is not None
        if mean is not None and std is not None:
            self._keep(mean, std)
        elif self._given:
            raise ValueError(
                f"mean and std go together, got mean={mean} and std={std}: give both, or neither "
                "to take the data's."
            )

    @property
    def num_views(self) -> int:
        """V, the number of views of each image."""
        return len(self.views)

    @property
    def sizes(self) -> tuple[int, ...]:
        """Side in pixels of each view."""
        return tuple(view.size for view in self.views)

    @property
    def dtype(self) -> torch.dtype:
        """Of the views."""
        return self._moved.dtype

    def set_statistics(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Normalise with the data's statistics, unless the constructor was given others.

        Args:
            mean: Per channel, of pixel values in [0, 1].
            std: Per channel, of pixel values in [0, 1].

        Raises:
            ValueError: If their lengths differ or a standard deviation is not positive.
        """
        if not self._given:
            self._keep(mean, std)

    def draw(self, n: int, generator: Generator | None = None) -> list[list[Draw]]:
        """Make all random numbers for n images.

        Args:
            n: The number of images, B.
            generator: A CPU generator; None takes torch's global one.

        Returns:
            For each view a `Draw` per operation: tensors on the CPU whose first dimension is n.
        """
        return [view.draw(n, generator) for view in self.views]

    # The contract of views and torch's own `Module.apply` share a name; the argument tells which.
    @overload
    def apply(self, images: Tensor, params: list[list[Draw]]) -> list[Tensor]: ...

    @overload
    def apply(self, images: Callable[[nn.Module], Any]) -> Self: ...

    def apply(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        images: Tensor | Callable[[nn.Module], Any],
        params: list[list[Draw]] | None = None,
    ) -> list[Tensor] | Self:
        """Make the views that were drawn.

        Args:
            images: (B, C, H, W) uint8. A function instead is what `torch.nn.Module.apply` takes
                and does the same here: Lightning calls it on every submodule.
            params: What `draw` returned for B images. While they are on the CPU, the images' device
                is never waited for.

        Returns:
            V tensors (B, C, size, size) in the module's dtype, contiguous.

        Raises:
            TypeError: If the images are not uint8.
            ValueError: If the images are not (B, C, H, W), the draws are not for B images, or the
                statistics not for C channels.
        """
        if callable(images) and not isinstance(images, Tensor):
            return super().apply(images)
        check_images(images)
        if params is None or len(params) != self.num_views:
            raise ValueError(
                f"params must hold the draws of {self.num_views} views, got "
                f"{None if params is None else len(params)}: pass what draw({len(images)}) returns."
            )
        for draw in (draw for view in params for draw in view):
            for name, value in draw.items():
                if len(value) != len(images):
                    raise ValueError(
                        f"params were drawn for {len(value)} images ({name}), the batch holds "
                        f"{len(images)}: pass what draw({len(images)}) returns."
                    )
        # Half precision would round the images before the encoder has seen them.
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return [
                self._normalise(view.apply(images, draws)).to(self.dtype)
                for view, draws in zip(self.views, params, strict=True)
            ]

    def forward(self, images: Tensor, generator: Generator | None = None) -> list[Tensor]:
        """Draw, then apply: (B, C, H, W) uint8 -> V tensors (B, C, size, size)."""
        check_images(images)
        return self.apply(images, self.draw(len(images), generator))

    def pixels(self, view: Tensor) -> Tensor:
        """A view (B, C, S, S) before its normalisation: float32 in [0, 1], for looking at it."""
        if self.mean is not None and self.std is not None:
            mean, std = (x.to(view.device)[:, None, None] for x in (self.mean, self.std))
            view = view * std + mean
        return view.float().clamp(0, 1)

    def _keep(self, mean: Sequence[float], std: Sequence[float]) -> None:
        if len(mean) != len(std) or not mean:
            raise ValueError(
                "mean and std need one number per channel each, got "
                f"mean={list(mean)} and std={list(std)}."
            )
        if min(std) <= 0:
            raise ValueError(f"std must be above 0 in every channel, got {list(std)}.")
        self._statistics = (list(mean), list(std))
        self._place()

    def _place(self) -> None:
        """Put the statistics where the module is, in float32 whatever its dtype."""
        if self._statistics is not None:
            device = self._moved.device
            self.mean, self.std = (
                torch.tensor(x, dtype=torch.float32, device=device) for x in self._statistics
            )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """What moves and casts a module; here also the statistics, in their own dtype."""
        super()._apply(fn, recurse)
        self._place()
        return self

    def _normalise(self, view: Tensor) -> Tensor:
        if self.mean is None or self.std is None:
            return view
        if len(self.mean) != view.shape[1]:
            raise ValueError(
                f"mean and std have {len(self.mean)} channels, the images have {view.shape[1]}: "
                "give one number per channel."
            )
        mean, std = (
            x.to(view.device, view.dtype, non_blocking=True)[:, None, None]
            for x in (self.mean, self.std)
        )
        return view.sub_(mean).div_(std)
