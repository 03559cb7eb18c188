"""Time and memory of the queue's losses, from the record of negatives.py."""

from record_tables import read, surroundings, table

_FORMS = {
    "moco plain": "MoCo, autograd through all logits",
    "moco fused": "MoCo, `queue_nce`",
    "mochi fused": "MoCHi, `queue_mixed_nce_per_anchor`",
    "mochi held": "MoCHi, autograd through all logits and mixes",
}


def section() -> str:
    """Every form; empty without the record."""
    found = read("negatives.speed")
    if not found:
        return ""
    (record,) = found
    sizes, forms = record["setting"], record["forms"]
    rows = []
    for form, name in _FORMS.items():
        own = forms[form]
        low, high = own["ratio_quartiles"]
        first = form == "moco plain"
        rows.append(
            [
                name,
                f"{own['median_ms']:.0f} ms",
                "" if first else f"{own['ratio']:.2f} ({low:.2f}-{high:.2f})",
                f"{own['extra_MiB']:.0f} MiB",
                "" if first else f"{own['memory_ratio']:.2f}",
            ]
        )
    rounds = len(forms["moco plain"]["seconds"])
    header = ["loss and gradient", "time", "to the first", "memory", "to the first"]
    return f"""## Queue losses: time and memory

The loss of {sizes["batch"]} queries of width {sizes["dim"]} against a queue of {sizes["queue"]:,},
and its gradient with respect to the queries, in float32; for MoCHi with the
{sizes["hardest"]:,} hardest negatives, {sizes["pairs"]:,} mixes of two of them and
{sizes["query_mixes"]:,} with the query. The forms take turns in one process for {rounds} rounds
(`benchmarks/negatives.py`): median time, and median and quartiles of its ratio to the first form,
paired by round. Memory is the peak of one call beyond its inputs, in a process of its own.

{table(header, rows)}

{surroundings(found)}
"""
