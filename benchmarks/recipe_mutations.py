"""Recipes as nobody should write them: mutations of the shipped ones, drawn from a generator."""

import random
from functools import cache
from typing import Any

import yaml

from sslkit.recipe import find_recipe, list_recipes

BAIT = "fuzz_bait"  # a module on the import path, which nothing may import
OUTSIDE = "@OUTSIDE@"  # stands for a file that nothing may touch
_LEVELS = "\n".join(
    [
        "l0: &l0 x",
        *(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 9)),
    ]
)
TOKENS = [
    "!!python/object/apply:os.system [touch x]",
    f"!!python/name:{BAIT}.Layer",
    f"!!python/module:{BAIT}",
    "!x",
    "!!set {a}",
    "!!binary aGk=",
    "!!int x",
    "!!timestamp 2001-99-99",
    "2001-02-30",
    "&a [*a]",
    "&a {b: *a}",
    "*a",
    "<<: *a",
    "<<: {a: 1}",
    _LEVELS,
    f"{BAIT}.Layer",
    f"{BAIT}.sub.Layer",
    "os.system",
    "subprocess.Popen",
    "builtins.exec",
    "torch.ops.load_library",
    "torchvision.datasets.DatasetFolder",
    "sslkit.methods.MoCo",
    "sslkit.cli.main",
    "jsonargparse.set_parsing_settings",
    "lightning.pytorch.callbacks.Callback",
    f"class_path: {BAIT}.Layer",
    f"{{class_path: {BAIT}.Layer}}",
    f"'{{class_path: {BAIT}.Layer, init_args: {{a: 1}}}}'",
    "'{class_path: torchvision.datasets.CIFAR10, init_args: {root: /x, download: true}}'",
    "{class_path: torchvision.datasets.CIFAR100, init_args: {root: ../y, download: yes}}",
    "'[{class_path: pytorch_lightning.loggers.WandbLogger, init_args: {save_dir: ~/z}}]'",
    "pytorch_lightning.loggers.MLFlowLogger",
    "{download: true, root: ../../x}",
    "'download: on'",
    "https://example.org/images.tar",
    "s3://bucket/recipes",
    "[/a, /b, ../c, 'd/../../e', '~', 'E:/f']",
    "[" + ", ".join(f"/p{i}" for i in range(30)) + "]",
    "[" + ", ".join(f"/q{i}" for i in range(150)) + "]",
    OUTSIDE,
    f"file://{OUTSIDE}",
    f"extends: {OUTSIDE}",
    "extends: quickstart",
    "extends: input.yaml",
    "extends: [a]",
    "extends: ../input.yaml",
    "extends: small/moco",
    "/etc/passwd",
    "../../../etc/passwd",
    "C:\\Windows\\win.ini",
    "~/.ssh/id_rsa",
    "-",
    ".",
    "..",
    "~",
    "null",
    ".inf",
    ".nan",
    "1e999",
    "0x" + "f" * 40,
    "9" * 5000,
    "1:30:99",
    "yes",
    "[",
    "}",
    "? a",
    ": b",
    "---",
    "...",
    "%YAML 1.2",
    "|\n  text\n",
    ">-\n  text\n",
    "# comment",
    "\t",
    '"\\x00\\e[31m"',
    '"\\ud800"',
    "é\u2028ÿ",
    "\ufeff",
    "{a: {b: " * 70,
    "[" * 70 + "]" * 70,
    "recipe: {name: ../x}",
    "recipe: null",
    "status: measured",
    "expected: [{metric: x, value: .nan, protocol: p, source: s}]",
    "changed: [a, b]",
    "seed: true",
    "version: 99",
    "name: con",
    "name: a/b",
    "x" * 3000,
]
BYTES = [
    b"\0",
    b"\xff",
    b"\xfe\xff",
    b"\r\n",
    b"PK\x03\x04",
    b"PK\x01\x02",
    b"PK\x05\x06",
    b"\x80\x04",
]


@cache
def shipped() -> tuple[str, ...]:
    """The texts of the shipped recipes."""
    return tuple(find_recipe(name).read_text(encoding="utf-8") for name in list_recipes())


def recipe(rng: random.Random) -> bytes:
    """A mutated recipe as YAML."""
    text = rng.choice(shipped())
    if rng.random() < 0.4:
        text = _changed_tree(rng, text)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        text = rng.choice(_TEXT)(rng, text)
    content = text.encode("utf-8", "surrogatepass")
    if rng.random() < 0.1:
        content = changed_bytes(rng, content)
    return content


