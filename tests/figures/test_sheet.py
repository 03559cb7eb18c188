import numpy as np
import pytest

from sslkit.figures import map_figure, retrieval_figure
from sslkit.figures.retrieval_figure import RIGHT, WRONG
from sslkit.figures.sheet import Tile, displayed, sheet


def test_a_page_holds_its_tiles_and_its_note():
    image = np.zeros((4, 8), np.uint8)
    tiles = [Tile(image, row, column) for row in range(3) for column in range(12)]
    large = sheet(tiles, title="t", note="word " * 80)
    small = sheet(tiles[:2], title="t", note="word " * 80)
    assert large.get_figwidth() > 12 > small.get_figwidth() > 6
    assert large.get_figheight() > small.get_figheight()
    for figure in (large, small):
        figure.draw_without_rendering()
        page = figure.bbox
        for text in figure.texts:
            box = text.get_window_extent()
            assert page.x0 <= box.x0 and box.x1 <= page.x1 and page.y0 <= box.y0
    assert small.axes[0].images[0].get_extent() == [0, 1, 0.5, 0]  # wide, without white around it
    with pytest.raises(ValueError, match="no images were given"):
        sheet([], title="t", note="")


def test_a_row_is_as_high_as_its_own_images_and_captions():
    square, wide, high = (np.zeros(size, np.uint8) for size in ((8, 8), (4, 8), (8, 4)))
    lines = ["a", "a\nb\nc\nd", ""]
    tiles = [Tile(square, row, 0, caption) for row, caption in enumerate(lines)]
    tiles += [Tile(wide, 3, 0), Tile(wide, 4, 0), Tile(high, 4, 1)]
    images = sheet(tiles, title="t", note="n", inches=1.5).axes[0].images
    tops = [image.get_extent()[3] for image in images]
    one, four, none = np.diff(tops[:4])
    assert four - one == pytest.approx(3 * 0.125 / 1.5)  # three lines more
    assert none == pytest.approx(1.08) and none < one
    low = tops[3] + 0.5 + 0.08
    assert tops[4:] == pytest.approx([low + 0.25, low])  # beside a higher one, in its middle


def test_images_of_any_channels_can_be_shown():
    shapes = [displayed(np.zeros((2, c, 4, 5), np.uint8)).shape for c in (1, 2, 3, 6)]
    assert shapes == [(2, 4, 5), (2, 4, 5), (2, 4, 5, 3), (2, 4, 5, 3)]


def test_frames_say_right_and_wrong_and_nothing_without_labels():
    images = np.zeros((2, 1, 4, 4), np.uint8)
    figure = retrieval_figure(
        images,
        np.zeros((2, 2, 1, 4, 4), np.uint8),
        query_labels=np.array([1, -1]),
        neighbour_labels=np.array([[1, 0], [1, 0]]),
        cosines=np.array([[0.9, 0.8], [0.7, 0.6]]),
    )
    axes = figure.axes[0]
    captions = [(text.get_text(), text.get_color()) for text in axes.texts]
    assert captions == [
        ("class 1", "0.25"),
        ("0.900", RIGHT),
        ("0.800 class 0", WRONG),
        ("", "0.25"),
        ("0.700 class 1", "0.25"),
        ("0.600 class 0", "0.25"),
    ]
    assert len(axes.patches) == 2
    note = figure.texts[1].get_text().replace("\n", " ")
    assert "50 % are" in note and "no frame: one of both has no label" in note


@pytest.mark.parametrize(
    ("labels", "said", "unsaid"),
    [
        ([[1, 1]], ["blue frame: the query's class."], ["orange", "no frame"]),
        ([[0, 0]], ["orange frame: another class, named."], ["blue", "no frame"]),
        ([[-1, -1]], [], ["frame", "% are"]),
        ([[1, 0]], ["blue frame: the query's class, orange: another, named."], ["no frame"]),
    ],
)
def test_the_note_explains_the_frames_that_are_there(labels, said, unsaid):
    figure = retrieval_figure(
        np.zeros((1, 1, 4, 4), np.uint8),
        np.zeros((1, 2, 1, 4, 4), np.uint8),
        query_labels=np.array([1]),
        neighbour_labels=np.array(labels),
        cosines=np.array([[0.9, 0.8]]),
        note="A note.",
    )
    note = figure.texts[1].get_text().replace("\n", " ")
    assert all(words in note for words in [*said, "with their cosine", "A note."])
    assert not any(words in note for words in unsaid)


def test_images_of_several_classes_agree_in_one_of_them():
    sets = np.array([[0, 1, 1, 0], [0, 0, 0, 0]], bool)
    others = np.array([[[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0]], [[1, 1, 1, 1]] * 3], bool)
    figure = retrieval_figure(
        np.zeros((2, 1, 4, 4), np.uint8),
        np.zeros((2, 3, 1, 4, 4), np.uint8),
        query_labels=sets,
        neighbour_labels=others,
        cosines=np.full((2, 3), 0.5),
        classes=["a", "bird", "cat", "a long name of a class"],
    )
    axes = figure.axes[0]
    assert [(text.get_text(), text.get_color()) for text in axes.texts] == [
        ("bird, cat", "0.25"),
        ("0.500", RIGHT),
        ("0.500 a", WRONG),
        ("0.500 ", "0.25"),
        ("", "0.25"),
        *[("0.500 a +3", "0.25")] * 3,
    ]
    note = figure.texts[1].get_text().replace("\n", " ")
    assert "blue frame: it shares a class, orange: none, named" in note
    assert "50 % share a class with the query" in note


def test_maps_lie_below_their_images():
    images = np.zeros((3, 3, 8, 8), np.uint8)
    maps = [np.zeros((3, side, side, 3)) for side in (4, 2)]
    axes = map_figure(images, maps, names=["4 x 4", "2 x 2"]).axes[0]
    assert [image.get_array().shape[0] for image in axes.images] == [8] * 3 + [4] * 3 + [2] * 3
    assert [t.get_text() for t in axes.texts if t.get_text()] == ["image", "4 x 4", "2 x 2"]
