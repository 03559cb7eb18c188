import pytest
import torch
from torch.multiprocessing.reductions import StorageWeakRef

from sslkit.data import Batch, ImageDataModule, ViewBatch
from sslkit.evaluation import Features
from sslkit.evaluation.shown import draw_balanced, images_at


def test_every_class_has_its_part():
    labels = torch.tensor([0] * 50 + [1] * 3 + [2] * 50 + [-1] * 50)
    rows = draw_balanced(labels, 20, seed=0)
    assert len(rows.unique()) == 20
    counts = [int((labels[rows] == label).sum()) for label in (-1, 0, 1, 2)]
    assert counts[2] == 3 and sum(counts) == 20 and min(counts[:2] + counts[3:]) >= 5
    assert labels[rows].tolist() == sorted(labels[rows].tolist())
    assert torch.equal(rows, draw_balanced(labels, 20, seed=0))
    assert not torch.equal(rows, draw_balanced(labels, 20, seed=1))
    assert len(draw_balanced(labels, 1000, seed=0)) == len(labels)


def test_of_sets_the_first_class_counts():
    sets = torch.zeros(12, 3, dtype=torch.bool)
    sets[:9, 2] = True
    sets[4:6, 0] = True  # and of the last one too
    rows = draw_balanced(sets, 6, seed=0)
    first = torch.where(sets[rows].any(1), sets[rows].int().argmax(1), -1)
    assert first.tolist() == [-1, -1, 0, 0, 2, 2]


def test_images_are_those_of_the_rows(loader):
    batches = loader(60)
    images = torch.cat([batch.image for batch in batches])
    features = Features(torch.zeros(60, 2), torch.zeros(60))
    rows = torch.tensor([40, 3, 17])
    assert torch.equal(images_at(iter(batches), features, rows), images[rows])
    data = ImageDataModule("quickstart", batch_size=64)
    data.setup("test")
    ours = data.eval_dataloader("test", 100)
    images = torch.cat([batch.image for batch in ours])
    for count in (100, 99):  # taken at once, and read from the start where rows count otherwise
        features = Features(torch.zeros(count, 2), torch.zeros(count))
        assert torch.equal(images_at(ours, features, rows), images[rows])


def test_batches_of_which_an_image_is_shown_are_not_held():
    held = []

    def batches():
        for number in range(10):
            image = torch.full((50, 1, 4, 4), number, dtype=torch.uint8)
            held.append(StorageWeakRef(image.untyped_storage()))
            yield Batch(image, torch.zeros(50), torch.zeros(50))
            del image
            # The reader still has the last one; those before must be gone.
            assert all(reference.expired() for reference in held[:-1])

    features = Features(torch.zeros(500, 2), torch.zeros(500))
    rows = torch.arange(0, 500, 25)
    assert images_at(batches(), features, rows)[:, 0, 0, 0].tolist() == (rows // 50).tolist()


def test_views_are_refused():
    views = [ViewBatch([torch.zeros(2, 1, 4, 4)] * 2, torch.zeros(2), torch.zeros(2))]
    features = Features(torch.zeros(2, 2), torch.zeros(2))
    with pytest.raises(TypeError, match="this one yields views"):
        images_at(views, features, torch.tensor([0]))
