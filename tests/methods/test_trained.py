"""What a probe or a fine-tuning starts from, checked before anything is fetched or built."""

import pytest

from sslkit.methods.trained import check_start, leaves_open

PROBE = "sslkit.methods.LinearProbe"


def model(class_path: str = PROBE, **arguments: object) -> dict:
    return {"class_path": class_path, "init_args": arguments}


def test_what_is_not_given_is_asked_for(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"LinearProbe starts from .*--model\.checkpoint FILE"):
        check_start(model(checkpoint=None, encoder=None))
    with pytest.raises(FileNotFoundError, match=r"model\.checkpoint is none\.ckpt"):
        check_start(model(checkpoint="none.ckpt", encoder=None))
    (tmp_path / "last.ckpt").touch()
    check_start(model(checkpoint=str(tmp_path / "last.ckpt"), encoder=None))
    check_start(model(checkpoint=None, encoder={"class_path": "sslkit.nn.Encoder"}))


def test_other_models_are_let_through() -> None:
    assert leaves_open({"checkpoint": None, "encoder": None, "views": None})
    assert not leaves_open({"encoder": None})
    for other in (None, model(), model(encoder=None), model("my_lab.Probe", checkpoint="none")):
        check_start(other)
    check_start(model("my_lab.Probe", checkpoint=None, encoder=None))
