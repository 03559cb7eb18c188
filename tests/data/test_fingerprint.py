import os

import numpy as np
import pytest
import torch
from PIL import Image
from tar_files import write_shards
from torch.utils.data import DataLoader, TensorDataset

from sslkit.data import Batch, ImageDataModule, ViewBatch
from sslkit.data.fingerprint import fingerprint, images_in_order


def save(folder, count=6, *, seed=0):
    """PNG files of two classes."""
    rng = np.random.default_rng(seed)
    for at in range(count):
        path = folder / f"class{at % 2}" / f"{at}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
        os.utime(path, ns=(10**18, 10**18))
    return folder


def of(source, *, split="train", limit=None, **options):
    data = ImageDataModule(str(source), batch_size=4, workers=0, **options)
    return fingerprint(data.eval_dataloader(split, limit))


STREAMED = {"resident_gb": 0}


@pytest.mark.parametrize("options", [{}, STREAMED])
def test_the_same_images_have_the_same_fingerprint(tmp_path, options):
    folder = save(tmp_path / "a")
    assert of(folder, **options) == of(folder, **options)
    assert len(of(folder, **options)) == 32
    batches = ImageDataModule(str(folder), batch_size=3, workers=0, **options)
    assert fingerprint(batches.eval_dataloader("train")) == of(folder, **options)


@pytest.mark.parametrize("options", [{}, STREAMED])
def test_other_images_labels_or_sizes_have_another(tmp_path, options):
    folder = save(tmp_path / "a")
    found = [of(folder, **options), of(folder, limit=4, **options)]
    found.append(of(folder, image_size=6, **options))
    found.append(of(folder, channels=1, **options))
    pixels = np.asarray(Image.open(folder / "class0" / "0.png")).copy()
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(folder / "class0" / "0.png")
    found.append(of(folder, **options))
    (folder / "class1" / "1.png").rename(folder / "class0" / "1.png")
    found.append(of(folder, **options))
    assert len(set(found)) == len(found)


def test_a_streamed_file_outside_of_the_sample_is_known_by_its_time_of_change(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("sslkit.data.fingerprint._SAMPLE_SIZE", 1)
    folder = save(tmp_path / "a")
    before = of(folder, **STREAMED)
    for at in range(6):
        path = folder / f"class{at % 2}" / f"{at}.png"
        os.utime(path, ns=(10**18, 10**18 + 1))
        assert of(folder, **STREAMED) != before
        os.utime(path, ns=(10**18, 10**18))
    assert of(folder, **STREAMED) == before


class Unnamed(torch.utils.data.Dataset):
    """A user's data set that does not say which files it reads."""

    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, position):
        return self.images[position], position % 2


def test_a_data_set_without_files_is_known_by_its_sample():
    g = torch.Generator().manual_seed(0)
    images = torch.randint(256, (6, 3, 4, 4), dtype=torch.uint8, generator=g)

    def found(images):
        data = ImageDataModule(Unnamed(images), batch_size=4, workers=0, **STREAMED)
        return fingerprint(data.eval_dataloader("train"))

    other = images.clone()
    other[3, 0, 0, 0] ^= 1
    assert found(images) == found(images.clone()) != found(other)
    assert found(images) != found(images[:5])


def test_unreadable_images_that_are_skipped_count(tmp_path):
    folder = save(tmp_path / "a")
    (folder / "class0" / "2.png").write_bytes(b"broken")
    broken = of(folder, on_bad_image="skip", **STREAMED)
    assert broken == of(folder, on_bad_image="skip", **STREAMED)
    with pytest.raises(ValueError, match=r"2\.png"):
        of(folder, **STREAMED)
    save(folder)
    assert of(folder, on_bad_image="skip", **STREAMED) != broken


def test_any_other_loader_is_read():
    g = torch.Generator().manual_seed(0)
    image = torch.randint(256, (6, 1, 4, 4), dtype=torch.uint8, generator=g)
    label = torch.arange(6)
    plain = [(image, label)]
    assert fingerprint(plain) == fingerprint([Batch(image, label, torch.full((6,), -1))])
    assert fingerprint(plain) != fingerprint([(image, label.flip(0))])
    assert fingerprint(plain) != fingerprint([(image.flip(0), label)])
    assert fingerprint(plain) == fingerprint(DataLoader(TensorDataset(image, label), batch_size=6))


def test_a_shuffled_loader_is_no_split_in_order(tmp_path):
    data = ImageDataModule(str(save(tmp_path / "a")), batch_size=4, workers=0)
    assert images_in_order(data.eval_dataloader("train")) is not None
    assert images_in_order(data.train_dataloader()) is None
    assert images_in_order([]) is None


def test_what_cannot_be_read_again_is_refused():
    image = torch.zeros(2, 1, 4, 4, dtype=torch.uint8)
    with pytest.raises(TypeError, match="can be read only once"):
        fingerprint(iter([image]))
    views = ViewBatch([torch.zeros(2, 1, 4, 4)] * 2, torch.zeros(2), torch.zeros(2))
    with pytest.raises(TypeError, match="2 ready-made views"):
        fingerprint([views])


def test_shards_are_told_apart_by_their_files_labels_and_pixels(tmp_path):
    pattern = write_shards(tmp_path / "a", [4, 3])
    found = of(pattern, **STREAMED)
    assert of(pattern, **STREAMED) == found
    others = [of(write_shards(tmp_path / "b", [4, 4]), **STREAMED)]
    others.append(of(write_shards(tmp_path / "c", [4, 3], labels=False), **STREAMED))
    later = tmp_path / "a" / "part-001.tar"
    os.utime(later, ns=(10**18, 10**18))  # of another time, as if written again
    others.append(of(pattern, **STREAMED))
    assert len({found, *others}) == 4
