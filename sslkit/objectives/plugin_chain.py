"""Plug-ins one after the other, and the guide they share."""

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from sslkit.functional import unit_rows
from sslkit.negatives.guides import FrozenGuide
from sslkit.negatives.mixing import make_mixes
from sslkit.negatives.pairs import Pairs
from sslkit.negatives.plugin import Plugin, Progress, Setting

Guide = nn.Module | Literal["momentum"]


class PluginChain(nn.ModuleList):
    """The plug-ins of an objective, in the order in which they act.

    Args:
        plugins: None is none.
        setting: What they work with.

    Attributes:
        guide: What all plug-ins that need one ask which images are alike; None where none does.

    Raises:
        TypeError: If something is no plug-in.
        ValueError: If a plug-in refuses the setting, they cannot follow each other, or two of them
            ask different guides. Guides of the same weights are the same one, and are shared.
    """

    guide: Guide | None

    def __init__(self, plugins: Sequence[Plugin] | None, setting: Setting) -> None:
        plugins = tuple(plugins or ())
        for plugin in plugins:
            if not isinstance(plugin, Plugin):
                raise TypeError(
                    f"plugins must be a list of sslkit.negatives.Plugin, got {plugin!r} in it: "
                    "build each one, HardNegativeMixing(...), or name it by its class_path."
                )
        super().__init__(plugins)
        _check_order(plugins)
        for plugin in plugins:
            _check_anchors(plugin, setting)
            plugin.check(setting)
        self._progress = Progress()
        # Beside the modules: the plug-in that brought it is the one that holds it.
        object.__setattr__(self, "guide", _shared_guide(plugins))
        if isinstance(self.guide, nn.Module):
            self.guide.requires_grad_(False)

    def begin(self, progress: Progress) -> None:
        """Take note of the batch that comes next."""
        self._progress = progress

    def forward(self, pairs: Pairs, part: int = 0) -> Pairs:
        """What the loss reads.

        Args:
            pairs: Of a source.
            part: Which pairs of the batch these are, when there are several: 0, 1, ...

        Returns:
            The very same pairs, if no plug-in changes anything now.
        """
        for position, plugin in enumerate(cast(Sequence[Plugin], self)):
            if pairs.mixes is not None:
                pairs = make_mixes(pairs)
            plugin.begin(self._progress, position + part * len(self))
            pairs = plugin(pairs)
        return pairs

    def guide_width(self) -> int | None:
        """Width of the guide's features, for a queue to keep them; None where it has none to keep.

        Raises:
            ValueError: If the guide does not tell.
        """
        if not isinstance(self.guide, nn.Module):
            return None
        width = getattr(self.guide, "num_features", None)
        if not isinstance(width, int):
            raise ValueError(
                f"the guide {type(self.guide).__name__} does not say how many features it gives, "
                "which a queue needs to keep them: give it an attribute num_features."
            )
        return width

    @torch.no_grad()
    def look(self, batch: Any, views: Sequence[int]) -> dict[int, Tensor]:
        """What the guide sees in some views of a batch.

        Args:
            batch: With ``views``, tensors (B,C,S,S).
            views: Which of them.

        Returns:
            (B, G) unit rows by the number of the view; empty without a module as guide.
        """
        guide = self.guide
        if not isinstance(guide, nn.Module):
            return {}
        if guide.training:  # the engine's train() reaches it too
            guide.eval()
        return {view: unit_rows(guide(batch.views[view])) for view in views}


def _check_order(plugins: Sequence[Plugin]) -> None:
    adding: Plugin | None = None
    for plugin in plugins:
        if adding is not None and plugin.changes_vectors:
            first, second = type(plugin).__name__, type(adding).__name__
            raise ValueError(
                f"{first} changes the vectors that {second} makes negatives from, so in plugins it "
                f"must come before: put {first} above {second}."
            )
        adding = plugin if plugin.adds_negatives else adding


def _check_anchors(plugin: Plugin, setting: Setting) -> None:
    if plugin.adds_negatives and not setting.anchors_learn:
        raise ValueError(
            f"{type(plugin).__name__} adds negatives that are made and not learned, and here no "
            "gradient flows through the anchors (NNCLR's are past embeddings), so they would teach "
            "nothing. Leave it out, or use a method whose anchors learn, such as SimCLR or MoCo."
        )


def _shared_guide(plugins: Sequence[Plugin]) -> Guide | None:
    guides: list[tuple[Plugin, Guide]] = [(p, p.guide) for p in plugins if p.guide is not None]
    if not guides:
        return None
    (first, guide), *others = guides
    for plugin, other in others:
        if isinstance(guide, FrozenGuide) and guide.same_as(other):
            plugin.guide = guide  # the other copy is not needed
        elif other is not guide:
            raise ValueError(
                f"{type(first).__name__} and {type(plugin).__name__} ask two guides, and a batch "
                "is looked at by one: give both the same guide."
            )
    return guide
