import json

import numpy as np
import pytest
import torch
from PIL import Image

from sslkit.data import ImageDataModule
from sslkit.evaluation.real_labels import read_real_labels, real_label_sets
from sslkit.evaluation.scoring import evaluate_on
from sslkit.nn import Encoder


@pytest.fixture
def write(tmp_path):
    def to_file(content, name="real.json"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return to_file


def test_lists_become_sets(write):
    assert read_real_labels(write([[1], [], [0, 2]]), 3).int().tolist() == [
        [0, 1, 0],
        [0, 0, 0],
        [1, 0, 1],
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("[[1], [", "cannot be read as JSON"),
        ("[" * 100_000, "cannot be read as JSON"),
        ("[]", "holds a list, or nothing. It must be a JSON list with a list of class numbers"),
        ('{"a": [1]}', "holds a dict"),
        ("[[1], 2]", "entry 1 of .* is 2"),
        ('[["cat"]]', r"entry 0 of .* is \['cat'\]"),
        ("[[true]]", r"entry 0 of .* is \[True\]"),
        ("[[0], [3]]", "entry 1 of .* has the class 3, and the training images have 3 classes, 0"),
        ("[[-1]]", "has the class -1"),
    ],
)
def test_what_is_no_such_file(write, content, words):
    with pytest.raises(ValueError, match=words):
        read_real_labels(write(content), 3)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"real_labels: there is no file .*none\.json"):
        read_real_labels(tmp_path / "none.json", 3)


@pytest.fixture
def folder(tmp_path):
    """The layout of ImageNet: file names are numbered across the folders of the classes."""
    rng = np.random.default_rng(0)
    labels = {"train": np.arange(30) % 3, "val": np.array([2, 0, 1, 1, 2, 0])}
    for split, own in labels.items():
        for number, label in enumerate(own):
            path = tmp_path / "data" / split / "abc"[label] / f"{split}_{number:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = 60 * label + rng.integers(0, 90, (8, 8, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    return tmp_path / "data"


SETS = [[2], [0], [1, 0], [], [2], [0, 1]]


@pytest.mark.parametrize("resident_gb", [0.0, 2.0])
def test_images_in_folders_are_lined_up_by_file_name(folder, write, resident_gb):
    data = ImageDataModule(str(folder), batch_size=4, resident_gb=resident_gb)
    data.setup()
    sets = real_label_sets(data, "val", write(SETS))
    by_folder = [1, 5, 2, 3, 0, 4]  # a, b, c and by number in each
    assert [row.nonzero().flatten().tolist() for row in sets] == [
        sorted(SETS[number]) for number in by_folder
    ]


def test_unreadable_images_keep_their_place(folder, write):
    (folder / "val/b/val_002.png").write_bytes(b"no image")
    data = ImageDataModule(str(folder), batch_size=4, on_bad_image="skip")
    with pytest.warns(UserWarning, match="Left out 1 unreadable"):
        data.setup()
    sets = real_label_sets(data, "val", write(SETS))
    assert sets.shape == (6, 3) and sets[2].tolist() == [True, True, False]


def test_other_data_are_taken_in_their_order(tmp_path, write):
    x = np.zeros((4, 6, 6), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=[0, 1, 2, 0], x_test=x)
    data = ImageDataModule(str(tmp_path / "a.npz"), batch_size=4)
    data.setup()
    sets = real_label_sets(data, "test", write([[1], [], [0], [2]]))
    assert sets.int().argmax(1).tolist() == [1, 0, 0, 2]


def test_what_does_not_belong_to_the_images(folder, write):
    data = ImageDataModule(str(folder), batch_size=4)
    data.setup()
    with pytest.raises(ValueError, match="has 5 label sets, and the val split has 6 images"):
        real_label_sets(data, "val", write(SETS[:5]))
    with pytest.raises(ValueError, match=r"of the 6 images .* only 16\.7% have their class"):
        real_label_sets(data, "val", write([[0], [1], [2], [1], [0], [2]]))
    (folder / "val/a/val_001.png").rename(folder / "val/a/val_000.png")
    data = ImageDataModule(str(folder), batch_size=4)
    data.setup()
    with pytest.raises(ValueError, match=r"val_000\.png is there more than once"):
        real_label_sets(data, "val", write(SETS))


def scored(data, file, **options):
    net = {"layers": [1, 1, 1, 1], "channels": [4, 4, 4, 8]}
    encoder = Encoder("resnet18", small_images=True, image_size=8, options=net).reinitialised(0)
    how = {"name": "x", "seed": 0, "device": "cpu", "real_labels": file}
    return evaluate_on(encoder, data, **how, **options).report


def test_the_report_is_of_the_sets_and_says_so(folder, write, tmp_path):
    file = write(SETS)
    data = ImageDataModule(str(folder), batch_size=4)
    report = scored(data, file, cache=tmp_path / "cache")
    content = report.to_dict()
    assert (content["metric"], content["n_test"], content["n_empty"]) == ("in_set", 5, 1)
    assert "1 of 6 validation images have an empty label set" in content["notes"][1]
    assert (
        "one of its own, and images with an empty set are left out (ReaL"
        in (content["protocol"]["features"])
    )
    assert content["data"]["label sets"] == str(file)
    predictions = report.scores[0].predictions
    assert [row.nonzero()[0].tolist() for row in predictions.label] == [
        [0], [0, 1], [0, 1], [2], [2]
    ]  # fmt: skip
    # Features are those of the images: other labels need no others.
    kept = sorted(path.name for path in (tmp_path / "cache").iterdir())
    scored(data, write([[2], [0], [1], [1], [2], [0]]), cache=tmp_path / "cache")
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == kept


def test_fewer_images_and_images_without_labels_will_do(folder, write, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in (folder / "val").rglob("*.png"):
        path.rename(flat / path.name)
    data = ImageDataModule(str(folder / "train"), val_source=str(flat), batch_size=4)
    report = scored(data, write(SETS), limits=(None, 4))
    assert report.scores[0].n_test + report.scores[0].n_empty == 4
    for index, label in zip(
        report.scores[0].predictions.index, report.scores[0].predictions.label, strict=True
    ):
        assert torch.from_numpy(label).nonzero().flatten().tolist() == sorted(SETS[index])


def test_held_out_training_images_are_not_what_a_file_is_of(folder, write):
    data = ImageDataModule(str(folder / "train"), val_fraction=0.2, batch_size=4)
    with pytest.raises(ValueError, match="of a validation split of its own, and the data has only"):
        scored(data, write(SETS))