def _changed_tree(rng: random.Random, text: str) -> str:
    tree = yaml.safe_load(text)
    for _ in range(rng.randrange(1, 4)):
        _change(rng, tree)
    return yaml.safe_dump(tree, sort_keys=False)


def _change(rng: random.Random, tree: Any) -> None:
    """Replace, remove, rename, wrap or move one value, wherever it is."""
    node, key = tree, None
    parent: Any = None
    while isinstance(node, dict | list) and node and (parent is None or rng.random() < 0.8):
        parent = node
        key = rng.choice(list(node)) if isinstance(node, dict) else rng.randrange(len(node))
        node = node[key]
    if parent is None:
        return
    what = rng.randrange(6)
    if what == 0:
        del parent[key]
    elif what == 1:
        parent[key] = rng.choice(TOKENS)
    elif what == 2:
        parent[key] = [node, node]
    elif what == 3 and isinstance(parent, dict):
        parent[rng.choice((rng.choice(TOKENS), 3, None, True, 1.5))] = parent.pop(key)
    elif what == 4:
        parent[key] = {"class_path": rng.choice(TOKENS), "init_args": node}
    else:
        parent[key] = rng.choice(
            (None, True, -1, 1.5, "", [], {}, {"class_path": None}, tree.copy())
        )


def _line(rng: random.Random, text: str) -> tuple[list[str], int]:
    lines = text.split("\n")
    return lines, rng.randrange(len(lines))


def _insert_token(rng: random.Random, text: str) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(TOKENS) + text[at:]


def _token_line(rng: random.Random, text: str) -> str:
    lines, at = _line(rng, text)
    indent = " " * rng.choice((0, 0, 2, 4, 6))
    lines.insert(at, f"{indent}{rng.choice(('', 'x: ', '- ', 'class_path: '))}{rng.choice(TOKENS)}")
    return "\n".join(lines)


def _replace_value(rng: random.Random, text: str) -> str:
    lines, at = _line(rng, text)
    key, colon, _ = lines[at].partition(": ")
    lines[at] = f"{key}{colon or ': '}{rng.choice(TOKENS)}"
    return "\n".join(lines)


def _drop_line(rng: random.Random, text: str) -> str:
    lines, at = _line(rng, text)
    del lines[at]
    return "\n".join(lines)


def _repeat_line(rng: random.Random, text: str) -> str:
    lines, at = _line(rng, text)
    return "\n".join([*lines[:at], *[lines[at]] * rng.choice((2, 3, 50)), *lines[at + 1 :]])


def _move_line(rng: random.Random, text: str) -> str:
    lines, at = _line(rng, text)
    line = lines.pop(at)
    lines.insert(rng.randrange(len(lines) + 1), line)
    return "\n".join(lines)


def _shift_line(rng: random.Random, text: str) -> str:
    lines, at = _line(rng, text)
    lines[at] = " " * rng.randrange(1, 9) + lines[at].lstrip(" " * rng.randrange(2))
    return "\n".join(lines)


def _cut(rng: random.Random, text: str) -> str:
    return text[: rng.randrange(len(text) + 1)]


def _splice(rng: random.Random, text: str) -> str:
    other = rng.choice(shipped())
    return text[: rng.randrange(len(text) + 1)] + other[rng.randrange(len(other) + 1) :]


def _one_character(rng: random.Random, text: str) -> str:
    if not text:
        return chr(rng.randrange(256))
    at = rng.randrange(len(text))
    new = rng.choice(
        ("", chr(rng.randrange(128)), chr(rng.randrange(0x3000)), ":", "&", "*", "!", '"')
    )
    return text[:at] + new + text[at + 1 :]


_TEXT = (
    _insert_token,
    _token_line,
    _token_line,
    _replace_value,
    _replace_value,
    _drop_line,
    _repeat_line,
    _move_line,
    _shift_line,
    _cut,
    _splice,
    _one_character,
    _one_character,
)


def changed_bytes(rng: random.Random, content: bytes) -> bytes:
    """The same with a few bytes flipped, put in, taken out or replaced."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        at = rng.randrange(len(changed) + 1)
        what = rng.randrange(4)
        if what == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            changed[at:at] = rng.choice(BYTES)
        elif what == 2:
            del changed[at : at + rng.choice((1, 2, 50))]
        elif at < len(changed):
            changed[at] = rng.randrange(256)
    return bytes(changed)
