"""The README's part on views runs as it stands there."""

import re
import shlex
from pathlib import Path

import numpy as np
import torch
from readme import README, block

from sslkit import views
from sslkit.cli import main


def test_the_python_example_makes_what_it_says():
    names = {}
    exec(compile(block("python", "RandomPerspective"), "README.md", "exec"), names)
    assert names["first"].shape == names["second"].shape == (8, 3, 64, 64)
    assert not torch.equal(names["first"], names["again"][0])  # other draws
    repeated = names["views"].apply(names["images"], names["draws"])
    for view, again in zip(repeated, names["again"], strict=True):
        assert torch.equal(view, again)
    assert names["large"].shape == (8, 3, 64, 64)
    assert [view.shape for view in names["small"]] == [(8, 3, 32, 32)] * 4


def test_the_command_draws(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("images.npz", x_train=np.zeros((8, 20, 20, 3), dtype=np.uint8))
    words = shlex.split(block("bash", "sslkit views").replace("\\\n", ""))
    second = words.index("sslkit", 1)
    for program, *arguments in (words[:second], words[second:]):
        assert program == "sslkit"
        arguments[arguments.index("path/to/images")] = "images.npz"
        assert main(arguments) == 0
    assert Path("views.png").is_file() and Path("strong.png").is_file()


def test_every_kind_of_views_is_named():
    named = set(re.findall(r"`(\w+Views)`", README))
    assert {name for name in views.__all__ if name.endswith("Views") and name != "Views"} <= named
