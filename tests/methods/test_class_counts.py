import pytest
import torch
from torch.nn import functional as F

from sslkit.methods.class_counts import ClassCounts, mean_cross_entropy, summed_cross_entropy


def batch(rows=24, classes=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=generator)
    label = torch.randint(classes, (rows,), generator=generator)
    label[::5] = -1
    return logits, label


def test_figures_are_means_over_the_labelled_rows_of_all_batches():
    counts = ClassCounts()
    parts = [batch(rows, seed=rows) for rows in (24, 3, 11)]
    for part in parts:
        counts.add(*part)
    logits, label = (torch.cat(column) for column in zip(*parts, strict=True))
    known = label >= 0
    logits, label = logits[known], label[known]
    order = logits.argsort(1, descending=True)
    rank = (order == label[:, None]).int().argmax(1)
    assert counts.figures() == pytest.approx(
        {
            "loss": F.cross_entropy(logits, label).item(),
            "top1": (rank < 1).float().mean().item(),
            "top5": (rank < 5).float().mean().item(),
        }
    )


def test_few_classes_have_no_top5_and_no_labels_nothing():
    counts = ClassCounts()
    logits, label = batch(classes=5)
    counts.add(logits, label.clamp(max=-1))
    assert counts.figures() == {}
    counts.add(logits, label)
    assert counts.figures().keys() == {"loss", "top1"}


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_loss_is_that_of_the_labelled_rows(smoothing):
    logits, label = batch()
    known = label >= 0
    expected = F.cross_entropy(logits[known], label[known], label_smoothing=smoothing)
    found = mean_cross_entropy(logits, label, smoothing=smoothing)
    torch.testing.assert_close(found, expected)
    summed = summed_cross_entropy(logits, label, smoothing=smoothing)
    torch.testing.assert_close(summed, expected * known.sum())


def test_without_a_label_the_loss_is_zero_and_so_is_its_gradient():
    logits, label = batch()
    logits.requires_grad_()
    loss = mean_cross_entropy(logits, label.clamp(max=-1))
    loss.backward()
    assert loss == 0 and not logits.grad.any()


def test_the_loss_is_taken_in_full_precision_whatever_is_around_it():
    logits, label = batch()
    for given in (logits, logits.double()):
        expected = mean_cross_entropy(given, label)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = mean_cross_entropy(given, label)
        assert found.dtype == given.dtype and torch.equal(found, expected)
