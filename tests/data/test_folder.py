import os

import pytest
from PIL import Image

from sslkit.data import ImageFolder


def put(path, size=(4, 4)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size).save(path)


def test_one_subfolder_per_class_in_sorted_order(tmp_path):
    for name in ("dog/2.png", "dog/10.png", "cat/deep/down/x.JPEG", "cat/a.bmp", "cat/b.webp"):
        put(tmp_path / name)
    folder = ImageFolder(tmp_path)
    assert folder.classes == ["cat", "dog"]
    assert folder.labels.tolist() == [0, 0, 0, 1, 1]
    assert [os.path.relpath(folder.path(i), tmp_path) for i in range(5)] == [
        "cat/a.bmp",
        "cat/b.webp",
        "cat/deep/down/x.JPEG",
        "dog/10.png",
        "dog/2.png",
    ]
    image, label = folder[4]
    assert image.size == (4, 4)
    assert label == 1


def test_images_directly_inside_are_unlabelled(tmp_path):
    for name in ("b.png", "a.png"):
        put(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "empty").mkdir()
    folder = ImageFolder(str(tmp_path))
    assert folder.classes is None
    assert folder.labels.tolist() == [-1, -1]
    assert folder.path(0).endswith("a.png")


def test_a_single_subfolder_is_no_class(tmp_path):
    put(tmp_path / "images" / "a.png")
    folder = ImageFolder(tmp_path)
    assert folder.classes is None
    assert folder[0][1] == -1


def test_subfolders_without_images_and_hidden_files_are_passed_over(tmp_path):
    for name in ("a/1.png", "b/1.png", ".cache/1.png", "a/._1.png", "c/.thumbs/1.png"):
        put(tmp_path / name)
    folder = ImageFolder(tmp_path)
    assert folder.classes == ["a", "b"]
    assert len(folder) == 2


def test_names_beyond_ascii_survive(tmp_path):
    for name in ("été/ß.png", "寿司/1.png"):
        put(tmp_path / name)
    folder = ImageFolder(tmp_path)
    assert sorted(os.path.relpath(folder.path(i), tmp_path) for i in range(2)) == [
        "été/ß.png",
        "寿司/1.png",
    ]
    assert folder[0][0].size == (4, 4)


def test_both_layouts_at_once_are_refused(tmp_path):
    put(tmp_path / "stray.png")
    put(tmp_path / "cat" / "a.png")
    with pytest.raises(ValueError, match=r"directly \(stray.png\) and in subfolders \(cat\)"):
        ImageFolder(tmp_path)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*absent"):
        ImageFolder(tmp_path / "absent")


def test_a_file_is_no_folder(tmp_path):
    put(tmp_path / "a.png")
    with pytest.raises(NotADirectoryError, match=r"a\.png is a file"):
        ImageFolder(tmp_path / "a.png")


def test_empty_folder_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"holds no images\. It is empty"):
        ImageFolder(tmp_path)


def test_folder_of_other_files_says_what_it_holds(tmp_path):
    for name in ("a.tar", "b.tar", "c.tar", "d.tar"):
        (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match=r"It holds a.tar, b.tar, c.tar and 1 more.*\.png"):
        ImageFolder(tmp_path)


def test_links_that_lead_back_are_passed_over(tmp_path):
    for name in ("a/1.png", "a/deep/2.png", "b/1.png"):
        put(tmp_path / name)
    (tmp_path / "b" / "root").symlink_to(tmp_path)
    (tmp_path / "a" / "deep" / "up").symlink_to(tmp_path / "a")
    (tmp_path / "self").symlink_to(tmp_path)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    folder = ImageFolder(tmp_path)
    assert folder.classes == ["a", "b"]
    assert [os.path.relpath(folder.path(i), tmp_path) for i in range(len(folder))] == [
        "a/1.png",
        "a/deep/2.png",
        "b/1.png",
    ]


def test_links_to_other_folders_are_followed(tmp_path):
    put(tmp_path / "elsewhere" / "1.png")
    put(tmp_path / "root" / "a" / "1.png")
    (tmp_path / "root" / "b").symlink_to(tmp_path / "elsewhere")
    assert ImageFolder(tmp_path / "root").classes == ["a", "b"]
    put(tmp_path / "root" / "b" / "2.png")
    assert len(ImageFolder(tmp_path / "root")) == 3


def test_an_image_that_is_a_link_to_itself_is_an_unreadable_image(tmp_path):
    put(tmp_path / "0.png")
    (tmp_path / "1.png").symlink_to(tmp_path / "1.png")
    folder = ImageFolder(tmp_path)
    assert len(folder) == 2
    with pytest.raises(OSError, match=r"1\.png"):
        folder[1]


def test_a_table_says_the_classes_wherever_images_lie(tmp_path):
    for name in ("b.png", "a/2.png", "a/deep/1.png"):
        put(tmp_path / name)
    lines = ["image,classes", "a/deep/1.png,red;wide", "b.png,", "a/2.png,red"]
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    folder = ImageFolder(tmp_path)
    assert folder.classes == ["red", "wide"]
    assert [os.path.relpath(folder.path(i), tmp_path) for i in range(3)] == [
        "b.png",
        "a/2.png",
        "a/deep/1.png",
    ]
    assert folder.labels.int().tolist() == [[0, 0], [1, 0], [1, 1]]
    assert folder[2][1].tolist() == [True, True]
    (tmp_path / "labels.csv").write_text("\n".join(["image,class", *lines[1:3], "a/2.png,wide"]))
    folder = ImageFolder(tmp_path)
    assert folder.classes == ["red;wide", "wide"] and folder.labels.tolist() == [-1, 1, 0]
    assert folder[1][1] == 1
