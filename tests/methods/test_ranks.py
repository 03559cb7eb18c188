from types import SimpleNamespace

import pytest
import torch
from tiny import METHODS, encoder
from torch import nn

from sslkit.methods.ranks import synchronise_batch_norm

PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d)


def trainer_on(device, processes):
    """As much of a trainer as is asked for."""
    strategy = SimpleNamespace(root_device=torch.device(device))
    return SimpleNamespace(world_size=processes, strategy=strategy)


def test_on_several_gpus_all_statistics_are_synchronised_and_it_is_said(caplog):
    method = METHODS["BYOL"]()
    before = dict(method.named_parameters())
    norms = [n for n, m in method.named_modules() if isinstance(m, PLAIN)]
    parts = {"encoder", "projector", "predictor", "momentum_branches"}
    assert {name.partition(".")[0] for name in norms} == parts
    with caplog.at_level("INFO"):
        synchronise_batch_norm(method, trainer_on("cuda", 4))
    assert "Batch statistics are taken over all 4 GPUs" in caplog.text
    assert all(isinstance(method.get_submodule(name), nn.SyncBatchNorm) for name in norms)
    after = dict(method.named_parameters())  # an optimiser may hold them already
    assert after.keys() == before.keys()
    assert all(after[name] is parameter for name, parameter in before.items())


@pytest.mark.parametrize(("device", "processes"), [("cuda", 1), ("cpu", 2)])
def test_one_gpu_and_cpus_keep_their_own(device, processes, caplog):
    method = METHODS["BYOL"]()
    with caplog.at_level("INFO"):
        synchronise_batch_norm(method, trainer_on(device, processes))
    assert not any(isinstance(m, nn.SyncBatchNorm) for m in method.modules())
    assert "Batch statistics" not in caplog.text


def test_without_batch_statistics_there_is_nothing_to_say(caplog):
    method = METHODS["BYOL without batch statistics"](encoder=encoder(norm="group"))
    with caplog.at_level("INFO"):
        synchronise_batch_norm(method, trainer_on("cuda", 2))
    assert caplog.text == ""
