"""Reference values that the tests compare with; `oracles/README.md` says where they come from."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

FOLDER = Path(__file__).parent / "oracles"


@dataclass(frozen=True)
class Case:
    """One run of a reference implementation: what went in, what came out."""

    params: dict[str, Any]
    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


@cache
def _file(name: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    cases = json.loads((FOLDER / f"{name}.json").read_text())
    with np.load(FOLDER / f"{name}.npz") as arrays:
        return cases, dict(arrays)


def case_names(file: str, prefix: str) -> list[str]:
    """Sorted names of the cases in a file that begin with a prefix; an error when none does."""
    names = sorted(name for name in _file(file)[0] if name.startswith(prefix))
    if not names:
        raise LookupError(f"no case in {file} begins with {prefix}")
    return names


def case(file: str, name: str) -> Case:
    """A case with its arrays as fresh tensors."""
    cases, arrays = _file(file)
    record = cases[name]

    def tensors(part: str) -> dict[str, Tensor]:
        return {key: torch.from_numpy(arrays[at].copy()) for key, at in record[part].items()}

    return Case(record["params"], tensors("inputs"), tensors("outputs"))
