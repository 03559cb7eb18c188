import pytest
import torch

from sslkit.data import Batch, ViewBatch, as_batch

IMAGES = torch.zeros(3, 1, 4, 4, dtype=torch.uint8)
VIEWS = [torch.zeros(3, 1, 4, 4), torch.zeros(3, 1, 2, 2)]
LABELS = torch.tensor([0, 2, 1], dtype=torch.int32)
UNKNOWN = [-1, -1, -1]


def test_batches_pass_through_as_they_are():
    batch = Batch(IMAGES, LABELS.long(), LABELS.long())
    views = ViewBatch(VIEWS, LABELS.long(), LABELS.long())
    assert as_batch(batch) is batch
    assert as_batch(views) is views


@pytest.mark.parametrize(
    ("given", "label", "index"),
    [
        (IMAGES, UNKNOWN, UNKNOWN),
        ([IMAGES], UNKNOWN, UNKNOWN),
        ((IMAGES, LABELS), [0, 2, 1], UNKNOWN),
        ([IMAGES, LABELS, torch.tensor([7, 8, 9])], [0, 2, 1], [7, 8, 9]),
    ],
)
def test_uint8_images_in_their_usual_packings(given, label, index):
    batch = as_batch(given)
    assert isinstance(batch, Batch)
    assert batch.image is IMAGES
    assert batch.label.dtype == batch.index.dtype == torch.int64
    assert batch.label.tolist() == label
    assert batch.index.tolist() == index


def test_multi_hot_labels_are_kept():
    hot = torch.eye(3, dtype=torch.bool)
    batch = as_batch((IMAGES, hot))
    assert batch.label is hot


@pytest.mark.parametrize("pack", [list, tuple])
@pytest.mark.parametrize("labelled", [False, True])
def test_ready_made_views(pack, labelled):
    views = pack(VIEWS)
    batch = as_batch((views, LABELS) if labelled else views)
    assert isinstance(batch, ViewBatch)
    assert batch.views == VIEWS
    assert batch.label.tolist() == ([0, 2, 1] if labelled else UNKNOWN)
    assert batch.index.tolist() == UNKNOWN


@pytest.mark.parametrize("given", [VIEWS[0], (VIEWS[0], LABELS), [VIEWS[0]]])
def test_one_float_tensor_is_refused_with_both_ways_out(given):
    with pytest.raises(
        TypeError, match=r"one float32 tensor \(3, 1, 4, 4\).*uint8.*list of at least"
    ):
        as_batch(given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": IMAGES}, r"dict with keys \['image'\]"),
        (None, "NoneType"),
        ([], r"list of 0"),
        ("images", "str"),
        (IMAGES[0], r"uint8 tensor \(1, 4, 4\)"),
        ((IMAGES, LABELS, LABELS, LABELS), "tuple of 4"),
        ((IMAGES, LABELS[:2]), r"labels.*int32 tensor \(2,\)"),
        ((IMAGES, LABELS.float()), r"labels.*float32 tensor \(3,\)"),
        ((IMAGES, [0, 2, 1]), "labels.*list"),
        ((IMAGES, LABELS, ["a", "b", "c"]), "index.*list"),
        ((IMAGES, LABELS, torch.eye(3, dtype=torch.bool)), "index.*bool"),
        ([VIEWS[0], VIEWS[1][:2]], "differ in their number of images"),
    ],
)
def test_everything_else_is_refused_with_what_came(given, said):
    with pytest.raises(TypeError, match=said):
        as_batch(given)
