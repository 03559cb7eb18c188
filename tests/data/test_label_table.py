import pytest
import torch

from sslkit.data.label_table import read_label_table

IMAGES = ["a.png", "deep/b.png", "c.png"]


@pytest.fixture
def read(tmp_path):
    def write_and_read(text, images=IMAGES):
        path = tmp_path / "labels.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_label_table(path, images)

    return write_and_read


def test_several_classes_in_the_order_of_the_images(read):
    labels, classes = read('image,classes\nc.png,dog\n"a.png",cat;dog\ndeep/b.png,\n')
    assert classes == ["cat", "dog"]
    assert labels.dtype == torch.bool
    assert labels.int().tolist() == [[1, 1], [0, 0], [0, 1]]


def test_one_class_each(read):
    labels, classes = read("image,class\na.png,b;c\ndeep/b.png,a\nc.png,\n")
    assert classes == ["a", "b;c"]  # one name: only `classes` are separated
    assert labels.tolist() == [1, 0, -1]


def test_spreadsheets_and_careless_hands(read):
    labels, classes = read(
        '\ufeffimage, classes\r\n./a.png, dog ; cat;;dog\r\n\r\ndeep/b.png,"cat"\r\nc.png,\r\n'
    )
    assert classes == ["cat", "dog"]
    assert labels.int().tolist() == [[1, 1], [1, 0], [0, 0]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "starts with 'nothing'"),
        ("file,label\na.png,cat\n", "starts with 'file,label'. It starts with the line `image"),
        ("image,classes\na.png,cat\n", "no line for the image deep/b.png and 1 more"),
        ("image,classes\na.png,cat,dog\n", "line 2 of .* has 3 columns instead of 2"),
        ("image,classes\na.png,cat\na.png,dog\n", "second line for a.png, 3"),
        ("image,classes\na.png,\ndeep/b.png,\nc.png,;\n", "names no class"),
        ('image,classes\n"a.png', "cannot be read as a table"),
        (b"image,classes\na.png,\xff\n", "cannot be read as a table"),
    ],
)
def test_what_is_no_such_table(read, text, words):
    with pytest.raises(ValueError, match=words):
        read(text)


def test_lines_without_an_image_are_passed_over_and_counted(read):
    with pytest.warns(UserWarning, match="names 2 images that are not there, such as"):
        labels, classes = read("image,class\nx.png,z\na.png,m\ny.png,m\n", ["a.png"])
    assert (labels.tolist(), classes) == ([0], ["m"])
