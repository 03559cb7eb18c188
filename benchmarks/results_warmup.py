"""What a warm-up that begins at a learning rate of 0 costs BYOL at the small budget."""

from record_tables import percent, read, surroundings, table


def section() -> str:
    """BYOL with both beginnings of the warm-up; empty without the records."""
    from_zero = read("small_cifar10_from_zero.")
    recipe = [r for r in read("small_cifar10.sslkit.byol.") if r["batch_size"] == 256]
    found = {"from 0": from_zero, "as in the recipe": recipe}
    if not all(found.values()):
        return ""
    rows = []
    for name, records in found.items():
        scores = [record["evaluation"]["rows"][0] for record in records]
        cells = [percent([row[score] for row in scores]) for score in ("knn_20", "linear")]
        rows.append([name, *cells, str(len(records))])
    return f"""## Where BYOL's warm-up begins

The warm-up of published code begins at a learning rate of 0. Its first step moves nothing and fills
the optimiser's momentum, so that the second takes two gradients at once. Among thousands of steps
that is nothing. The small budget has 400 steps, and `recipes/small/byol.yaml` begins at 0.025 of
the rate (`start_fraction`), about where lightly's scheduler does. `small/byol` with either
beginning:

{table(["warm-up", "kNN (20)", "linear", "seeds"], rows)}

{surroundings(from_zero)}
"""
