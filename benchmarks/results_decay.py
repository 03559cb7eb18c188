"""What keeping biases and normalisation out of weight decay costs at the small budget."""

from record_tables import percent, read, surroundings, table


def section() -> str:
    """The same recipes with ``exclude_bias_and_norm: true``; empty without such records."""
    excluded = read("small_cifar10_excluded.")
    # BYOL's runs with biases kept out have the older warm-up, which begins at 0.
    runs = [*read("small_cifar10.sslkit."), *read("small_cifar10_from_zero.")]
    decayed = {
        (r["method"], r["seed"]): r["evaluation"]["rows"][0] for r in runs if r["batch_size"] == 256
    }
    rows = []
    for method in sorted({record["method"] for record in excluded}):
        without = [r["evaluation"]["rows"][0] for r in excluded if r["method"] == method]
        with_all = [row for (name, _), row in decayed.items() if name == method]
        if not with_all:
            continue
        cells = [
            percent([row[score] for row in found])
            for score in ("knn_20", "linear")
            for found in (without, with_all)
        ]
        rows.append([f"`{method}`", *cells, f"{len(without)} / {len(with_all)}"])
    if not rows:
        return ""
    header = ["`small/` recipe", "kNN (20), excluded", "kNN (20), decayed"]
    header += ["linear, excluded", "linear, decayed", "seeds"]
    return f"""## Biases and normalisation in weight decay

Large-batch recipes with LARS keep biases and normalisation out of weight decay. With SGD at weight
decay 5e-4 on the small budget that costs accuracy, so the recipes in `recipes/small/` that use SGD
decay all parameters, as lightly's examples do. The same recipes both ways
(`--model.exclude_bias_and_norm`), means over the seeds:

{table(header, rows)}

{surroundings(excluded)}
"""
