"""What the network sees: a grid of images and their views when a run starts."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from matplotlib.figure import Figure
from pytorch_lightning.utilities import rank_zero_info
from torch import Generator, Tensor
from torch.utils.hooks import RemovableHandle

from sslkit.callbacks.picture_logging import log_picture
from sslkit.figures import view_figure, write_figure
from sslkit.figures.view_figure import Box
from sslkit.views import RandomResizedCrop, View, Views
from sslkit.views.draws import Draw


class ViewGrid(pl.Callback):
    """Draws the first images of a run beside their views, as they go into the network.

    ``views.png`` is written to the run's folder after the first batch, with the draws' parameters
    below each view, and shown in Weights & Biases and TensorBoard where the run logs to them. The
    views are those of the run, not others like them, and nothing else is drawn for it, so the
    network is bit-identical with and without the callback. ``sslkit views`` draws such a grid
    without a run.

    Where workers cut the views (``data.crop: worker``), or a loader yields ready-made ones, there
    is nothing to draw beside them, and the callback says so.

    Args:
        images: At most so many of the first batch.

    Raises:
        ValueError: If `images` is below 1; in ``fit``, if the module has no `sslkit.views.Views`.
    """

    def __init__(self, *, images: int = 6) -> None:
        if images < 1:
            raise ValueError(f"ViewGrid needs images of at least 1, got {images}.")
        self.images = images
        self._handles: list[RemovableHandle] = []
        self._generator: Generator | None = None
        self._seen: tuple[Tensor, list[Tensor], list[list[Draw]]] | None = None

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Refuse a module without views before anything is trained."""
        if stage == "fit" and not isinstance(getattr(pl_module, "views", None), Views):
            raise ValueError(
                f"ViewGrid shows what the module's `views` make, which must be sslkit.views.Views, "
                f"and {type(pl_module).__name__} has none: remove the callback."
            )

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen to the views of the first batch."""
        if trainer.is_global_zero and trainer.global_step == 0:
            views: Any = pl_module.views
            self._handles = [
                views.register_forward_pre_hook(self._before, with_kwargs=True),
                views.register_forward_hook(self._after),
            ]

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Draw what was seen, once."""
        folder = Path(trainer.log_dir or trainer.default_root_dir)  # every rank must ask for it
        if not self._handles:
            return
        self._let_go()
        if self._seen is None:
            rank_zero_info("ViewGrid has nothing to draw: the views of this run come ready-made.")
            return
        views: Any = pl_module.views
        figure = grid(views, *self._seen, title="What the network sees: the first batch")
        self._seen = None
        path = folder / "views.png"
        write_figure(figure, path)
        log_picture(trainer.loggers, "views", path, step=trainer.global_step)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Listen no longer."""
        self._let_go()

    def _before(self, views: Views, args: tuple, kwargs: dict[str, Any]) -> None:
        """Remember where the generator stands, so that the same numbers can be drawn again."""
        given = kwargs.get("generator", args[1] if len(args) > 1 else None)
        state = torch.get_rng_state() if given is None else given.get_state()
        self._generator = Generator()
        self._generator.set_state(state)

    def _after(self, views: Views, args: tuple, made: list[Tensor]) -> None:
        if self._seen is None and args:
            n, few = len(args[0]), slice(self.images)
            draws = [
                [{name: x[few] for name, x in draw.items()} for draw in view]
                for view in views.draw(n, self._generator)
            ]
            self._seen = args[0][few].cpu(), [view[few].cpu() for view in made], draws

    def _let_go(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles = []


def grid(
    views: Views, images: Tensor, made: list[Tensor], draws: list[list[Draw]], *, title: str
) -> Figure:
    """The picture of a few images and their views.

    Args:
        views: What made them.
        images: (n, C, H, W) uint8.
        made: V views (n, C, S, S), normalised.
        draws: What was drawn for the n images.
        title: Of the figure.
    """
    height, width = images.shape[-2:]
    pairs = list(zip(views.views, draws, strict=True))
    rows = range(len(images))
    return view_figure(
        images.cpu().numpy(),
        [views.pixels(view).mul(255).round().byte().numpy() for view in made],
        drawn=[[view.describe(draw, row, height, width) for view, draw in pairs] for row in rows],
        boxes=[[_box(view, draw, row, height, width) for view, draw in pairs] for row in rows],
        title=title,
    )


def _box(view: View, draws: list[Draw], row: int, height: int, width: int) -> Box | None:
    """Where a view that begins with its crop was cut out of the image."""
    crop = view.operations[0]
    if not isinstance(crop, RandomResizedCrop):
        return None
    one = {name: x[row : row + 1] for name, x in draws[0].items()}
    top, left, box_height, box_width = (int(x) for x in crop.boxes(one, height, width))
    return left, top, box_width, box_height
