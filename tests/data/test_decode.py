import numpy as np
import pytest
import torch
from PIL import Image

from sslkit.data.decode import ImageFormat, conform, convert_channels, resize_to_square, to_uint8
from sslkit.data.errors import DataError, UnreadableImageError

RGB = np.random.default_rng(0).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def wanted(channels=3, height=4, width=6, resize=False, convert=False):
    return ImageFormat(
        channels=channels,
        height=height,
        width=width,
        resize=resize,
        convert=convert,
        reference="first.png",
    )


@pytest.mark.parametrize(
    "image",
    [RGB, Image.fromarray(RGB), torch.from_numpy(RGB).permute(2, 0, 1)],
    ids=["array", "pil", "tensor"],
)
def test_the_same_pixels_whatever_holds_them(image):
    tensor = to_uint8(image, "x")
    assert tensor.dtype == torch.uint8
    assert np.array_equal(tensor.permute(1, 2, 0), RGB)


@pytest.mark.parametrize(
    ("mode", "channels"),
    [("1", 1), ("L", 1), ("RGB", 3), ("P", 3), ("CMYK", 3), ("LA", 3), ("RGBA", 3), ("YCbCr", 3)],
)
def test_channels_of_pil_modes(mode, channels):
    assert to_uint8(Image.new(mode, (6, 4)), "x").shape == (channels, 4, 6)


def test_sixteen_bit_grey_is_scaled_to_eight(tmp_path):
    pixels = np.array([[0, 128, 257, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(pixels).save(tmp_path / "deep.png")
    with Image.open(tmp_path / "deep.png") as image:
        tensor = to_uint8(image, "deep.png")
    assert tensor.tolist() == [[[0, 0, 1, 128, 255]]]


@pytest.mark.parametrize("channels", [2, 5, 13])
def test_any_number_of_channels_in_arrays(channels):
    assert to_uint8(np.zeros((4, 6, channels), np.uint8), "x").shape == (channels, 4, 6)


def test_read_only_memory_is_copied_before_anyone_can_write_to_it():
    frozen = RGB.copy()
    frozen.flags.writeable = False
    to_uint8(frozen, "x").zero_()
    assert frozen.any()


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (torch.zeros(3, 4, 4), r"x is a Tensor \(3, 4, 4\) torch.float32.*ToTensor"),
        (np.zeros((4, 4), np.float64), "float64"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"\(1, 4, 4, 3\)"),
        ("x.png", "x is a str"),
        (np.zeros((0, 4), np.uint8), "no pixels"),
        (Image.new("F", (2, 2)), "floating-point"),
        (Image.fromarray(np.full((2, 2), 70000, np.int32)), "beyond 16-bit"),
    ],
)
def test_what_cannot_be_an_image_is_refused(image, said):
    with pytest.raises(DataError, match=said):
        to_uint8(image, "x")


def test_a_truncated_file_is_unreadable(tmp_path):
    path = tmp_path / "cut.jpg"
    Image.fromarray(RGB).resize((64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:-300])
    with (
        Image.open(path) as image,
        pytest.raises(UnreadableImageError, match=r"cut\.jpg.*truncated"),
    ):
        to_uint8(image, str(path))


def test_large_jpeg_files_decode_at_a_fraction_of_their_size(tmp_path):
    smooth = Image.fromarray(RGB).resize((800, 600), Image.Resampling.BICUBIC)
    smooth.save(tmp_path / "large.jpg", quality=95)
    with Image.open(tmp_path / "large.jpg") as image:
        full = to_uint8(image, "x")
    with Image.open(tmp_path / "large.jpg") as image:
        draft = to_uint8(image, "x", image_size=64)
    assert full.shape == (3, 600, 800)
    assert 128 <= draft.shape[1] < 600
    difference = resize_to_square(full, 64).int() - resize_to_square(draft, 64).int()
    assert difference.abs().max() <= 4


def test_the_right_size_is_left_untouched():
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    assert resize_to_square(image, 8) is image
    assert conform(image, wanted(height=8, width=8, resize=True), "x") is image


@pytest.mark.parametrize("shape", [(3, 20, 40), (3, 40, 20), (3, 5, 5), (2, 3, 20, 40)])
def test_resize_by_the_shorter_side_then_crop_the_centre(shape):
    image = torch.zeros(shape, dtype=torch.uint8)
    assert resize_to_square(image, 10).shape == (*shape[:-2], 10, 10)


def test_the_crop_is_central_and_the_resize_antialiased():
    wide = torch.zeros(1, 4, 12, dtype=torch.uint8)
    wide[..., 4:8] = 200
    assert (resize_to_square(wide, 4) == 200).all()
    stripes = torch.zeros(1, 64, 64, dtype=torch.uint8)
    stripes[..., ::2] = 200
    assert (resize_to_square(stripes, 8).int() - 100).abs().max() <= 4


def test_channel_conversions():
    grey = torch.full((2, 1, 2, 2), 7, dtype=torch.uint8)
    assert (convert_channels(grey, 3, "x") == 7).all()
    assert convert_channels(grey, 3, "x").shape == (2, 3, 2, 2)
    red = torch.tensor([255, 0, 0], dtype=torch.uint8).reshape(3, 1, 1)
    assert convert_channels(red, 1, "x").item() in (76, 77)
    with pytest.raises(DataError, match="`channels` is 3 but x has 4"):
        convert_channels(torch.zeros(4, 1, 1, dtype=torch.uint8), 3, "x")


def test_mixed_sizes_name_both_images():
    with pytest.raises(DataError, match=r"first.png is 6 x 4 pixels, b.png is 9 x 5.*`image_size`"):
        conform(torch.zeros(3, 5, 9, dtype=torch.uint8), wanted(), "b.png")


def test_mixed_channels_name_both_images():
    with pytest.raises(DataError, match=r"b.png has 1 channel.*first.png has 3.*`channels`"):
        conform(torch.zeros(1, 4, 6, dtype=torch.uint8), wanted(), "b.png")
    assert conform(torch.zeros(1, 4, 6, dtype=torch.uint8), wanted(convert=True), "x").shape[0] == 3
