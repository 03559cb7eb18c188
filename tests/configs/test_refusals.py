import pytest

from sslkit.configs.allowlist import check_imports
from sslkit.configs.refusals import ImportRefused, refusal_in, suggest, why_refused


def test_the_message_of_a_misspelt_method_names_the_right_one() -> None:
    with pytest.raises(ImportRefused) as caught:
        check_imports({"class_path": "sslkit.methods.SimCRL"}, where="a.yaml")
    assert "Did you mean sslkit.methods.SimCLR?" in str(caught.value)
    assert "--trust" not in str(caught.value)


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("sslkit.methods.SimCRL", "sslkit.methods.SimCLR"),
        ("sslkit.method.SimCLR", "sslkit.methods.SimCLR"),
        ("sslkit.SimCLR", "sslkit.methods.SimCLR"),
        ("SimCLR", "sslkit.methods.SimCLR"),
        ("torch.optim.SDG", "torch.optim.SGD"),
        ("lightning.pytorch.loggers.WandbLogger", "pytorch_lightning.loggers.WandbLogger"),
        ("lightning.pytorch.callbacks.LambdaCallback", None),
        ("pytorch_lightning.callbacks.LambdaCallback", None),
        ("os.system", None),
        ("my_module.SimCLR", None),
        ("", None),
    ],
)
def test_suggestions(misspelt: str, meant: str | None) -> None:
    assert suggest(misspelt) == meant


def test_the_reason_says_what_to_do() -> None:
    assert "--trust my_lab.methods" in why_refused("my_lab.methods.Mine")
    assert "--trust" not in why_refused("os.system")
    copy = why_refused("lightning.pytorch.callbacks.ModelCheckpoint")
    assert "Did you mean pytorch_lightning.callbacks.ModelCheckpoint?" in copy
    assert "--trust" not in copy


def test_a_refusal_is_found_in_the_parsers_words() -> None:
    refused = refusal_in("Parser key: Importing 'os.system' is not allowed, denied by '*'.")
    assert isinstance(refused, ImportRefused)
    assert "the configuration names os.system, which is not on the" in str(refused)
    assert refusal_in("something else") is None
