import json
import platform
from importlib.metadata import version
from pathlib import Path

from sslkit.run_environment import environment


def test_it_says_what_a_figure_may_depend_on_and_nothing_of_a_person() -> None:
    found = environment()
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"] == version("torch")
    assert {"sslkit", "torch", "timm", "numpy"} <= found["packages"].keys()
    assert found["cores"] >= 1 and found["processor"]
    text = json.dumps(found)
    assert platform.node() not in text and str(Path.home()) not in text
