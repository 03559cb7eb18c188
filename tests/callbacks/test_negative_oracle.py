import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from tiny import trainer
from torch.utils.data import DataLoader, TensorDataset

from sslkit.callbacks import NegativeOracle
from sslkit.callbacks.pair_sample import sample_pairs
from sslkit.callbacks.pair_statistics import own_class_shares
from sslkit.figures import read_curves
from sslkit.negatives.pairs import Info, Pairs

pytestmark = pytest.mark.filterwarnings("ignore:.*")
CLASSES = 3


class Compares:
    def __init__(self) -> None:
        self.observers, self.shown = [], []

    def watch(self, observer):
        self.observers.append(observer)
        return lambda: self.observers.remove(observer)


class Module(pl.LightningModule):
    """Anchors against the batch; from a step on, half of it or a mixture."""

    def __init__(self, treatment: str = "none") -> None:
        super().__init__()
        self.encoder = torch.nn.Linear(4, 6)
        self.objective, self.treatment = Compares(), treatment

    def training_step(self, batch, batch_idx):
        x, label = batch
        z = torch.nn.functional.normalize(self.encoder(x), dim=1)
        info = Info(label=label, index=torch.arange(len(label)))
        mask = ~torch.eye(len(z), dtype=torch.bool)
        pairs = Pairs(z, z[:, None], z, 0.2, lambda _: z[:, 0], mask=mask)
        pairs = pairs.with_(query_info=info, bank_info=info)
        if self.treatment == "unknown":  # as in a queue that nothing has filled yet
            pairs = pairs.with_(bank_info=Info(torch.full_like(label, -1), info.index))
        after = {
            "none": pairs,
            "unknown": pairs,
            "masked": pairs.with_(mask=mask & (label[:, None] != label)),
            "mixed": pairs.with_(bank=(z + z.roll(1, 0)) / 2),
        }[self.treatment]
        self.objective.shown.append(pairs)
        for observer in self.objective.observers:
            observer(pairs, after)
        return {"loss": z.var(), "features": z.detach(), "label": label}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(folder, oracle, module, *, labels=True):
    g = torch.Generator().manual_seed(0)
    label = torch.arange(48) % CLASSES
    x = torch.randn(48, 4, generator=g) + label[:, None]
    label = label if labels else torch.full_like(label, -1)
    loader = DataLoader(TensorDataset(x, label), batch_size=16)
    fitter = trainer(folder, callbacks=[oracle], max_epochs=2, log_every_n_steps=1)
    fitter.fit(module, loader)
    return fitter


def test_shares_are_recorded_and_logged(tmp_path):
    module = Module()
    fitter = fit(tmp_path, NegativeOracle(top=(1, 5, 100), every_n_steps=2), module)
    found = read_curves(tmp_path / "negative_oracle.csv")
    assert [*found][:6] == ["step", "epoch", "top1", "top5", "top100", "all"]
    assert found["step"].tolist() == [0, 2, 4]
    for at, step in enumerate((0, 2, 4)):
        expected = own_class_shares(sample_pairs(module.objective.shown[step], 99), [1, 5, 100])
        row = [found[name][at] for name in ("top1", "top5", "top100", "all")]
        assert row == pytest.approx(expected.tolist(), rel=1e-5)
    assert (found["top100"] == found["all"]).all()
    # Of 6, 5 and 5 images, each has 5, 4 and 4 of its class among its 15 negatives.
    assert found["all"] == pytest.approx(np.full(3, 70 / (16 * 15)), rel=1e-5)
    assert float(fitter.logged_metrics["negative_oracle/top5"]) == pytest.approx(
        found["top5"][-1], rel=1e-5
    )
    assert (tmp_path / "negative_oracle.png").stat().st_size > 5_000


def test_what_a_mask_leaves_is_recorded_beside(tmp_path):
    fit(tmp_path, NegativeOracle(every_n_steps=1), Module("masked"))
    found = read_curves(tmp_path / "negative_oracle.csv")
    assert (found["treated/top1"] == 0).all() and (found["top10"] > 0).all()


def test_mixed_negatives_have_no_class(tmp_path):
    fit(tmp_path, NegativeOracle(every_n_steps=1), Module("mixed"))
    found = read_curves(tmp_path / "negative_oracle.csv")
    assert torch.tensor(found["treated/top1"]).isnan().all() and (found["top10"] > 0).all()


def test_draws_nothing_where_no_negative_had_a_class(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("sslkit.callbacks.pair_curves.rank_zero_info", said.append)
    fit(tmp_path, NegativeOracle(every_n_steps=1), Module("unknown"))
    assert [path.name for path in tmp_path.iterdir()] == ["negative_oracle.csv"]
    assert len(said) == 1 and "has no value to draw" in said[0]


def test_switches_itself_off_without_labels_and_says_so_once(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("sslkit.callbacks.negative_oracle.rank_zero_info", said.append)
    module = Module()
    fit(tmp_path, NegativeOracle(every_n_steps=1), module, labels=False)
    assert len(said) == 1 and said[0].startswith("NegativeOracle is off: the training data has no")
    assert not [*tmp_path.iterdir()]
    assert module.objective.observers == []


@pytest.mark.parametrize("top", [(), (0, 1), (5, 5)])
def test_refuses_arguments_out_of_range(top):
    with pytest.raises(ValueError, match="different numbers of at least 1"):
        NegativeOracle(top=top)
