from typing import Any

import pytest
from torch import Tensor

from sslkit.objectives import Objective, Routes


class Alignment(Objective):
    """What a user's own objective looks like."""

    routes = Routes(online=(0,), target=(1,))

    def forward(self, online: Tensor, target: Tensor, batch: Any) -> dict[str, Tensor]:
        per_anchor = (online[0] - target[0].detach()).square().sum(1)
        return {"loss": per_anchor.mean(), "per_anchor": per_anchor.detach()}


def test_a_subclass_is_a_module_with_routes() -> None:
    objective = Alignment()
    assert objective.routes.target == (1,)
    assert list(objective.parameters()) == []


def test_the_abstract_one_cannot_be_built() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Objective()  # pyright: ignore[reportAbstractUsage]
