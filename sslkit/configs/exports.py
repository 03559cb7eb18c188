"""Public names of a module and where they are defined, read from its source and never imported.

The import allowlist must know both before anything is imported, and ``sslkit --help`` must answer
before torch is loaded, so the sources are parsed instead.
"""

import ast
import importlib.util
from collections.abc import Iterator
from functools import cache
from pathlib import Path


@cache
def public_names(module: str) -> dict[str, str]:
    """The public names of a module: those of ``__all__``, else all without an underscore.

    A name is followed through the ``__init__`` files below the module that re-export it. What comes
    from elsewhere is not public here, unless ``__all__`` says so.

    Args:
        module: Dotted name (``torch.optim``). It is not imported.

    Returns:
        ``{"SGD": "torch.optim.sgd.SGD", ...}``; empty when the module or its source is not there.
    """
    source = _source_of(module)
    if source is None:
        return {}
    body = ast.parse(source.read_text(encoding="utf-8")).body
    bound = dict(_bindings(module, body, is_package=source.name == "__init__.py"))
    listed = _listed(body)
    if listed is None:
        return {name: origin for name, origin in bound.items() if not name.startswith("_")}
    beside = {n: o for n, o in _from_beside(module, body).items() if n in listed}
    bound = {name: _definition(origin, name) for name, origin in beside.items()} | bound
    return {name: bound.get(name, f"{module}.{name}") for name in listed}


def _bindings(module: str, body: list[ast.stmt], *, is_package: bool) -> Iterator[tuple[str, str]]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name, f"{module}.{node.name}"
        elif is_package and isinstance(node, ast.ImportFrom) and node.module:
            # One dot is the package itself; more lead out of it.
            origin = f"{module}.{node.module}" if node.level == 1 else node.module
            if node.level > 1 or not origin.startswith(f"{module}."):
                continue
            for alias in node.names:
                if alias.name == "*":
                    yield from public_names(origin).items()
                else:
                    yield alias.asname or alias.name, _definition(origin, alias.name)


def _from_beside(module: str, body: list[ast.stmt]) -> dict[str, str]:
    """Modules of the same package, but not below this one, from which a name is imported."""
    top = module.split(".")[0]
    return {
        alias.asname or alias.name: node.module
        for node in body
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module
        # Not from what holds this module, where the name may come from here in turn.
        if node.module.split(".")[0] == top and not f"{module}.".startswith(f"{node.module}.")
        for alias in node.names
    }


def _definition(origin: str, name: str) -> str:
    source = _source_of(origin)
    # A module that is a file of its own is where the name is defined: no need to parse it.
    passes_on = source is not None and source.name == "__init__.py"
    return public_names(origin).get(name, f"{origin}.{name}") if passes_on else f"{origin}.{name}"


def _listed(body: list[ast.stmt]) -> list[str] | None:
    for node in body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets
        ):
            return list(ast.literal_eval(node.value))
    return None


@cache
def _source_of(module: str) -> Path | None:
    top, *rest = module.split(".")
    try:
        # Of the top-level name only: looking for `a.b` would import `a`.
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.submodule_search_locations:
        return None
    for location in spec.submodule_search_locations:
        path = Path(location, *rest)
        for candidate in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if candidate.is_file():
                return candidate
    return None
