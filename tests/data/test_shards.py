import io
import pickle
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from tar_files import encoded, write_shards, write_tar

from sslkit.data import ImageDataModule, TarShards
from sslkit.data import shard_samples as samples_module
from sslkit.data.errors import DataError, UnreadableImageError
from sslkit.data.source import fetch, item_name, known_class_count, known_labels

COUNTS = [4, 4, 3]


def values(shards):
    return [int(np.asarray(shards[n][0])[0, 0]) for n in range(len(shards))]


@pytest.fixture(params=[None, 11], ids=["counted", "size given"])
def shards(request, tmp_path):
    return TarShards(write_shards(tmp_path, COUNTS), size=request.param)


def test_positions_count_through_the_shards(shards):
    assert len(shards) == 11
    assert shards.counts.tolist() == COUNTS
    assert values(shards) == list(range(11))
    assert [shards[n][1] for n in range(11)] == [n % 3 for n in range(11)]
    assert [shards.place(n) for n in (0, 3, 4, 10)] == [(0, 0), (0, 3), (1, 0), (2, 2)]


def test_any_order_gives_the_same(shards):
    order = [10, 2, 3, 9, 0, 5, 5]
    assert [int(np.asarray(shards[n][0])[0, 0]) for n in order] == order


def test_a_copy_for_a_worker_reads_on_its_own(shards):
    shards[5]
    again = pickle.loads(pickle.dumps(shards))
    assert values(again) == list(range(11))


def test_counted_shards_know_every_label(tmp_path):
    shards = TarShards(write_shards(tmp_path, COUNTS))
    assert known_labels(shards).tolist() == [n % 3 for n in range(11)]
    assert known_class_count(shards) == 3
    assert item_name(shards, 9) == f"0009.png in {tmp_path}/part-002.tar"


def test_of_others_the_number_of_classes_can_be_given(tmp_path):
    pattern = write_shards(tmp_path, COUNTS)
    assert known_class_count(TarShards(pattern, size=11)) is None
    assert known_class_count(TarShards(pattern, size=11, num_classes=5)) == 5
    assert known_labels(TarShards(pattern, size=11)) is None


def test_a_damaged_image_names_member_and_shard(tmp_path):
    shard = write_tar(tmp_path / "x.tar", {"a.jpg": b"no image", "b.jpg": encoded(3)})
    for size in (None, 2):
        shards = TarShards(str(shard), size=size)
        said = r"a\.jpg in .*x\.tar cannot be read as an image: its format is unknown"
        with pytest.raises(UnreadableImageError, match=said):
            fetch(shards, 0)
        assert fetch(shards, 1)[1] in (None, -1)


def test_a_shard_without_an_image(tmp_path):
    shard = write_tar(tmp_path / "x.tar", {"a.txt": b"1"})
    with pytest.raises(DataError, match=r"x\.tar holds no image"):
        TarShards(str(shard))


@pytest.mark.parametrize(("size", "said"), [(12, "holds 3 images, and 4"), (9, "more images, and")])
def test_a_size_that_is_wrong_is_noticed(tmp_path, size, said):
    shards = TarShards(write_shards(tmp_path, COUNTS), size=size)
    with pytest.raises(DataError, match=said):
        for shard in range(3):
            list(shards.samples(shard))


@pytest.mark.parametrize("name", ["size", "shuffle", "num_classes"])
def test_numbers_below_one(tmp_path, name):
    with pytest.raises(ValueError, match=f"`{name}` of TarShards is 0"):
        TarShards(write_shards(tmp_path, [1]), **{name: 0})


def test_a_size_below_the_number_of_shards(tmp_path):
    with pytest.raises(ValueError, match=r"`size` of TarShards is 3.*Leave it out"):
        TarShards(write_shards(tmp_path, [1, 1, 1, 1, 1]), size=3)


def test_without_webdataset_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "webdataset.tariterators", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'sslkit\[stream\]'"):
        TarShards(write_shards(tmp_path, [1]))


@pytest.fixture
def server(tmp_path):
    """An address of the folder, and how often each file was asked for."""
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = partial(Handler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}", asked
        running.shutdown()


def test_shards_on_a_server(tmp_path, server):
    address, asked = server
    write_shards(tmp_path, COUNTS)
    pattern = f"{address}/part-{{000..002}}.tar"
    with pytest.raises(ValueError, match="`size` of TarShards must be given"):
        TarShards(pattern)
    assert values(TarShards(pattern, size=11)) == list(range(11))
    assert asked == [f"/part-00{n}.tar" for n in range(3)]


def test_a_broken_connection_is_taken_up_again(tmp_path, monkeypatch):
    write_shards(tmp_path, [5])
    whole = (tmp_path / "part-000.tar").read_bytes()
    answers = [whole[:3000], whole]
    monkeypatch.setattr(samples_module, "_PAUSE", 0)
    monkeypatch.setattr(
        samples_module.urllib.request, "urlopen", lambda *_, **__: io.BytesIO(answers.pop(0))
    )
    found = [s.member for s in samples_module.read_samples("https://host/part-000.tar")]
    assert found == [f"000{n}.png" for n in range(5)]
    assert answers == []


def test_a_server_that_does_not_answer(monkeypatch):
    monkeypatch.setattr(samples_module, "_PAUSE", 0)
    with pytest.raises(DataError, match=r"http://127\.0\.0\.1:9/x\.tar cannot be opened"):
        list(samples_module.read_samples("http://127.0.0.1:9/x.tar"))


def test_small_sets_are_kept_in_memory_like_any_other(tmp_path):
    pattern = write_shards(tmp_path, COUNTS)
    data = ImageDataModule(pattern, val_source=str(tmp_path / "part-000.tar"), batch_size=4)
    data.setup()
    assert (data.num_classes, data.splits()) == (3, {"train": 11, "val": 4})
    index = torch.cat([batch.index for batch in data.eval_dataloader("train")])
    assert index.tolist() == list(range(11))
    (batch,) = data.val_dataloader()
    assert torch.equal(batch.image[:, 0, 0, 0], torch.arange(4, dtype=torch.uint8))


@pytest.mark.parametrize("size", [None, 11])
def test_streamed_sets_evaluate_in_order(tmp_path, size):
    shards = TarShards(write_shards(tmp_path, COUNTS), size=size, num_classes=3)
    data = ImageDataModule(shards, batch_size=4, resident_gb=0, workers=2)
    data.setup()
    loader = data.eval_dataloader("train")
    assert loader.num_workers == (2 if size is None else 1)
    images = torch.cat([batch.image for batch in loader])
    assert images[:, 0, 0, 0].tolist() == list(range(11))
    assert data.mean == pytest.approx([5 / 255])
