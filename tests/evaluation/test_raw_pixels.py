import torch

from sslkit.evaluation import cached_features, extract_features
from sslkit.evaluation.raw_pixels import RawPixels
from sslkit.nn import Encoder

OPTIONS = {"layers": [1, 1, 1, 1], "channels": [4, 4, 4, 4]}


def encoder(**changes):
    arguments = {"small_images": True, "in_channels": 1, "image_size": 8, "options": OPTIONS}
    made = Encoder("resnet18", **(arguments | changes))
    made.set_statistics([0.25], [0.5])
    return made


def images(side, count=3):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, 1, side, side), dtype=torch.uint8, generator=generator)


def test_features_are_the_normalised_pixels():
    net = RawPixels(encoder())
    given = images(8)
    found = extract_features(net, [given]).features
    assert torch.allclose(found, ((given / 255 - 0.25) / 0.5).flatten(1))


def test_large_images_are_made_as_small_as_cifar():
    net = RawPixels(encoder(image_size=64))
    assert net.side == 32
    large = net.preprocess(images(64))
    assert large.shape == (3, 1, 32, 32)
    assert abs(float(large.mean()) - float((images(64) / 255 - 0.25).mean() / 0.5)) < 0.02
    wide = torch.zeros(1, 1, 40, 90, dtype=torch.uint8)
    assert net(net.preprocess(wide)).shape == (1, 1024)
    assert net.preprocess(images(20)).shape == (3, 1, 20, 20)  # never larger than they are


def test_they_are_cached_like_an_encoders(tmp_path):
    net = RawPixels(encoder())
    batches = [images(8)]
    first = cached_features(net, batches, folder=tmp_path)
    assert torch.equal(first.features, net(net.preprocess(images(8))))
    cached_features(RawPixels(encoder()), batches, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    other = encoder()
    other.set_statistics([0.3], [0.5])
    cached_features(RawPixels(other), batches, folder=tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
