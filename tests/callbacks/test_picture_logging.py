import numpy as np
from PIL import Image
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sslkit.callbacks.picture_logging import log_picture


def picture(folder, mode="RGB"):
    pixels = np.full((5, 7, 4), 200, np.uint8)
    path = folder / f"{mode}.png"
    Image.fromarray(pixels, "RGBA").convert(mode).save(path)
    return path


def test_tensorboard_gets_pixels_of_any_mode(tmp_path):
    logger = TensorBoardLogger(tmp_path, name="board")
    for step, mode in enumerate(("RGB", "RGBA", "L", "P")):
        log_picture([logger], "seen/it", picture(tmp_path, mode), step=step)
    logger.experiment.flush()
    events = EventAccumulator(logger.log_dir, size_guidance={"images": 0}).Reload()
    shown = events.Images("seen/it")
    assert [event.step for event in shown] == [0, 1, 2, 3]
    assert {(event.width, event.height) for event in shown} == {(7, 5)}


def test_weights_and_biases_gets_the_file_and_others_nothing(tmp_path):
    calls = []

    class Recorded(WandbLogger):
        def __init__(self):
            pass  # no run

        def log_image(self, *arguments, **options):
            calls.append((arguments, options))

    path = picture(tmp_path)
    log_picture([CSVLogger(tmp_path / "csv"), Recorded()], "seen/it", path, step=12)
    assert calls == [(("seen/it", [str(path)]), {"step": 12})]
    assert not (tmp_path / "csv").exists()
