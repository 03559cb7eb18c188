"""Which kind of class stands under which key, told by the module that it is in.

The parser knows better, as it knows the types; this is what can be said before torch is there.
"""

import re

from sslkit.configs.values import Value

_BARE = re.compile(r"[A-Z]\w*")
_LIGHTNING = "pytorch_lightning"
_SLOTS = {
    "model": ("sslkit.methods",),
    "encoder": ("sslkit.nn",),
    "projector": ("sslkit.nn", "torch.nn"),
    "predictor": ("sslkit.nn", "torch.nn"),
    "objective": ("sslkit.objectives",),
    "views": ("sslkit.views",),
    "plugins": ("sslkit.negatives",),
    "optimizer": ("torch.optim", "sslkit.optim"),
    # Of a method, or of a plug-in.
    "schedule": ("sslkit.optim", "sslkit.negatives"),
    "callbacks": ("sslkit.callbacks", f"{_LIGHTNING}.callbacks"),
    "logger": (f"{_LIGHTNING}.loggers",),
    "strategy": (f"{_LIGHTNING}.strategies",),
    "profiler": (f"{_LIGHTNING}.profilers",),
    "source": ("sslkit.data", "torchvision.datasets"),
    "val_source": ("sslkit.data", "torchvision.datasets"),
    "test_source": ("sslkit.data", "torchvision.datasets"),
}


def slot_fault(value: Value) -> str | None:
    """Why a class cannot be what its key asks for, or None where nothing speaks against it.

    Args:
        value: Any of a config; only values of ``class_path`` are judged, and only those that are
            on the allowlist.
    """
    names = [key for key in value.keys if not key.isdigit() and key != "init_args"]
    if value.key != "class_path" or len(names) < 2:
        return None
    slot = names[-2].rsplit(".", 1)[-1]
    # At the top it is the method; deeper it may be anything.
    wanted = _SLOTS.get(slot) if slot != "model" or len(names) == 2 else None
    if wanted is None or value.text.startswith(tuple(f"{module}." for module in wanted)):
        return None
    where = ".".join(names[:-1])
    return f"{where} names {value.text}, and takes a class of {' or '.join(wanted)}."


def names_a_class(value: Value) -> bool:
    """Whether a text stands where a class belongs and is the bare name of one: ``SGD``.

    Args:
        value: Any of a config.
    """
    slots = [key for key in value.keys if not key.isdigit()]
    return bool(slots) and slots[-1] in _SLOTS and _BARE.fullmatch(value.text) is not None
