"""Which views go through which branch of a joint-embedding network."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Routes:
    """Which views go through which branch.

    An objective states its routes, and only routed views are encoded. The order is the order in
    which the objective receives them: ``online[v]`` is view ``routes.online[v]``.

    - SimCLR: ``Routes(online=(0, 1), target=())``, both views online, nothing else.
    - MoCo: ``Routes(online=(0,), target=(1,))``, keys from the target branch.
    - BYOL: ``Routes(online=(0, 1), target=(0, 1))``, both views through both.
    - TriBYOL: ``Routes(online=(0, 1, 2), target=(0, 1), second_target=(0, 2))``, three views and
      two momentum branches.

    Attributes:
        online: Indices of the views that pass through the online branch, the one that learns.
        target: Indices of the views that pass through the target branch: the momentum branch when
            the method has one, otherwise the online branch again.
        second_target: Indices of the views that pass through a second momentum branch. The
            objective receives them in ``target``, after those of the first.

    Raises:
        ValueError: If no view goes online, or a branch names a view twice or by a negative index.
    """

    online: tuple[int, ...]
    target: tuple[int, ...]
    second_target: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.online:
            raise ValueError(
                "online must name at least one view, got (): without one nothing is trained. "
                "Use online=(0, 1) for two views."
            )
        for name in ("online", "target", "second_target"):
            views = getattr(self, name)
            if len(set(views)) < len(views) or min(views, default=0) < 0:
                raise ValueError(
                    f"{name} must name each view once, by an index from 0 up, got {views}. "
                    "Remove the repeated or negative index."
                )
