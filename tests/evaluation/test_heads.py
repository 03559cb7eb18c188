import math

import pytest
import torch
from torch import nn

from sslkit.evaluation.features import Features
from sslkit.evaluation.head_training import (
    MIN_STEPS,
    count_epochs,
    mean_squares,
    train_heads,
)
from sslkit.evaluation.heads import Head, LinearHeads
from sslkit.seeding import counter_generator

HEADS = [
    Head(0.1, 1e-2, True),
    Head(0.03, 0.0, False),
    Head(0.01, 1e-3, True),
    Head(0.2, 1e-1, False),
]


def features(count=70, width=5, classes=3, several=False):
    generator = torch.Generator().manual_seed(1)
    rows = 4 + 3 * torch.randn(count, width, generator=generator, dtype=torch.float64)
    if several:
        return Features(rows, torch.rand(count, classes, generator=generator) < 0.4)
    return Features(rows, torch.arange(count) % classes)


def train_alone(data, rows, head, *, epochs, batch_size, seed):
    """One head with autograd, nn.BatchNorm1d and torch.optim.SGD."""
    several = data.labels.ndim == 2
    width, classes = data.features.shape[1], 3
    linear = nn.Linear(width, classes, dtype=torch.float64)
    for parameter in linear.parameters():
        nn.init.zeros_(parameter)
    norm = nn.BatchNorm1d(width, affine=False, dtype=torch.float64)
    scale = 1 / data.features[rows].square().mean().sqrt()
    groups = [
        {"params": [linear.weight], "weight_decay": head.weight_decay},
        {"params": [linear.bias], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=head.learning_rate, momentum=0.9)
    steps = len(rows) // batch_size
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: (1 + math.cos(math.pi * step / (epochs * steps))) / 2
    )
    generator = counter_generator(seed)
    see = norm if head.batch_norm else (lambda x: x * scale)
    for _ in range(epochs):
        order = rows[torch.randperm(len(rows), generator=generator)]
        for step in range(steps):
            batch = order[step * batch_size : (step + 1) * batch_size]
            logits = linear(see(data.features[batch]))
            if several:
                loss = nn.functional.binary_cross_entropy_with_logits(
                    logits, data.labels[batch].double(), reduction="none"
                )
                loss = loss.sum(1).mean()
            else:
                loss = nn.functional.cross_entropy(logits, data.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    norm.eval()
    with torch.no_grad():
        return linear(see(data.features))


@pytest.mark.parametrize("several", [False, True])
def test_heads_side_by_side_equal_heads_trained_alone_by_autograd(several):
    data = features(several=several)
    rows = torch.arange(3, 70)
    *_, (epoch, heads) = train_heads(data, rows, HEADS, epochs=4, batch_size=16, seed=5)
    assert epoch == 4
    assert [head.batch_norm for head in heads.heads] == [False, False, True, True]
    together = heads.logits(data.features)
    assert together.shape == (4, 3, 70)
    for index, head in enumerate(heads.heads):
        alone = train_alone(data, rows, head, epochs=4, batch_size=16, seed=5)
        assert alone.std() > 0.02
        torch.testing.assert_close(together[index].T, alone, rtol=1e-10, atol=1e-10)
        copied = heads.only(index).logits(data.features)
        # A product of other shape may round differently.
        torch.testing.assert_close(copied[0], together[index], rtol=1e-12, atol=1e-12)


def test_a_head_is_what_it_is_in_any_company():
    data = features()
    rows = torch.arange(70)
    (_, company) = next(train_heads(data, rows, HEADS, epochs=1, batch_size=16, seed=0))
    for index, head in enumerate(company.heads):
        (_, alone) = next(train_heads(data, rows, [head], epochs=1, batch_size=16, seed=0))
        torch.testing.assert_close(
            alone.logits(data.features)[0], company.logits(data.features)[index]
        )


def test_a_head_that_diverges_leaves_the_others_alone():
    data = features()
    wild = Head(1e200, 1e10)
    rows = torch.arange(70)
    *_, (_, heads) = train_heads(data, rows, [*HEADS, wild], epochs=3, batch_size=16, seed=0)
    finite = dict(zip(heads.heads, heads.finite(), strict=True))
    assert not finite.pop(wild)
    assert all(finite.values())


def test_the_scale_of_the_features_changes_no_plain_head():
    data = features()
    large = Features(data.features * 1000, data.labels)
    rows = torch.arange(70)
    one, other = (
        list(train_heads(given, rows, HEADS[1:2], epochs=2, batch_size=16, seed=0))[-1][1].logits(
            given.features
        )
        for given in (data, large)
    )
    torch.testing.assert_close(one, other)


def test_the_copy_of_a_head_does_not_train_on():
    heads = LinearHeads(HEADS, widths={"output": 2}, classes=3)
    target = torch.eye(3)[:, torch.tensor([0, 1, 2, 0])]
    rows = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    heads.step(rows, target, 1.0)
    copy = heads.only(3)
    before = copy.logits(rows)
    heads.step(rows, target, 1.0)
    assert torch.equal(copy.logits(rows), before)
    assert not torch.equal(heads.logits(rows)[3], before[0])


def test_few_images_are_seen_more_often():
    assert count_epochs(50_000, epochs=50, batch_size=256) == 50
    assert count_epochs(500, epochs=50, batch_size=256) == MIN_STEPS
    assert count_epochs(2560, epochs=1, batch_size=256) == MIN_STEPS // 10


def test_mean_squares_are_those_of_the_rows():
    data = features().features
    rows = torch.tensor([1, 5, 7])
    torch.testing.assert_close(mean_squares(data, rows), data[rows].square().mean(0))


def test_a_layer_that_is_zero_everywhere_trains():
    rows = torch.arange(70)
    data = Features(torch.zeros(70, 2), features().labels)
    *_, (_, heads) = train_heads(data, rows, HEADS, epochs=1, batch_size=16, seed=0)
    assert all(heads.finite())


def test_heads_of_a_layer_are_those_trained_on_its_columns_alone():
    data = features(width=7)
    rows = torch.arange(70)
    widths = {"output": 3, "map": 4}
    heads = [head._replace(layer=layer) for layer in widths for head in HEADS]
    settings = {"epochs": 2, "batch_size": 16, "seed": 0}
    *_, (_, both) = train_heads(data, rows, heads, widths=widths, **settings)
    assert [head.layer for head in both.heads] == ["output"] * 4 + ["map"] * 4
    logits = both.logits(data.features)
    for layer, columns in (("output", slice(0, 3)), ("map", slice(3, 7))):
        own = Features(data.features[:, columns], data.labels)
        *_, (_, alone) = train_heads(own, rows, HEADS, **settings)
        expected = alone.logits(own.features)
        places = [i for i, head in enumerate(both.heads) if head.layer == layer]
        torch.testing.assert_close(logits[places], expected)
        torch.testing.assert_close(both.only(places[2]).logits(data.features)[0], expected[2])
