"""Shards in training, without and with worker processes."""

import pytest
import torch
from tar_files import encoded, write_shards, write_tar

from sslkit.data import ImageDataModule, TarShards
from sslkit.data.decode import ImageFormat
from sslkit.data.labels import LabelMap
from sslkit.data.sampler import Numbered
from sslkit.data.shard_order import Division
from sslkit.data.shard_stream import ShardStream
from sslkit.data.stream import StreamedImages

COUNTS = [9, 5, 12, 8]
WANTED = ImageFormat(channels=1, height=5, width=6, resize=False, convert=False, reference="first")
ALONE = Division(rank=0, world_size=1, lanes=1, batch_size=3)


def stream(source, division=ALONE, rows=None, on_bad_image="error", seed=1):
    images = StreamedImages(
        source=source,
        rows=torch.arange(len(source)) if rows is None else rows,
        wanted=WANTED,
        label_map=LabelMap(None, None, "training"),
        labels=None,
        on_bad_image=on_bad_image,
    )
    return ShardStream(images, None, division, seed)


def flat(batches):
    return [position for batch in batches for position in batch]


def epoch(store, order=0, start=0):
    """The positions of every batch, each batch checked against its pixels."""
    division = store.division
    share = len(store) // division.world_size // division.batch_size * division.batch_size
    found = []
    for first in range(start * division.batch_size, share, division.batch_size):
        asked = [Numbered(order, first + n) for n in range(division.batch_size)]
        fetched = store.__getitems__(asked)
        if fetched.error:
            raise fetched.error
        batch = fetched.batch
        assert torch.equal(batch.image[:, 0, 0, 0].long(), batch.index)
        assert torch.equal(batch.label, batch.index % 3)
        found.append(batch.index.tolist())
    return found


@pytest.fixture(params=[None, 34], ids=["counted", "size given"])
def shards(request, tmp_path):
    # Equally many in each but the last, as a given size means.
    counts = COUNTS if request.param is None else [9, 9, 9, 7]
    return TarShards(write_shards(tmp_path, counts), size=request.param, shuffle=5)


def test_an_epoch_has_every_image_once_in_a_new_order(shards):
    first, second = (flat(epoch(stream(shards), order)) for order in (0, 1))
    assert len(set(first)) == len(first) == 33
    assert first != second != sorted(second)
    assert epoch(stream(shards), 1) == epoch(stream(shards), 1)
    assert epoch(stream(shards, seed=2)) != epoch(stream(shards))


def test_ranks_and_lanes_share_the_images(shards):
    seen = []
    for rank in (0, 1):
        division = Division(rank=rank, world_size=2, lanes=3, batch_size=2)
        seen += flat(epoch(stream(shards, division)))
    assert len(set(seen)) == len(seen) == 32


@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_the_rest_of_an_epoch_is_the_same_from_anywhere(shards, lanes):
    division = Division(rank=0, world_size=1, lanes=lanes, batch_size=3)
    whole = epoch(stream(shards, division))
    for start in range(len(whole)):
        assert epoch(stream(shards, division), start=start) == whole[start:]


def test_what_is_used_up_is_not_opened_again(tmp_path, monkeypatch):
    shards = TarShards(write_shards(tmp_path, [6] * 6), shuffle=2)
    whole = epoch(stream(shards))
    opened = []
    read = TarShards.samples
    monkeypatch.setattr(
        TarShards, "samples", lambda self, shard: opened.append(shard) or read(self, shard)
    )
    assert epoch(stream(shards), start=10) == whole[10:]
    assert len(opened) <= 2


def test_batches_asked_for_in_turn_read_every_shard_once(tmp_path, monkeypatch):
    shards = TarShards(write_shards(tmp_path, [6] * 4), shuffle=3)
    opened = []
    read = TarShards.samples
    monkeypatch.setattr(
        TarShards, "samples", lambda self, shard: opened.append(shard) or read(self, shard)
    )
    epoch(stream(shards, Division(rank=0, world_size=1, lanes=2, batch_size=3)))
    assert sorted(opened) == [0, 1, 2, 3]


def test_a_part_of_the_images(shards):
    rows = torch.tensor([1, 2, 8, 14, 20, 33])
    division = Division(rank=0, world_size=1, lanes=2, batch_size=2)
    assert sorted(flat(epoch(stream(shards, division, rows)))) == rows.tolist()


@pytest.mark.parametrize("size", [None, 6])
def test_an_unreadable_image_stops_by_name_or_is_replaced(tmp_path, size):
    members = {f"{n}.png": encoded(n) for n in range(6)}
    members |= {f"{n}.cls": str(n % 3).encode() for n in range(6)}
    members["4.png"] = b"no image"
    shards = TarShards(str(write_tar(tmp_path / "x.tar", dict(sorted(members.items())))), size=size)
    said = r"4\.png in .*x\.tar cannot be read as an image.*on_bad_image: skip"
    with pytest.raises(ValueError, match=said):
        epoch(stream(shards))
    found = epoch(stream(shards, on_bad_image="replace"))
    assert [len(batch) for batch in found] == [3, 3]
    assert 4 not in flat(found)
    assert found == epoch(stream(shards, on_bad_image="replace"))


def test_a_broken_shard_stops_by_name(tmp_path):
    shards = TarShards(write_shards(tmp_path, [9]), size=9, shuffle=1)
    path = tmp_path / "part-000.tar"
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ValueError, match=r"part-000\.tar cannot be read after 0001"):
        epoch(stream(shards))


def module(shards, **changes):
    arguments = {"batch_size": 3, "resident_gb": 0, "workers": 2, "seed": 1}
    return ImageDataModule(shards, mean=[0.5], std=[0.5], **(arguments | changes))


def test_workers_take_turns_and_live_through_epochs(shards):
    loader = module(shards).train_dataloader()
    division = Division(rank=0, world_size=1, lanes=2, batch_size=3)
    for order in (0, 1):
        loader.sampler.set_epoch(order)
        found = [batch.index.tolist() for batch in loader]
        assert found == epoch(stream(shards, division), order)
    assert len(loader) == len(found) == 11


def test_another_number_of_workers_cannot_go_on_in_the_middle(shards):
    loader = module(shards).train_dataloader()
    batches = iter(loader)
    next(batches)
    state = loader.state_dict()
    with pytest.raises(ValueError, match="workers was 2, now is 1"):
        module(shards, workers=1).train_dataloader().load_state_dict(state)
    again = module(shards).train_dataloader()
    again.load_state_dict(state)
    assert [b.index.tolist() for b in again] == [b.index.tolist() for b in batches]
