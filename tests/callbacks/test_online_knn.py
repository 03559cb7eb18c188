import pytest
import pytorch_lightning as pl
import torch
from gloo import run_two_ranks
from labelled import shades
from pytorch_lightning.callbacks import EarlyStopping
from tiny import METHODS, trainer
from torch.utils.data import DataLoader, TensorDataset

from sslkit.callbacks import OnlineKNN
from sslkit.data import ImageDataModule
from sslkit.evaluation import extract_features
from sslkit.functional import knn_scores, unit_rows

pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers")


class Loop:
    """The little of a Trainer that filling the bank reads."""

    num_training_batches = 100


def fill(knn: OnlineKNN, *batches: tuple[torch.Tensor, torch.Tensor], trainer=Loop) -> None:
    for features, label in batches:
        knn.on_train_batch_end(trainer, None, {"features": features, "label": label}, None, 0)


def batch(seed: int, size: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    return torch.randn(2, size, 3, generator=g), torch.full((size,), seed)


def test_scores_separable_classes_and_logs(watch):
    assert watch(OnlineKNN(k=5)).callback_metrics["online_knn/val_top1"] > 0.95


def test_the_bank_holds_the_latest_first_views():
    knn = OnlineKNN(k=2, bank_size=10)
    batches = [batch(seed) for seed in range(4)]
    fill(knn, *batches)
    state = knn.state_dict()
    views = unit_rows(torch.cat([features[0] for features, _ in batches])[-10:])
    torch.testing.assert_close(state["features"].float(), views, rtol=0, atol=5e-4)
    assert state["labels"].tolist() == [1, 1, 2, 2, 2, 2, 3, 3, 3, 3]
    # A view of something larger would be saved whole.
    assert state["features"].untyped_storage().nbytes() == 10 * 3 * 2


def test_a_batch_larger_than_the_bank_leaves_its_last_rows():
    knn = OnlineKNN(k=2, bank_size=3)
    fill(knn, batch(0), batch(1, size=8))
    views = unit_rows(batch(1, size=8)[0][0])[-3:]
    torch.testing.assert_close(knn.state_dict()["features"].float(), views, rtol=0, atol=5e-4)


def test_the_bank_holds_no_more_than_an_epoch():
    class Short:
        num_training_batches = 2

    knn = OnlineKNN(k=2, bank_size=100)
    fill(knn, *[batch(seed) for seed in range(5)], trainer=Short)
    assert knn.state_dict()["labels"].tolist() == [3] * 4 + [4] * 4


def test_the_logged_score_is_that_of_the_bank(watch, labelled):
    trainer = watch(OnlineKNN(k=7, temperature=0.1), epochs=2)
    state = trainer.callbacks[0].state_dict()
    x, label = labelled().data.tensors
    known = state["labels"] >= 0
    with torch.no_grad():
        queries = trainer.lightning_module.encoder.eval()(x)[label >= 0]
    scores = knn_scores(
        queries,
        state["features"][known].float(),
        state["labels"][known],
        k=7,
        num_classes=6,
        temperature=0.1,
    )
    expected = (scores.argmax(1) == label[label >= 0]).float().mean().item()
    assert trainer.callback_metrics["online_knn/val_top1"].item() == pytest.approx(expected)


def test_a_bank_smaller_than_k_votes_with_what_is_there(watch):
    trainer = watch(OnlineKNN(k=1000), epochs=1)
    assert 0 < trainer.callback_metrics["online_knn/val_top1"] <= 1


def test_a_resumed_bank_goes_on_where_it_was(watch, tmp_path, labelled):
    def in_order():
        data = labelled()
        data.train_dataloader = lambda: DataLoader(data.data, batch_size=16)
        return data

    options = {"dropout": 0.0}
    whole = watch(OnlineKNN(k=3, bank_size=40), data=in_order(), epochs=4, **options)
    path = tmp_path / "half.ckpt"
    half = watch(OnlineKNN(k=3, bank_size=40), data=in_order(), epochs=2, **options)
    half.save_checkpoint(path)
    saved = torch.load(path, weights_only=True)["callbacks"]["OnlineKNN"]
    assert len(saved["labels"]) == 40
    resumed = watch(
        OnlineKNN(k=3, bank_size=40), data=in_order(), epochs=4, ckpt_path=path, **options
    )
    one, other = (trainer.callbacks[0].state_dict() for trainer in (whole, resumed))
    assert torch.equal(one["features"], other["features"])
    assert torch.equal(one["labels"], other["labels"])
    name = "online_knn/val_top1"
    assert torch.equal(whole.callback_metrics[name], resumed.callback_metrics[name])


def test_a_resumed_score_is_shown_to_what_monitors_it(watch, tmp_path):
    path = tmp_path / "half.ckpt"
    half = watch(OnlineKNN(k=3, every_n_epochs=2), epochs=2)
    half.save_checkpoint(path)
    score = half.callback_metrics["online_knn/val_top1"]
    stop = EarlyStopping("online_knn/val_top1", mode="max")  # strict: it must be there
    resumed = watch(stop, OnlineKNN(k=3, every_n_epochs=4), epochs=3, ckpt_path=path)
    assert torch.equal(resumed.callback_metrics["online_knn/val_top1"], score)


def test_a_bank_of_training_images_is_the_encoders_own_features(tmp_path):
    data = ImageDataModule(shades(32), val_source=shades(24), batch_size=16)
    pl.seed_everything(0)
    knn = OnlineKNN(k=7, bank="train")
    fit = trainer(tmp_path, callbacks=[knn])
    fit.fit(METHODS["MoCo"](), data)
    encoder = fit.lightning_module.encoder
    bank, queries = (extract_features(encoder, data.eval_dataloader(s)) for s in ("train", "val"))
    votes = knn_scores(queries.features, bank.features, bank.labels, k=7, num_classes=4)
    expected = (votes.argmax(1) == queries.labels).float().mean().item()
    assert fit.callback_metrics["online_knn/val_top1"].item() == pytest.approx(expected)
    assert knn.state_dict().keys() == {"score"}  # the bank is made anew


def test_a_bank_of_another_width_is_refused():
    knn = OnlineKNN(k=2)
    knn.load_state_dict({"features": torch.ones(4, 7).half(), "labels": torch.zeros(4).long()})
    with pytest.raises(ValueError, match="has 7 features, and this run has 3"):
        fill(knn, batch(0))


@pytest.mark.parametrize("classes", [None, 6])
def test_switches_itself_off_without_labels_and_says_so_once(watch, said, labelled, classes):
    knn = OnlineKNN(k=3)
    trainer = watch(knn, data=labelled(num_classes=classes, labels=False))
    assert len(said) == 1
    assert said[0].startswith("OnlineKNN is off: the training data has no labels")
    assert "online_knn/val_top1" not in trainer.callback_metrics
    assert knn.state_dict() == {}


def test_needs_no_datamodule(watch, labelled):
    data = labelled()
    loaders = (data.train_dataloader(), data.val_dataloader())

    class Plain(type(data)):
        train_dataloader = staticmethod(lambda: loaders[0])
        val_dataloader = staticmethod(lambda: loaders[1])

    plain = Plain()
    del plain.num_classes, plain.labelled
    assert "online_knn/val_top1" in watch(OnlineKNN(k=3), data=plain).callback_metrics


def test_scores_only_every_nth_epoch(watch):
    scored = []

    class Sees(OnlineKNN):
        def on_validation_epoch_end(self, trainer, pl_module):
            scored.append(self._labelled is not None)
            super().on_validation_epoch_end(trainer, pl_module)

    watch(Sees(k=3, every_n_epochs=2), epochs=4, num_sanity_val_steps=1)
    assert scored == [False, True, True, False, True]  # the sanity check, then four epochs


def test_unlabelled_validation_images_are_not_counted(watch, labelled):
    data = labelled()
    x, label = data.data.tensors
    data.val_dataloader = lambda: DataLoader(
        TensorDataset(x, torch.full_like(label, -1)), batch_size=10
    )
    assert "online_knn/val_top1" not in watch(OnlineKNN(k=3), data=data).callback_metrics


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"k": 0}, "k of at least 1"),
        ({"k": 30, "bank_size": 20}, "k=30 neighbours in a bank of bank_size=20"),
        ({"temperature": 0.0}, "temperature above 0"),
        ({"every_n_epochs": 0}, "every_n_epochs of at least 1"),
        ({"bank": "test"}, "bank of 'queue' or 'train', got 'test'"),
    ],
)
def test_refuses_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        OnlineKNN(**arguments)


def bank_on(rank: int) -> dict:
    knn = OnlineKNN(k=2, bank_size=12)
    for seed in range(2):
        features, label = batch(10 * rank + seed)
        if rank == 0 and seed == 0:
            label[:] = -1  # a rank without labels must not leave the others waiting
        fill(knn, (features, label))
    return knn.state_dict()


def test_all_ranks_hold_the_same_bank(tmp_path):
    first, second = run_two_ranks(bank_on, tmp_path)
    assert torch.equal(first["features"], second["features"])
    assert first["labels"].tolist() == second["labels"].tolist() == [10] * 4 + [1] * 4 + [11] * 4
