"""What a file's first bytes tell, and what is decoded later."""

import pytest
import torch
from tar_files import encoded

from sslkit.data.errors import UnreadableImageError
from sslkit.data.pil_images import open_image, pil_to_uint8


@pytest.mark.parametrize("wrap", [bytes, memoryview])
def test_an_opened_image_knows_its_size(wrap):
    image = open_image(wrap(encoded(7, size=(6, 5))))
    assert (image.size, image.mode, image.format) == ((6, 5), "L", "PNG")
    assert torch.equal(pil_to_uint8(image, "x"), torch.full((1, 5, 6), 7, dtype=torch.uint8))


@pytest.mark.parametrize("content", [b"", b"no image at all"])
def test_an_unknown_format_is_named_without_a_place_in_memory(content):
    with pytest.raises(OSError, match=r"^its format is unknown$"):
        open_image(content)


def test_a_file_that_ends_early_opens_and_is_refused_when_decoded():
    content = encoded(7, size=(640, 640), form="JPEG")
    image = open_image(content[: len(content) // 2])
    assert image.size == (640, 640)
    with pytest.raises(UnreadableImageError, match="cut short"):
        pil_to_uint8(image, "cut short")


@pytest.mark.parametrize(
    ("enough", "side"), [(None, 640), (0.5, 640), (0.2, 320), (0.1, 160), (0.05, 80), (0.01, 80)]
)
def test_a_jpeg_is_decoded_as_small_as_is_enough(enough, side):
    image = open_image(encoded(200, size=(640, 640), form="JPEG"))
    pixels = pil_to_uint8(image, "x", enough=enough)
    assert pixels.shape == (1, side, side)
    assert (pixels.int() - 200).abs().max() <= 1


def test_other_formats_are_decoded_whole():
    image = open_image(encoded(200, size=(64, 64)))
    assert pil_to_uint8(image, "x", enough=0.1).shape == (1, 64, 64)
