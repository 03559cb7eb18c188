import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from gloo import run_two_ranks

from sslkit.data import Batch, ImageDataModule, ViewBatch
from sslkit.evaluation import Features, cached_features, extract_features
from sslkit.nn import Encoder

OPTIONS = {"layers": [1, 1, 1, 1], "channels": [8, 8, 8, 8]}


def encoder(seed: int = 0, **changes) -> Encoder:
    arguments = {"small_images": True, "in_channels": 1, "options": OPTIONS}
    return Encoder("resnet18", **(arguments | changes)).reinitialised(seed).train()


def data(images: int = 50, **changes) -> ImageDataModule:
    g = np.random.default_rng(0)
    arrays = [
        (torch.from_numpy(g.integers(0, 256, (1, 8, 8), dtype=np.uint8)), int(at % 3))
        for at in range(images)
    ]
    return ImageDataModule(arrays, batch_size=8, workers=0, **changes)


def loader(images: int = 50, **changes):
    return data(images, **changes).eval_dataloader("train")


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Refuses(Encoder):
    """Must not be asked for features."""

    def forward(self, x):
        raise AssertionError("the features are there")


def test_features_are_extracted_once_and_stay_the_same(tmp_path):
    net = encoder()
    plain = extract_features(net, loader())
    first = cached_features(net, loader(), folder=tmp_path)
    assert net.training
    net.__class__ = Refuses
    again = cached_features(net, loader(), folder=tmp_path)
    for found in (first, again):
        assert torch.equal(found.features, plain.features)
        assert torch.equal(found.labels, plain.labels)
        assert found.index.tolist() == list(range(50)) == plain.index.tolist()
    assert len(entries(tmp_path)) == 1


def test_what_is_changed_in_features_stays_in_memory(tmp_path):
    net = encoder()
    found = cached_features(net, loader(), folder=tmp_path)
    before = found.features.clone()
    found.features.zero_()
    assert torch.equal(cached_features(net, loader(), folder=tmp_path).features, before)
    torch.nn.Linear(found.features.shape[1], 2)(before).sum().backward()


def test_nothing_is_stale(tmp_path, monkeypatch):
    def extract(net=None, images=None):
        cached_features(net or encoder(), images or loader(), folder=tmp_path)
        return len(entries(tmp_path))

    assert extract() == 1
    assert extract(encoder(1)) == 2  # other weights
    other = encoder()
    other.set_statistics([0.5], [0.25])
    assert extract(other) == 3
    other = encoder()
    next(m for m in other.modules() if isinstance(m, torch.nn.BatchNorm2d)).running_mean[0] += 1e-3
    assert extract(other) == 4
    assert extract(encoder(image_size=12)) == 5  # other preprocessing
    assert extract(images=loader(49)) == 6  # other images
    assert extract(images=loader(image_size=6)) == 7
    assert extract(images=loader(resident_gb=0)) == 8  # nothing says that these are the same
    assert extract(images=data().eval_dataloader("train", 20)) == 9
    monkeypatch.setattr("sslkit.evaluation.feature_key.FORMAT", 99)
    assert extract() == 10
    monkeypatch.setattr("torch.__version__", "99")
    assert extract() == 11
    assert extract() == 11


def test_streamed_images_and_plain_lists_of_batches(tmp_path):
    net = encoder()
    expected = extract_features(net, loader())
    for given in (loader(resident_gb=0), list(loader())):
        found = cached_features(net, given, folder=tmp_path)
        assert torch.equal(found.features, expected.features)
    several = [Batch(b.image, torch.eye(3, dtype=torch.bool)[b.label], b.index) for b in loader()]
    found = cached_features(net, several, folder=tmp_path)
    assert found.labels.dtype == torch.bool and found.labels.shape == (50, 3)


def broken(after: int):
    """Batches of which one cannot be encoded; the images are otherwise those of `loader`."""
    batches = list(loader())
    batches[after] = Batch(batches[after].image.repeat(1, 2, 1, 1), *batches[after][1:])
    return batches


@pytest.mark.parametrize("after", [0, 3])
def test_an_error_leaves_nothing_behind(tmp_path, after):
    net = encoder()
    with pytest.raises(ValueError, match="takes 1 channel"):
        cached_features(net, broken(after), folder=tmp_path / "cache")
    assert not (tmp_path / "cache").exists() or entries(tmp_path / "cache") == []
    assert net.training


def test_what_a_killed_process_left_is_never_read_and_removed_later(tmp_path):
    net = encoder()
    found = cached_features(net, loader(), folder=tmp_path)
    (name,) = entries(tmp_path)
    left, old = tmp_path / ".unfinished-1-aa", tmp_path / ".unfinished-1-bb"
    for unfinished in (left, old):
        shutil.copytree(tmp_path / name, unfinished)
        with (unfinished / "features.npy").open("r+b") as file:
            file.truncate(200)
    for path in (old, *old.iterdir()):
        os.utime(path, (0, 0))
    shutil.rmtree(tmp_path / name)
    again = cached_features(net, loader(), folder=tmp_path)
    assert torch.equal(again.features, found.features)
    assert entries(tmp_path) == [".unfinished-1-aa", name]


