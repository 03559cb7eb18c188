"""What a checkpoint says of its run beside the weights: plain values that rebuild and resume it."""

from pathlib import Path
from typing import Any, Protocol

from pytorch_lightning.trainer.states import TrainerFn

from sslkit._version import __version__
from sslkit.distributed import gather_objects, rank
from sslkit.nn import Encoder
from sslkit.nn.checkpoint import FORMAT, RECORD
from sslkit.seeding import restore_rng_state, rng_state


class Recorded(Protocol):
    """What a module must have to be recorded.

    Attributes:
        encoder: What is rebuilt from the checkpoint.
        batches_drawn: Training batches so far.
    """

    encoder: Encoder
    batches_drawn: int

    @property
    def trainer(self) -> Any:
        """The trainer that it is attached to."""


def write_record(module: Recorded, checkpoint: dict[str, Any]) -> None:
    """Add the record to a checkpoint; every rank must call it.

    Args:
        module: The method that is trained.
        checkpoint: What Lightning is about to save.
    """
    checkpoint[RECORD] = {
        "format": FORMAT,
        "version": __version__,
        "method": type(module).__name__,
        "encoder": module.encoder.spec(),
        "batches_drawn": module.batches_drawn,
        "rng": gather_objects(rng_state()),
    }


def resume_record(module: Recorded, checkpoint: dict[str, Any]) -> None:
    """Check that a checkpoint is of this configuration, then take over counters and RNG.

    Args:
        module: The method that is about to go on.
        checkpoint: What Lightning has read.

    Raises:
        ValueError: If it was written by something else, another method or another architecture.
    """
    record = checkpoint.get(RECORD)
    if record is None:
        raise ValueError("the checkpoint was not written by this toolkit; it cannot be resumed.")
    if record["method"] != type(module).__name__:
        raise ValueError(
            f"the checkpoint is of {record['method']} and this run is of {type(module).__name__}: "
            "resume with the configuration that wrote it."
        )
    differing = [
        f"{key} {record['encoder'].get(key)!r} in the checkpoint, {value!r} here"
        for key, value in module.encoder.spec().items()
        if record["encoder"].get(key) != value
    ]
    if differing:
        raise ValueError(
            f"the checkpoint is of another architecture ({'; '.join(differing)}): resume with the "
            "configuration that wrote it, or train anew without ckpt_path."
        )
    _keep_own_files(checkpoint, getattr(module.trainer, "ckpt_path", None))
    module.batches_drawn = record["batches_drawn"]
    if module.trainer.state.fn == TrainerFn.FITTING and rank() < len(record["rng"]):
        restore_rng_state(record["rng"][rank()])


def _keep_own_files(checkpoint: dict[str, Any], path: Any) -> None:
    """Forget the files that a checkpoint claims to have beside it, unless they are beside it.

    Lightning's `ModelCheckpoint` deletes what its state names when something better comes, whole
    folders too, so a stranger's checkpoint could name any.
    """
    folder = Path(path).resolve().parent if path else None

    def is_own(name: Any) -> bool:
        return (
            isinstance(name, str) and folder is not None and Path(name).resolve().parent == folder
        )

    for state in checkpoint.get("callbacks", {}).values():
        if not isinstance(state, dict) or "best_model_path" not in state:
            continue
        for key in ("best_model_path", "kth_best_model_path", "last_model_path"):
            if not is_own(state.get(key)):
                state[key] = ""
        best = state.get("best_k_models") or {}
        state["best_k_models"] = {name: score for name, score in best.items() if is_own(name)}
