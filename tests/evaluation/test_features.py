import pytest
import torch

from sslkit.data import ViewBatch
from sslkit.evaluation import extract_features


def test_encodes_every_image_once_in_eval_mode_and_in_order(encoder, loader):
    encoder.train()
    batches = loader(20)
    found = extract_features(encoder, batches)
    encoder.eval()
    with torch.no_grad():
        expected = encoder(encoder.preprocess(torch.cat([b.image for b in batches])))
    torch.testing.assert_close(found.features, expected)
    assert found.features.dtype == torch.float32
    assert found.labels.tolist() == [i % 3 for i in range(20)]


def test_puts_every_training_flag_back_and_keeps_batch_statistics(encoder, loader):
    encoder.train()
    encoder.net[2].eval()
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    extract_features(encoder, loader(20))
    assert encoder.training and encoder.net[3].training and not encoder.net[2].training
    assert all(torch.equal(before[name], value) for name, value in encoder.state_dict().items())


def test_features_can_be_trained_on(encoder, loader):
    found = extract_features(encoder, loader(20))
    torch.nn.Linear(12, 2)(found.features).sum().backward()


def test_reads_plain_tuples_and_unlabelled_images(encoder, loader):
    image, label, _ = loader(10)[0]
    assert extract_features(encoder, [(image, label)]).labels.tolist() == label.tolist()
    assert extract_features(encoder, [image]).labels.tolist() == [-1] * 10


def test_refuses_ready_made_views_and_restores_the_flags(encoder):
    views = ViewBatch([torch.zeros(2, 1, 4, 4)] * 2, torch.zeros(2), torch.zeros(2))
    encoder.train()
    with pytest.raises(TypeError, match="2 ready-made views"):
        extract_features(encoder, [views])
    assert encoder.training


def test_refuses_an_empty_loader(encoder):
    with pytest.raises(ValueError, match="without a single batch"):
        extract_features(encoder, [])
