import pytest
import torch

from sslkit.data import Batch
from sslkit.evaluation import (
    Features,
    Plan,
    evaluate_features,
    extract_features,
    write_pictures,
)
from sslkit.evaluation.pictures import neighbour_sheet, tsne_figure
from sslkit.nn import Encoder


@pytest.fixture
def small():
    options = {"layers": [1, 1, 1, 1], "channels": [4, 4, 4, 4]}
    made = Encoder("resnet18", small_images=True, in_channels=1, image_size=8, options=options)
    return made.reinitialised(0)  # four channels of some other seed may all be dead


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_every_picture_is_written(small, loader, tmp_path):
    loaders = loader(60), loader(30, seed=1)
    train, test = (extract_features(small, one) for one in loaders)
    scores = evaluate_features(train, test, seed=0, k=(5,))
    small.train()
    paths = write_pictures(
        tmp_path / "new",
        small,
        train=(loaders[0], train),
        test=(loaders[1], test),
        scores=scores,
        others={"other": test},
        classes=["a", "b", "c"],
    )
    names = {"neighbours", "tsne", "feature_maps", "confusion", "spectrum"}
    assert {path.stem for path in paths} == names
    assert {path.name for path in (tmp_path / "new").iterdir()} == {f"{n}.png" for n in names}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert small.training


def test_what_cannot_be_drawn_is_left_out(encoder, loader, tmp_path):
    encoder.backbone = encoder.net  # without feature maps
    loaders = loader(60), [Batch(*(column[:3] for column in loader(30)[0]))]
    train, test = (extract_features(encoder, one) for one in loaders)
    scores = evaluate_features(train, test, seed=0, k=(5,))
    both = {"train": (loaders[0], train), "test": (loaders[1], test)}
    paths = write_pictures(tmp_path, encoder, **both, scores=scores)
    assert {path.stem for path in paths} == {"neighbours", "confusion", "spectrum"}


def test_of_several_classes_there_is_all_but_the_confusions(small, loader, tmp_path):
    loaders = loader(60), loader(30, seed=1)
    train, test = (extract_features(small, one) for one in loaders)
    sets = torch.nn.functional.one_hot(test.labels, 3).bool()
    sets[:, 1] |= torch.arange(30) % 4 == 0
    sets[:5] = False
    real = Features(test.features, sets, test.index)
    both = Features(train.features, torch.nn.functional.one_hot(train.labels, 3).bool())
    for number, fitted in enumerate((train, both)):
        scores = evaluate_features(fitted, real, seed=0, k=(5,), plan=Plan(epochs=1))
        given = {"train": (loaders[0], fitted), "test": (loaders[1], real)}
        paths = write_pictures(tmp_path / str(number), small, **given, scores=scores)
        assert {p.stem for p in paths} == {"neighbours", "tsne", "feature_maps", "spectrum"}
    figure = tsne_figure(real, seed=0, classes=["a", "b", "c"])
    assert {text for text in texts(figure) if text} == {"a", "b", "c"}
    assert (
        "The colour is that of an image's first class in the list" in figure._supxlabel.get_text()
    )


def test_neighbours_are_the_most_similar_training_images():
    angle = torch.tensor([0.0, 0.5, 1.0, 2.0])
    bank = Features(torch.stack([angle.cos(), angle.sin()], 1) * 7, torch.tensor([0, 1, 0, 1]))
    images = torch.arange(4, dtype=torch.uint8).mul(60).view(4, 1, 1, 1).expand(4, 1, 4, 4)
    loader = [Batch(images, bank.labels, torch.arange(4))]
    query = Features(torch.tensor([[3.0, 0.3]]), torch.tensor([0]))
    figure = neighbour_sheet(
        (loader, bank), query, torch.tensor([0]), images[:1], classes=["cat", "dog"]
    )
    assert texts(figure) == ["cat", "0.995", "0.921 dog", "0.621", "-0.324 dog"]
    drawn = [int(image.get_array()[0, 0]) for image in figure.axes[0].images]
    assert drawn == [0, 0, 60, 120, 180]
    assert "50 % are of the query's class" in " ".join(t.get_text() for t in figure.texts)


def test_tsne_keeps_clusters_and_depends_on_its_seed_only():
    g = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    features = Features(3 * torch.eye(3)[labels] + torch.rand(60, 3, generator=g) / 3, labels)

    def points(seed):
        figure = tsne_figure(features, seed=seed, points=45)
        return [torch.as_tensor(part.get_offsets()) for part in figure.axes[0].collections[1:]]

    parts = points(0)
    assert [len(part) for part in parts] == [15] * 3
    spread = max(float((part - part.mean(0)).norm(dim=1).max()) for part in parts)
    apart = torch.pdist(torch.stack([part.mean(0) for part in parts])).min()
    assert apart > 1.5 * spread
    assert all(torch.equal(a, b) for a, b in zip(parts, points(0), strict=True))
