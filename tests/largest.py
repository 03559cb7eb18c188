"""How large tensors get that an operation makes."""

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Largest(TorchDispatchMode):
    """Records the most elements of memory that any operation within it hands out newly.

    Attributes:
        made: Elements of the largest storage that no argument of its operation had.
    """

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {_storage(x) for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)}
        for x in tree_leaves(result):
            if isinstance(x, torch.Tensor) and _storage(x) not in given:
                self.made = max(self.made, x.untyped_storage().nbytes() // x.element_size())
        return result


def _storage(x: torch.Tensor) -> int:
    return x.untyped_storage()._cdata
