"""What a method arranges when several processes train it together."""

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.utilities import rank_zero_info
from timm.layers.norm_act import convert_sync_batchnorm
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from sslkit.nn import Queue


def synchronise_batch_norm(module: LightningModule, trainer: Trainer) -> None:
    """Take batch statistics over all GPUs, in place, and say so; on CPUs there is no such layer.

    Args:
        module: A method that needs the statistics of the global batch.
        trainer: Of this run.
    """
    on_gpus = trainer.world_size > 1 and trainer.strategy.root_device.type == "cuda"
    if on_gpus and any(isinstance(layer, _BatchNorm) for layer in module.modules()):
        # timm's, which knows its layers of normalisation and activation in one.
        convert_sync_batchnorm(module)
        rank_zero_info(f"Batch statistics are taken over all {trainer.world_size} GPUs.")


def keep_queues_local(module: nn.Module) -> None:
    """Tell torch's DDP to leave queues alone.

    DDP sends every buffer from rank 0 to the others before each forward pass. A queue starts the
    same on every rank and takes the same rows everywhere, so that would be a copy of all of it
    (65,536 x 128 floats are 32 MiB) in every step, for nothing. Other buffers are still sent: the
    running statistics of batch normalisation differ between ranks, and one of them is saved.

    Args:
        module: What DDP is going to wrap.
    """
    queues = [name for name, part in module.named_modules() if isinstance(part, Queue)]
    names = [name for name, _ in module.named_buffers() if name.rpartition(".")[0] in queues]
    # torch has no public way to leave out some buffers only; this is the one that it documents.
    DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(module, names)
