import pytest
from PIL import Image

from sslkit.data import ImageFolder
from sslkit.data.errors import UnreadableImageError
from sslkit.data.first_image import MOST_UNREADABLE, find_format


def folder(path, *sizes, mode="L"):
    """Images of these (width, height); None: a file that is none."""
    for number, size in enumerate(sizes):
        file = path / f"{number:04}.png"
        if size is None:
            file.write_bytes(b"no image")
        else:
            Image.new(mode, size).save(file)
    return ImageFolder(path)


def found(source, **changes):
    asked = {"image_size": None, "channels": None, "on_bad_image": "error"}
    return find_format(source, **(asked | changes))


def test_what_is_not_given_is_the_first_images(tmp_path):
    source = folder(tmp_path, (6, 4), (9, 9), mode="RGB")
    wanted = found(source)
    assert wanted.shape == (3, 4, 6)
    assert not wanted.resize and not wanted.convert
    assert wanted.reference == source.path(0)


def test_what_is_given_is_brought_about(tmp_path):
    wanted = found(folder(tmp_path, (6, 4)), image_size=5, channels=3)
    assert wanted.shape == (3, 5, 5)
    assert wanted.resize and wanted.convert
    assert found(folder(tmp_path, (6, 4)), channels=3).shape == (3, 4, 6)


def test_unreadable_images_are_passed_over_or_named(tmp_path):
    source = folder(tmp_path, None, None, (8, 3))
    wanted = found(source, on_bad_image="skip")
    assert wanted.shape == (1, 3, 8) and wanted.reference == source.path(2)
    with pytest.raises(UnreadableImageError, match=r"0000\.png .*on_bad_image: skip"):
        found(source)


def test_a_folder_of_nothing_readable_is_given_up(tmp_path):
    source = folder(tmp_path, None, None, None)
    with pytest.raises(UnreadableImageError, match=r"None of the first 3 .*from .*0000\.png on"):
        found(source, on_bad_image="skip")


def test_it_does_not_read_on_for_ever(tmp_path):
    class Bad(ImageFolder):
        read = 0

        def __len__(self):
            return 10**6

        def __getitem__(self, position):
            self.read += 1
            raise OSError("damaged")

        def path(self, position):
            return f"{position}.png"

    folder(tmp_path, (2, 2))
    source = Bad(tmp_path)
    with pytest.raises(UnreadableImageError, match=f"None of the first {MOST_UNREADABLE} training"):
        found(source, on_bad_image="skip")
    assert source.read == MOST_UNREADABLE
