"""Mutated recipes and packs through everything that reads them before torch is there.

    python benchmarks/fuzz_recipes.py [--inputs 100000] [--seed 0]

Each input is a pure function of the seed and its number. It is read as ``sslkit fit`` reads a
config (allowlist, ``extends``, card), or added as ``sslkit recipe add`` adds a file or a pack. It
must be accepted, or refused with the errors that are promised (ValueError, OSError). An audit hook
sees every file that is opened, changed or removed, every import, and every process or connection:
nothing may be imported that is not Python's own, nothing written but in the folder of the user's
recipes, and nothing opened that a shared recipe names. Every class, place and download of a recipe
that is added must have been shown before the question (`shown_recipes.py` finds them in its own
way), and files of the user's that lie where a recipe would go must stay as they are. Writes a
record; results.py makes RESULTS.md.
"""

import argparse
import contextlib
import io
import json
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import pack_mutations
import recipe_mutations
from audit import Audit
from recipe_mutations import BAIT, OUTSIDE
from shown_recipes import unseen

from sslkit.card import load_card
from sslkit.configs.allowlist import check_file
from sslkit.configs.extends import merged_config
from sslkit.configs.roles import allowed_paths
from sslkit.recipe import recipe_folder
from sslkit.recipe.adding import add_recipe

PROMISED = (ValueError, OSError)
# Of a hundred inputs: as a config, as a shared recipe, as a pack.
SHARES = {"config": 40, "recipe": 20, "pack": 40}
_MOST_KEPT = 20  # of what is found
# Of the user's, in the folder of recipes and by the names of those that are added.
_USERS = ("quickstart.json", "small/moco.safetensors", "small/simclr.json", "small/tribyol.yaml")


class Campaign:
    """A folder with a place for inputs, one for the user's recipes, and baits outside of both.

    Args:
        folder: Empty.
        seed: Of all inputs.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed = seed
        self.inputs, self.target = folder / "inputs", folder / "recipes"
        outside = folder / "outside"
        for place in (self.inputs, self.target, outside / "site" / BAIT):
            place.mkdir(parents=True)
        for name in _USERS:
            (self.target / name).parent.mkdir(exist_ok=True)
            (self.target / name).write_text(name)
        self.bait = outside / "bait.yaml"
        self.bait.write_text("class_path: os.system\n")
        for name in ("__init__", "sub"):
            (outside / "site" / BAIT / f"{name}.py").write_text("class Layer: pass\n")
        sys.path.append(str(outside / "site"))
        self.audit = Audit(written=(self.target,), hidden=(self.bait,), bait=BAIT)
        self.counts: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()  # by the function that refused
        self.found: list[dict[str, Any]] = []
        self.told = 0  # recipes that were compared with what was shown of them
        self.slowest = 0.0

    def run(self, inputs: int) -> None:
        """Read so many inputs."""
        kinds = [kind for kind, share in SHARES.items() for _ in range(share)]
        for kind in ("config", "recipe"):  # imports what is imported once
            self._read(self._written(kind, recipe_mutations.shipped()[0].encode()), kind)
        self.told = 0
        for number in range(inputs):
            rng = random.Random(f"{self.seed} {number}")
            kind = rng.choice(kinds)
            make = pack_mutations.pack if kind == "pack" else recipe_mutations.recipe
            content = make(rng).replace(OUTSIDE.encode(), str(self.bait).encode())
            file = self._written(kind, content)
            start = time.process_time()
            # A config may name files, which are then checked as parts of it.
            with self.audit(reads_what_is_named=kind == "config"):
                outcome, error = self._read(file, kind)
            self.slowest = max(self.slowest, time.process_time() - start)
            self.counts[f"{kind} {outcome}"] += 1
            for event in self.audit.take():
                self._keep(number, kind, event)
            if error:
                self._keep(number, kind, error)
        for name in _USERS:
            file = self.target / name
            if not file.is_file() or file.read_text(encoding="utf-8") != name:
                self._keep(inputs, "user", f"{name} is no longer the user's")

    def _written(self, kind: str, content: bytes) -> Path:
        file = self.inputs / ("input.sslrecipe" if kind == "pack" else "input.yaml")
        file.write_bytes(content)
        return file

    def _read(self, file: Path, kind: str) -> tuple[str, str | None]:
        shown = io.StringIO()
        seen: list[str] = []  # what was shown when the question came

        def yes(question: str) -> bool:
            seen.append(shown.getvalue())
            return True

        added = None
        try:
            with contextlib.redirect_stdout(shown):
                if kind == "config":
                    check_file(file)
                    merged_config(file)
                    load_card(file)
                else:
                    added = add_recipe(file, ask=yes)
        except PROMISED as error:
            self.refusals[traceback.extract_tb(error.__traceback__)[-1].name] += 1
            return "refused", None
        except BaseException:
            return "crashed", traceback.format_exc()
        if added is not None:
            self.told += 1
            if missing := unseen(added.read_text(encoding="utf-8"), seen[0]):
                return "accepted", f"not shown before it was added: {missing}"
        return "accepted", None

    def _keep(self, number: int, kind: str, what: str) -> None:
        self.counts["found"] += 1
        if len(self.found) < _MOST_KEPT:
            self.found.append({"input": number, "kind": kind, "what": what})

    def record(self) -> dict[str, Any]:
        """What came out, as plain values."""
        return {
            "seed": self.seed,
            "inputs": sum(n for name, n in self.counts.items() if name != "found"),
            "compared_with_what_was_shown": self.told,
            "outcomes": dict(sorted(self.counts.items())),
            "refusals": dict(self.refusals.most_common()),
            "found": self.found,
            "events": self.audit.events,
            "slowest_seconds": self.slowest,
            "torch_was_imported": "torch" in sys.modules,
        }


def campaign(folder: Path, *, inputs: int, seed: int) -> dict[str, Any]:
    """Run one in an empty folder; returns its record."""
    before = {name: os.environ.get(name) for name in ("SSLKIT_RECIPES",)}
    allowed_paths(), recipe_folder()  # read once from the sources of the installed packages
    place = Campaign(folder, seed)
    os.environ["SSLKIT_RECIPES"] = str(place.target)
    try:
        place.run(inputs)
    finally:
        sys.path.remove(str(folder / "outside" / "site"))
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
    return place.record()


def main() -> None:
    """Run it, record it, and say what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry", action="store_true", help="print the record only")
    options = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        found = campaign(Path(folder).resolve(), inputs=options.inputs, seed=options.seed)
    found["seconds"] = time.perf_counter() - start
    print(json.dumps(found, indent=1))
    if not options.dry:
        import records  # torch, which must not be there before

        records.write("fuzz_recipes", found)
    sys.exit(bool(found["found"] or found["torch_was_imported"]))


if __name__ == "__main__":
    main()
