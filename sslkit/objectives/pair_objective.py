"""Contrastive objectives whose pairs plug-ins may treat, and others may watch."""

from abc import ABC
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sslkit.negatives.pairs import Pairs
from sslkit.negatives.plugin import Plugin, Progress, Setting
from sslkit.objectives.objective import Objective
from sslkit.objectives.plugin_chain import PluginChain

Observer = Callable[[Pairs, Pairs], None]


class PairObjective(Objective, ABC):
    """An objective that compares anchors with positives and negatives.

    Without plug-ins, or as long as none changes anything, it is exactly what it is without this
    class: no pairs are made.

    Args:
        plugins: What treats the pairs, in this order; None is nothing.
        setting: What the plug-ins work with.

    Attributes:
        plugins: As given.
    """

    def __init__(self, plugins: Sequence[Plugin] | None, setting: Setting) -> None:
        super().__init__()
        self.plugins = PluginChain(plugins, setting)
        self._observers: list[Observer] = []
        self._seen: dict[int, Tensor] | None = None

    def begin(self, progress: Progress, batch: Any) -> None:
        """Tell the plug-ins where the run stands, and let their guide look at the views."""
        self.plugins.begin(progress)
        self._seen = self._look(batch)

    def set_statistics(self, mean: Sequence[float], std: Sequence[float]) -> None:
        """Tell a guide that asks for it how the views are normalised."""
        take = getattr(self.plugins.guide, "set_statistics", None)
        if take is not None:
            take(mean, std)

    def watch(self, observer: Observer) -> Callable[[], None]:
        """Let someone see the pairs of every batch, before and after plug-ins, without gradient.

        Args:
            observer: Called with both; they are the same object where nothing was changed. Mixes
                may be there as draws only, see `sslkit.negatives.make_mixes`.

        Returns:
            A function that ends it.
        """
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def treated(self, make: Callable[[], Pairs], part: int = 0) -> Pairs | None:
        """Pairs after the plug-ins, if these change anything.

        Args:
            make: Makes the pairs; called only where somebody asks for them.
            part: Which pairs of the batch these are, when there are several: 0, 1, ...

        Returns:
            What the loss has to read; None where it is the loss without plug-ins.
        """
        if not self.plugins and not self._observers:
            return None
        before = make()
        after = self.plugins(before, part)
        with torch.no_grad():
            for observer in self._observers:
                observer(before, after)
        return None if after is before else after

    def guide_features(self, batch: Any) -> dict[int, Tensor]:
        """What the guide sees in the batch, (B, G) by view; each batch is looked at once."""
        seen, self._seen = self._seen, None
        return self._look(batch) if seen is None else seen

    def _look(self, batch: Any) -> dict[int, Tensor]:
        return self.plugins.look(batch, sorted({*self.routes.online, *self.routes.target}))
