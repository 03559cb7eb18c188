"""What to say about an import path that is not on the allowlist: why, and what was meant."""

import difflib
import re
import sys

from sslkit.configs.roles import allowed_paths

DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_DENIED_BY_PARSER = re.compile(r"Importing '([\w.]+)' is not allowed")
# Of the classes that sslkit builds on.
COPIES = "lightning.pytorch."
_ROLES = (
    "A config may name the public classes of sslkit, torch.optim and torch.nn, Lightning's "
    "callbacks, loggers, strategies and profilers, and torchvision's image datasets and transforms"
)


class ImportRefused(ValueError):
    """A config names something that is not on the import allowlist."""


def why_refused(path: str) -> str:
    """An import path with the reason for its refusal, to follow "the config names"."""
    meant = suggest(path)
    hint = f" Did you mean {meant}?" if meant else ""
    module, _, name = path.rpartition(".")
    if not module or not DOTTED.fullmatch(path):
        return f"{path!r}, which is not a full import path like sslkit.methods.SimCLR.{hint}"
    if module.split(".")[0] == "sslkit":
        return f"{path}, and sslkit has no public class or function of this name.{hint}"
    refused = f"{path}, which is not on the import allowlist; it was not imported. {_ROLES}.{hint}"
    if path.startswith(COPIES):
        return (
            f"{path}, which is not on the import allowlist: sslkit builds on the package "
            f"pytorch_lightning, and the classes of lightning.pytorch are not the same.{hint}"
        )
    if module.split(".")[0] in sys.stdlib_module_names:
        return refused
    return f"{refused} If you know {name} and trust whoever wrote it, add --trust {module}."


def suggest(path: str) -> str | None:
    """The allowed import path that a misspelt one most likely means, or None."""
    if path.startswith(COPIES):
        path = f"pytorch_lightning.{path.removeprefix(COPIES)}"
    package, _, name = path.rpartition(".")
    top = package.split(".")[0]
    peers = [p for p in allowed_paths() if not top or p.split(".")[0] == top]
    names = {p.rpartition(".")[2] for p in peers}
    meant = difflib.get_close_matches(name, names, n=1, cutoff=0.65)
    candidates = [p for p in peers if meant and p.rpartition(".")[2] == meant[0]]
    best = difflib.get_close_matches(path, candidates, n=1, cutoff=0.0)
    return best[0] if best else None


def refusal_in(message: str) -> ImportRefused | None:
    """Our explanation of a parser's error, when the import policy is what it is about."""
    denied = _DENIED_BY_PARSER.search(message)
    return ImportRefused(f"the configuration names {why_refused(denied[1])}") if denied else None
