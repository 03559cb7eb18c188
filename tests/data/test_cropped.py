import torch
from PIL import Image

from sslkit.data import CropBatch, ImageFolder
from sslkit.data.cropped import CroppedImages
from sslkit.data.decode import ImageFormat
from sslkit.data.labels import LabelMap
from sslkit.data.sampler import Numbered
from sslkit.data.stream import StreamedImages
from sslkit.data.view_crops import ViewCrops
from sslkit.views import RandomResizedCrop

WANTED = ImageFormat(channels=1, height=4, width=4, resize=True, convert=True, reference="first")


def store_of(folder, count, bad=()):
    for position in range(count):
        path = folder / "ab"[position % 2] / f"{position:02}.png"
        path.parent.mkdir(exist_ok=True)
        if position in bad:
            path.write_text("no image")
        else:  # of many sizes
            Image.linear_gradient("L").rotate(position).resize((20 + position, 30)).save(path)
    images = StreamedImages(
        source=ImageFolder(folder),
        rows=torch.arange(count),
        wanted=WANTED,
        label_map=LabelMap(None, 2, "training"),
        labels=None,
        on_bad_image="replace",
    )
    crop = RandomResizedCrop(size=8)
    return CroppedImages(images, ViewCrops([crop, crop], WANTED, seed=1))


def asked(positions, order=0):
    return [Numbered(order, position) for position in positions]


def test_views_of_images_of_many_sizes(tmp_path):
    store = store_of(tmp_path, 6)
    batch = store.__getitems__(asked([4, 0, 5])).batch
    assert isinstance(batch, CropBatch)
    assert [crop.shape for crop in batch.crops] == [(3, 1, 8, 8)] * 2
    assert batch.index.tolist() == [4, 0, 5]
    assert batch.label.tolist() == [1, 0, 1]
    assert not torch.equal(*batch.crops)


def test_an_image_has_the_same_views_whoever_it_comes_with(tmp_path):
    store = store_of(tmp_path, 6)
    alone = store.__getitems__(asked([5])).batch
    among = store.__getitems__(asked([1, 5])).batch
    later = store.__getitems__(asked([5], order=1)).batch
    for one, other, third in zip(alone.crops, among.crops, later.crops, strict=True):
        assert torch.equal(one[0], other[1])
        assert not torch.equal(one[0], third[0])


def test_unreadable_images_are_replaced(tmp_path):
    fetched = store_of(tmp_path, 6, bad=[1, 4]).__getitems__(asked([0, 1, 2]))
    assert len(fetched.batch.index) == len(fetched.batch.crops[1]) == 3
    assert len(fetched.unreadable) >= 1
