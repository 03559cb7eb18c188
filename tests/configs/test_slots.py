import pytest

from sslkit.configs.slots import slot_fault
from sslkit.configs.values import Value


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ("model.class_path", "sslkit.methods.MoCo"),
        ("model.class_path", "sslkit.methods.moco.MoCo"),
        ("model.init_args.optimizer.class_path", "torch.optim.sgd.SGD"),
        (
            "model.init_args.plugins.0.init_args.schedule.class_path",
            "sslkit.negatives.PluginSchedule",
        ),
        ("model.init_args.projector.init_args.model.class_path", "torch.nn.ReLU"),
        ("model.init_args.guide.class_path", "torch.nn.ReLU"),
        ("trainer.callbacks.0.class_path", "pytorch_lightning.callbacks.EarlyStopping"),
        ("model.init_args.encoder", "torch.nn.ReLU"),
        ("class_path", "torch.nn.ReLU"),
    ],
)
def test_what_fits(keys: str, text: str) -> None:
    assert slot_fault(Value(tuple(keys.split(".")), text)) is None


@pytest.mark.parametrize(
    ("keys", "text", "where"),
    [
        ("model.class_path", "sslkit.methodsX.MoCo", "model"),
        ("model.class_path", "torch.nn.ReLU", "model"),
        ("model.init_args.views.class_path", "sslkit.nn.Encoder", "model.views"),
        ("trainer.callbacks.3.class_path", "sslkit.views.SimCLRViews", "trainer.callbacks"),
        ("trainer.logger.class_path", "pytorch_lightning.callbacks.Timer", "trainer.logger"),
        ("data.source.class_path", "torchvision.transforms.Resize", "data.source"),
        ("data.test_source.class_path", "torch.optim.SGD", "data.test_source"),
    ],
)
def test_what_does_not(keys: str, text: str, where: str) -> None:
    fault = slot_fault(Value(tuple(keys.split(".")), text))
    assert fault is not None and fault.startswith(f"{where} names {text}, and takes a class of ")
