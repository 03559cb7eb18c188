"""What mutated recipes and packs did, from the record of fuzz_recipes.py."""

from record_tables import read, surroundings, table

_KINDS = {
    "config": "a config, as `sslkit fit` reads it: allowlist, `extends`, card",
    "recipe": "a YAML file, as `sslkit recipe add` adds it",
    "pack": "a pack, as `sslkit recipe add` adds it",
}


def section() -> str:
    """The campaign; empty without the record."""
    found = read("fuzz_recipes")
    if not found:
        return ""
    (record,) = found
    outcomes = record["outcomes"]
    rows = [
        [
            text,
            *(
                f"{outcomes.get(f'{kind} {what}', 0):,}"
                for what in ("accepted", "refused", "crashed")
            ),
        ]
        for kind, text in _KINDS.items()
    ]
    torch = "was imported" if record["torch_was_imported"] else "was never imported"
    return f"""## Mutated recipes and packs

{record["inputs"]:,} mutations of the shipped recipes, and of packs with them, through everything
that reads a recipe before torch is there (`benchmarks/fuzz_recipes.py`, seed {record["seed"]}).
Each is accepted, or refused with an error that says what is wrong; anything else is a crash. An
audit hook of the interpreter saw {record["events"]:,} events while they were read.

{table(["read as", "accepted", "refused", "crashed"], rows)}

{record["compared_with_what_was_shown"]:,} recipes were added; each of their classes, places and
downloads must have been in what was shown before the question, and files of the user's in the same
folder must stay.

Crashes, imports of modules that are not Python's own, files written or removed outside of the
folder of recipes, opened because a shared recipe named them, processes and connections, things not
shown, and files of the user's that were touched:
{outcomes.get("found", 0)} in all. torch {torch}. The refusals come from {len(record["refusals"])}
functions; the slowest input took {1000 * record["slowest_seconds"]:.0f} ms.

{surroundings(found)}
"""
