"""What holds for every test."""

import os

import pytest


@pytest.fixture(autouse=True)
def no_seed_left_by_another_test():
    """Lightning leaves a run's seed in the environment, where queues and views would find it."""
    os.environ.pop("PL_GLOBAL_SEED", None)
