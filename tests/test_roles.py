import importlib
import inspect
import subprocess
import sys

import pytest
from jsonargparse._util import canonical_import_paths

from sslkit.roles import allowed_paths

# Of the classes in the packages that a config may use, those that would be a hole in the list.
HOLES = """
    torch.load torch.hub.load torch.ops.load_library torch.nn.Module torch.nn.functional.relu
    torch.nn.utils.parametrize.register_parametrization torch.optim.swa_utils.AveragedModel
    torch.optim.Optimizer torchvision.datasets.DatasetFolder torchvision.datasets.ImageFolder
    torchvision.datasets.VisionDataset torchvision.datasets.LSUN
    torchvision.datasets.utils.download_url
    torchvision.transforms.Lambda torchvision.transforms.v2.Lambda torchvision.io.read_file
    pytorch_lightning.Trainer pytorch_lightning.callbacks.Callback
    pytorch_lightning.callbacks.LambdaCallback lightning.pytorch.callbacks.LambdaCallback
    sslkit.cli.main sslkit.fit.fit sslkit.recipe.find_recipe sslkit.allowlist.trust_module
    sslkit.methods.simclr sslkit.nn.encoders.timm os.system builtins.eval subprocess.Popen
""".split()


@pytest.mark.parametrize("path", HOLES)
def test_holes_are_not_on_the_list(path: str) -> None:
    assert path not in allowed_paths()
    assert path not in allowed_paths().values()


def test_the_list_has_every_role() -> None:
    for path in (
        "sslkit.methods.SimCLR",
        "sslkit.views.SimCLRViews",
        "sslkit.nn.Encoder",
        "sslkit.optim.WarmupCosine",
        "sslkit.objectives.NTXent",
        "torch.optim.SGD",
        "torch.optim.lr_scheduler.StepLR",
        "torch.nn.Linear",
        "pytorch_lightning.callbacks.ModelCheckpoint",
        "lightning.pytorch.callbacks.ModelCheckpoint",
        "pytorch_lightning.loggers.WandbLogger",
        "pytorch_lightning.strategies.DDPStrategy",
        "torchvision.datasets.CIFAR10",
        "torchvision.transforms.v2.Resize",
    ):
        assert path in allowed_paths(), path


def test_every_name_exists_and_is_defined_where_the_list_says() -> None:
    # A wrong place of definition would make the parser refuse an allowed class.
    for path, defined in allowed_paths().items():
        module, name = path.rsplit(".", 1)
        if path.startswith("lightning."):  # another package, usually not installed
            continue
        found = getattr(importlib.import_module(module), name)
        if path.startswith("sslkit.") and not (inspect.isclass(found) or inspect.isroutine(found)):
            continue  # a type alias: no value can be made of it
        assert canonical_import_paths(found) <= {path, defined}, path


def test_outside_the_toolkit_only_classes_are_on_the_list() -> None:
    for path in allowed_paths():
        module, name = path.rsplit(".", 1)
        if not path.startswith(("sslkit.", "lightning.")):
            assert inspect.isclass(getattr(importlib.import_module(module), name)), path


def test_the_list_is_read_without_importing_what_is_on_it() -> None:
    code = (
        "import sys; from sslkit.allowlist import import_path_allowlist; import_path_allowlist();"
        "print(sorted({m.split('.')[0] for m in sys.modules} & "
        "{'torch', 'torchvision', 'pytorch_lightning', 'lightning', 'timm'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
