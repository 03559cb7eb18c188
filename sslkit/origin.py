"""Where a trained encoder comes from: a run's folder, or a pack that was added with its recipe."""

from dataclasses import dataclass
from pathlib import Path

from sslkit.configs.finding import PACK, USER, user_folder, user_recipe
from sslkit.nn.checkpoint import TENSORS
from sslkit.run_folder import run_of

# What is found of an encoder that is in no run's folder: a folder of recipes is no place for it.
EVALUATED = Path("runs/evaluated")


@dataclass(frozen=True)
class Origin:
    """A file with a trained encoder, and what is kept beside it.

    Attributes:
        checkpoint: The file.
        config: The YAML that it was trained by; it need not be there.
        folder: Where its evaluation and features are kept: the run's own, or one in the working
            directory for an encoder that came without a run.
        in_run: Whether ``folder`` is a run's own.
    """

    checkpoint: Path
    config: Path
    folder: Path
    in_run: bool


def find_origin(given: Path | str) -> Origin:
    """The trained encoder that a user means.

    Args:
        given: A checkpoint; the folder of a run, for its last one; the ``.safetensors`` of a pack
            or an export; or the name of an added recipe (``user/birds``) that came with one.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it is a pack that has not been added.
    """
    checkpoint = find_checkpoint(given)
    if checkpoint.suffix != TENSORS:
        run = run_of(checkpoint)
        return Origin(checkpoint, run / "config.yaml", run, in_run=True)
    inside, own = checkpoint.resolve(), user_folder().resolve()
    name = inside.relative_to(own) if inside.is_relative_to(own) else Path(checkpoint.name)
    folder = EVALUATED / name.with_suffix("")
    return Origin(checkpoint, checkpoint.with_suffix(".yaml"), folder, in_run=False)


def find_checkpoint(given: Path | str) -> Path:
    """The file that a user means, as `find_origin`.

    Raises:
        FileNotFoundError: As `find_origin`.
        ValueError: As `find_origin`.
    """
    path = Path(given).expanduser()
    for candidate in (path, path / "last.ckpt", path / "checkpoints" / "last.ckpt"):
        if candidate.is_file():
            if candidate.suffix == PACK:
                raise ValueError(
                    f"{path} is a pack: `sslkit recipe add {path}` shows what is in it and puts "
                    "its encoder beside the recipe, where it is found by the recipe's name."
                )
            return candidate
    if str(given).startswith(USER):
        encoder = user_recipe(str(given)).with_suffix(TENSORS)
        if encoder.is_file():
            return encoder
        raise FileNotFoundError(
            f"{given}: there is no {encoder}, so no encoder came with this recipe. A pack has one "
            "if it was made with `sslkit recipe pack RUN --checkpoint`."
        )
    raise FileNotFoundError(
        f"there is no checkpoint at {path}: give the file (.../checkpoints/last.ckpt), the run's "
        "folder (runs/quickstart/version_0), or an added recipe with its encoder (user/NAME)."
    )
