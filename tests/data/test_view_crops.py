import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2.functional import resized_crop

from sslkit.data.decode import ImageFormat
from sslkit.data.errors import DataError, UnreadableImageError
from sslkit.data.pil_images import pil_to_uint8
from sslkit.data.view_crops import ViewCrops
from sslkit.views import RandomResizedCrop

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def wanted(channels=3, convert=False):
    return ImageFormat(
        channels=channels, height=1, width=1, resize=False, convert=convert, reference="first.png"
    )


def cutter(*crops, seed=1, **changes):
    return ViewCrops(crops, wanted(**changes), seed)


def coordinates(height, width):
    """An image whose channels are the row and the column, from 0 to 255, and nothing."""
    rows = torch.linspace(0, 255, height)[:, None].expand(height, width)
    columns = torch.linspace(0, 255, width).expand(height, width)
    return torch.stack([rows, columns, torch.zeros(height, width)]).round().to(torch.uint8)


def jpeg(image, **options):
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).numpy()).save(file, "JPEG", **options)
    return Image.open(file)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "image",
    [NOISE, Image.fromarray(NOISE), torch.from_numpy(NOISE).permute(2, 0, 1)],
    ids=["array", "pil", "tensor"],
)
def test_a_view_is_torchvisions_resized_crop(image, interpolation):
    crop = RandomResizedCrop(size=16, interpolation=interpolation, flip=0.5)
    cut, mirrored = cutter(crop), 0
    pixels = torch.from_numpy(NOISE).permute(2, 0, 1)
    for row in range(8):
        (box,) = cut._draw(40, 60, 3, row)
        place = (box.top, box.left, box.height, box.width)
        mode = InterpolationMode(interpolation)
        expected = resized_crop(pixels, *place, [16, 16], interpolation=mode, antialias=True)
        (view,) = cut.cut(image, "x", row, order=3)
        assert torch.equal(view, expected.flip(-1) if box.mirrored else expected)
        mirrored += box.mirrored
    assert 0 < mirrored < 8


def test_views_are_drawn_by_seed_order_row_and_view():
    crop = RandomResizedCrop(size=8, flip=0.5)

    def draw(seed=1, order=0, row=0):
        return cutter(crop, crop, seed=seed)._draw(40, 60, order, row)

    first, second = draw()
    assert first != second
    assert draw() == draw()
    assert len({*draw(), *draw(seed=2), *draw(order=1), *draw(row=1)}) == 8


def test_views_of_their_own_sizes_keep_their_order():
    large, small = RandomResizedCrop(size=12), RandomResizedCrop(size=6, scale=(0.05, 0.1))
    cut = cutter(large, small, large, small)
    assert cut.shapes == [(3, s, s) for s in (12, 6, 12, 6)]
    views = cut.cut(NOISE, "x", 0, order=0)
    assert [view.shape[-1] for view in views] == [12, 6, 12, 6]
    boxes = cut._draw(40, 60, 0, 0)
    areas = [box.height * box.width / 2400 for box in boxes]
    assert all(area < 0.12 for area in areas[1::2])
    assert len(set(boxes)) == 4


@pytest.mark.parametrize(("size", "shrunk"), [((480, 640), 8), ((470, 650), 4), ((100, 140), 2)])
def test_a_jpeg_decoded_at_a_fraction_shows_the_same_box(size, shrunk):
    side = {8: 16, 4: 30, 2: 16}[shrunk]
    crop = RandomResizedCrop(size=side, scale=(0.7, 1.0), ratio=(1.0, 1.0), flip=0.5)
    picture, cut = coordinates(*size), cutter(crop)
    image = jpeg(picture, quality=95, subsampling=0)
    for row in range(4):
        (box,) = cut._draw(*size, 0, row)
        decoded = pil_to_uint8(image.copy(), "x")
        (whole,) = cut.cut(decoded, "x", row, order=0)
        opened = jpeg(picture, quality=95, subsampling=0)
        (view,) = cut.cut(opened, "x", row, order=0)
        assert opened.height == -(-size[0] // shrunk)
        # Rounding the box to pixels of the smaller image moves it by half of one at most.
        step = 255 * max(box.height / size[0], box.width / size[1]) / (2 * side)
        assert (view.int() - whole.int()).abs().max() <= step + 4


def test_a_jpeg_of_which_a_view_needs_all_pixels_is_decoded_in_full():
    crops = RandomResizedCrop(size=16), RandomResizedCrop(size=64, scale=(0.1, 0.2))
    opened = jpeg(coordinates(200, 200))
    cutter(*crops).cut(opened, "x", 0, order=0)
    assert opened.size == (200, 200)


def test_channels_are_converted_where_they_may_be():
    crop, grey = RandomResizedCrop(size=8), Image.new("L", (20, 20), 9)
    (view,) = cutter(crop, convert=True).cut(grey, "x", 0, order=0)
    assert view.shape == (3, 8, 8)
    assert (view == 9).all()
    with pytest.raises(DataError, match=r"b\.png has 1 channel.*first\.png has 3.*Set `channels`"):
        cutter(crop).cut(grey, "b.png", 0, order=0)


def test_what_cannot_be_read_is_named():
    opened = jpeg(torch.from_numpy(NOISE).permute(2, 0, 1))
    content = opened.fp.getvalue()
    cut = cutter(RandomResizedCrop(size=8))
    with pytest.raises(UnreadableImageError, match=r"b\.jpg cannot be read.*truncated"):
        cut.cut(Image.open(io.BytesIO(content[: len(content) // 2])), "b.jpg", 0, order=0)
    with pytest.raises(DataError, match="x has no pixels"):
        cut.cut(np.zeros((0, 4, 3), np.uint8), "x", 0, order=0)
    with pytest.raises(DataError, match="x is a float"):
        cut.cut(0.5, "x", 0, order=0)
