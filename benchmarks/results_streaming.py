"""Images per second out of JPEG files, from the record of streaming.py."""

from typing import Any

from record_tables import read, spread, surroundings, table

BASELINE = "torchvision"
FORMS = {
    "torchvision": "torchvision, PIL",
    "worker": "sslkit, crop: worker",
    "device": "sslkit, crop: device",
    "shards": "sslkit, crop: worker, tar shards",
}
STAGES = {"crops": "crops out of the loader", "views": "whole views"}


def section() -> str:
    """Every folder, stage and form; empty without the record."""
    found = read("streaming")
    if not found:
        return ""
    (record,) = found
    setting = record["setting"]
    sizes = ", ".join(
        f"{name}: shorter side of {low} to {high} px"
        for name, (low, high) in setting["shorter side"].items()
    )
    rounds = len(next(iter(next(iter(record["rates"].values()))["crops"].values())))
    return f"""## Streaming JPEG files

Images per second out of folders of real photographs (crops and rescalings of the two that
scikit-learn ships; {sizes}), two views of {setting["size"]} px of each image as MoCo v2 draws them,
batch {setting["batch"]}, {setting["workers"]} worker processes for each form
(`benchmarks/streaming.py`). torchvision is ImageFolder with PIL, and its workers make all of a
view; sslkit's workers decode and crop, and the rest is done in the main process, which has no
accelerator here. Median and range of {rounds} rounds, in which the forms take turns; the last
column is paired by round.

{table(["images", "stage", "form", "images/s", "torchvision x"], _rows(record))}

{surroundings(found)}
"""


def _rows(record: dict[str, Any]) -> list[list[str]]:
    rows = []
    for folder, stages in record["rates"].items():
        for stage, forms in stages.items():
            for form, rates in forms.items():
                paired = [a / b for a, b in zip(rates, forms[BASELINE], strict=True)]
                ratio = "" if form == BASELINE else spread(paired, 2)
                rows.append([folder, STAGES[stage], FORMS[form], spread(rates, 0), ratio])
    return rows
