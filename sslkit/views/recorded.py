"""Draws in a file, from which the same views can be made again.

The file is in the safetensors format: numbers bit by bit, and nothing that could be run. A tensor
is named by view, operation and what it is: ``0.2.sigma``.
"""

import re
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sslkit.views.draws import Draw
from sslkit.whole_file import whole_file

_NAME = re.compile(r"(\d+)\.(\d+)(?:\.(.+))?")


def write_draws(path: Path | str, draws: list[list[Draw]]) -> None:
    """Write what `Views.draw` returned.

    Args:
        path: The file.
        draws: For each view a `Draw` per operation, on the CPU.

    Raises:
        OSError: If it cannot be written.
    """
    named: dict[str, Tensor] = {}
    for v, view in enumerate(draws):
        for o, draw in enumerate(view):
            named |= {f"{v}.{o}.{name}": x.contiguous() for name, x in draw.items()}
    # An operation that draws nothing has its place all the same.
    shape = ",".join(str(len(view)) for view in draws)
    with whole_file(Path(path)) as unfinished:
        save_file(named, unfinished, metadata={"operations": shape})


def read_draws(path: Path | str) -> list[list[Draw]]:
    """Read what `write_draws` wrote.

    Args:
        path: The file.

    Returns:
        The draws, for `Views.apply`.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is something else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"there is no file {path} of draws.")
    try:
        with safe_open(path, framework="pt") as file:
            counts = [int(n) for n in (file.metadata() or {})["operations"].split(",")]
            draws: list[list[Draw]] = [[{} for _ in range(count)] for count in counts]
            for key in file.keys():
                found = _NAME.fullmatch(key)
                view, operation, name = found.groups() if found else (key, key, key)
                draws[int(view)][int(operation)][name] = file.get_tensor(key)
    except (SafetensorError, KeyError, IndexError, ValueError) as error:
        raise ValueError(
            f"{path} holds no draws of views ({error}): give a file that write_draws wrote."
        ) from error
    return draws
