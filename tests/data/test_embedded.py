from importlib import resources

from sslkit.data.embedded import quickstart_splits


def test_the_quickstart_set():
    splits = quickstart_splits()
    assert {name: split.images.shape for name, split in splits.items()} == {
        "train": (5000, 28, 28),
        "test": (1000, 28, 28),
    }
    for split in splits.values():
        assert split.classes is not None
        assert len(split.classes) == 10
        assert split.labels.unique().tolist() == list(range(10))


def test_its_licence_lies_beside_it():
    folder = resources.files("sslkit.data") / "embedded"
    assert "Zalando" in (folder / "LICENSE-fashion-mnist.txt").read_text()
