"""How fast the command line answers, from the record of startup.py."""

from record_tables import read, spread, surroundings, table


def section() -> str:
    """Every command; empty without the record."""
    found = read("startup")
    if not found:
        return ""
    (record,) = found
    rows = [[f"`{name}`", f"{spread(values, 2)} s"] for name, values in record["seconds"].items()]
    rounds = len(next(iter(record["seconds"].values())))
    return f"""## Start-up

From the start of a process to its end, median and range of {rounds} rounds in which the commands
take turns (`benchmarks/startup.py`). `show` and `check` build the parser of `fit`, which imports
torch; the others do not.

{table(["command", "time"], rows)}

{surroundings(found)}
"""
