import numpy as np

from sslkit.figures import view_figure


def drawn_figure(views: int = 2, channels: int = 3):
    images = np.zeros((2, channels, 8, 10), np.uint8)
    words = [
        "6x4 at (1, 2), mirrored",
        "brightness x1.20, saturation x0.85, contrast x0.50",
        "grey",
    ]
    return view_figure(
        images,
        [np.zeros((2, channels, 4, 4), np.uint8)] * views,
        drawn=[[words] + [[]] * (views - 1)] * 2,
        boxes=[[(1, 2, 6, 4)] + [None] * (views - 1)] * 2,
        title="views",
    )


def test_a_row_has_the_image_with_its_boxes_and_the_views_with_their_draws():
    axes = drawn_figure().axes[0]
    assert len(axes.images) == 6
    captions = [text.get_text() for text in axes.texts]
    said = "6x4 at (1, 2), mirrored\nbrightness x1.20, saturation x0.85,\ncontrast x0.50\ngrey"
    assert captions[:3] == ["", said, ""]
    assert captions[-3:] == ["image, 10 x 8", "view 1, 4 x 4", "view 2, 4 x 4"]
    box, *frames = axes.patches[:3]
    # The image is 10 wide in a tile of 1, so a pixel is a tenth, and 8 high, in the middle of a row
    # of square views.
    np.testing.assert_allclose([*box.get_xy(), box.get_width(), box.get_height()],
                               [0.1, 0.1 + 0.2, 0.6, 0.4])  # fmt: skip
    assert box.get_edgecolor() == frames[0].get_edgecolor() != frames[1].get_edgecolor()


def test_captions_lie_between_their_tile_and_the_next_and_grey_images_are_drawn():
    for figure in (drawn_figure(views=8), drawn_figure(channels=1)):
        figure.draw_without_rendering()
        axes = figure.axes[0]
        first = next(text for text in axes.texts if text.get_text().startswith("6x4"))
        low = axes.transData.inverted().transform(first.get_window_extent())[:, 1].max()
        tops = sorted({image.get_extent()[3] for image in axes.images if image.get_extent()[0] > 1})
        assert 1 < low < tops[1]
