"""Randomness that a killed run finds again: counters instead of hidden state.

What the toolkit draws (views, shuffles, mixing coefficients) comes from generators that are a pure
function of (seed, where we are, rank), so a resumed run draws what the first would have drawn.
What it does not draw itself (dropout, stochastic depth) uses torch's global generators, whose state
travels in the checkpoint.
"""

import hashlib
import os
from typing import Any

import torch


def global_seed() -> int:
    """The seed that Lightning's ``seed_everything`` set for this run, or 0."""
    return int(os.environ.get("PL_GLOBAL_SEED", "0"))


def counter_generator(*counters: int, device: torch.device | str = "cpu") -> torch.Generator:
    """A generator that is a pure function of its counters.

    Args:
        *counters: Whole numbers that name the draw, for example seed, epoch, rank. Different tuples
            give unrelated streams (they are hashed, not added).
        device: Where the generator draws.

    Returns:
        A fresh, seeded generator.
    """
    digest = hashlib.blake2b(repr(counters).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "little") >> 1)


def rng_state() -> dict[str, Any]:
    """The state of torch's global generators on this process, safe for ``weights_only`` loading."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_rng_state(state: dict[str, Any]) -> None:
    """Put back what `rng_state` returned."""
    torch.set_rng_state(state["cpu"].cpu())
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"].cpu())
