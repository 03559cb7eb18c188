"""What holds for every test."""

import os

import pytest

# Before torch is imported: tests side by side would otherwise fight over the cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def no_seed_left_by_another_test():
    """Lightning leaves a run's seed in the environment, where queues and views would find it."""
    os.environ.pop("PL_GLOBAL_SEED", None)


@pytest.fixture(autouse=True)
def no_recipes_of_whoever_runs_the_tests(monkeypatch, tmp_path_factory):
    """Recipes that were added lie in a folder of the user's, which is another one here."""
    monkeypatch.setenv("SSLKIT_RECIPES", str(tmp_path_factory.getbasetemp() / "no_recipes"))