def test_of_two_that_extract_the_same_the_first_to_finish_counts(tmp_path, monkeypatch):
    net = encoder()
    seen: list[Features] = []

    class Slow(list):
        """While its second batch is read, another process extracts the same and finishes."""

        def __iter__(self):
            first, *rest = super().__iter__()
            yield first
            yield rest[0]
            if not seen:
                assert [name[0] for name in entries(tmp_path)] == ["."]
                seen.append(cached_features(net, list(loader()), folder=tmp_path))
                assert [name[0] == "." for name in entries(tmp_path)] == [True, False]
            yield from rest[1:]

    monkeypatch.setattr("sslkit.evaluation.feature_key.fingerprint", lambda _: "the same")
    found = cached_features(net, Slow(loader()), folder=tmp_path)
    assert len(seen) == 1 and len(entries(tmp_path)) == 1
    assert torch.equal(found.features, seen[0].features)


def damage(entry: Path, how: str) -> None:
    if how == "gone":
        (entry / "labels.npy").unlink()
    elif how == "short":
        with (entry / "features.npy").open("r+b") as file:
            file.truncate(300)
    elif how == "empty":
        (entry / "index.npy").write_bytes(b"")
    elif how == "other length":
        np.save(entry / "labels.npy", np.zeros(3, dtype=np.int64))
    elif how == "no key":
        (entry / "key.json").write_text("{")


@pytest.mark.parametrize("how", ["gone", "short", "empty", "other length", "no key"])
def test_a_damaged_entry_is_named_and_kept(tmp_path, how):
    net = encoder()
    cached_features(net, loader(), folder=tmp_path)
    (name,) = entries(tmp_path)
    damage(tmp_path / name, how)
    before = {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
    with pytest.raises(ValueError, match=rf"{name} are damaged .*: delete this folder"):
        cached_features(net, loader(), folder=tmp_path)
    assert {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} == before


def test_an_entry_under_the_name_of_another_is_refused(tmp_path):
    net, other = encoder(), encoder(1)
    cached_features(net, loader(), folder=tmp_path)
    (mine,) = entries(tmp_path)
    cached_features(other, loader(), folder=tmp_path)
    (theirs,) = set(entries(tmp_path)) - {mine}
    shutil.rmtree(tmp_path / mine)
    (tmp_path / theirs).rename(tmp_path / mine)
    with pytest.raises(ValueError, match="of another checkpoint or of other images"):
        cached_features(net, loader(), folder=tmp_path)


def test_bad_input_is_refused(tmp_path):
    net = encoder()
    with pytest.raises(ValueError, match="loader without a single batch"):
        cached_features(net, [], folder=tmp_path / "a")
    with pytest.raises(TypeError, match="read only once"):
        cached_features(net, iter(loader()), folder=tmp_path / "a")
    views = ViewBatch([torch.zeros(2, 1, 4, 4)] * 2, torch.zeros(2), torch.zeros(2))
    with pytest.raises(TypeError, match="2 ready-made views"):
        cached_features(net, [views], folder=tmp_path / "a")
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"cannot be written to the folder .*file"):
        cached_features(net, loader(), folder=tmp_path / "file")
    assert entries(tmp_path) == ["file"]


def on_two_ranks(rank: int, folder: str) -> dict:
    torch.set_num_threads(1)
    net = encoder()
    found = {}
    for name, given in (
        ("resident", loader()),
        ("streamed", loader(resident_gb=0)),
        ("batches", list(loader(44))),
        ("one batch", loader(5)),
        ("again", loader()),
    ):
        features = cached_features(net, given, folder=folder)
        found[name] = [features.features.clone(), features.labels.clone(), features.index.clone()]
    problems = []
    for given in (broken(2), broken(3)):  # a batch of the first rank, one of the second
        try:
            cached_features(net, given, folder=folder)
        except (RuntimeError, ValueError) as error:
            problems.append(f"{type(error).__name__} {error}")
    return {"found": found, "problems": problems}


def test_two_ranks_extract_what_one_process_does(tmp_path):
    folder = tmp_path / "cache"
    first, second = run_two_ranks(on_two_ranks, tmp_path, str(folder))
    torch.set_num_threads(1)
    sizes = {"resident": 50, "streamed": 50, "batches": 44, "one batch": 5, "again": 50}
    for rank in (first, second):
        assert set(rank["found"]) == set(sizes)
        for name, columns in rank["found"].items():
            alone = extract_features(encoder(), loader(sizes[name]))
            expected = (alone.features, alone.labels, alone.index)
            assert all(torch.equal(x, y) for x, y in zip(columns, expected, strict=True)), name
    assert len(entries(folder)) == 4  # "again" is not new, and the broken ones left nothing
    assert first["problems"][0].startswith("ValueError the encoder takes 1 channel")
    assert first["problems"][1].startswith("RuntimeError rank 1 of 2 could not go on: the encoder")
    assert second["problems"][0].startswith("RuntimeError rank 0 of 2 could not go on")
    assert second["problems"][1].startswith("ValueError the encoder takes 1 channel")
