import pytest

from sslkit.recipe.portable import is_place, places, portable_config, portable_record


@pytest.mark.parametrize(
    "text",
    [
        "/a",
        "~/a",
        "~",
        "../a",
        "a/../b",
        "a\\..\\b",
        "C:\\a",
        "c:/a",
        "D:",
        "\\\\host\\a",
        "file:a",
        "ftp://host/a",
        "s3://bucket/a",
        "simplecache::a",
    ],
)
def test_paths_that_start_elsewhere(text: str) -> None:
    assert is_place(text)


@pytest.mark.parametrize(
    "text", ["", "a", "a/b", "quickstart", "a..b", "...", "a:b", "1:30", "a/.b"]
)
def test_other_texts(text: str) -> None:
    assert not is_place(text)


def test_a_config_for_others() -> None:
    config = {
        "recipe": {"name": "/x"},
        "evaluate": False,
        "wandb": True,
        "ckpt_path": "last",
        "trainer": {
            "max_epochs": 3,
            "default_root_dir": "/home/me/runs",
            "logger": {"class_path": "pytorch_lightning.loggers.WandbLogger"},
            "callbacks": [{"class_path": "M", "init_args": {"dirpath": "/home/me/ckpt"}}],
        },
        "model": {"init_args": {"encoder": {"init_args": {"weights": "/home/me/start.pth"}}}},
        "data": {
            "source": "/home/me/photos",
            "val_source": {"class_path": "C", "init_args": {"root": "C:\\data\\cifar"}},
            "test_source": "~/test",
            "batch_size": 8,
        },
    }
    found, told = portable_config(config)
    assert found == {
        "evaluate": True,
        "wandb": False,
        "ckpt_path": None,
        "trainer": {
            "max_epochs": 3,
            "default_root_dir": None,
            "logger": None,
            "enable_progress_bar": None,
            "callbacks": [{"class_path": "M", "init_args": {"dirpath": None}}],
        },
        "model": {"init_args": {"encoder": {"init_args": {"weights": "start.pth"}}}},
        "data": {
            "val_source": {"class_path": "C", "init_args": {"root": "cifar"}},
            "test_source": None,
            "batch_size": 8,
        },
    }
    assert not list(places(found))
    assert len(told) == 4
    assert "data.source is left out (photos): others give --data.source FOLDER" in told
    assert any("weights is start.pth without its folder" in sentence for sentence in told)
    assert config["data"]["source"] == "/home/me/photos"  # the caller's is as it was


def test_what_lies_in_the_working_directory_is_not_sent_along_either() -> None:
    model = {"checkpoint": "runs/simclr/last.ckpt", "name": "a/b"}
    found, told = portable_config({"data": {"source": "photos", "limit": None}, "model": model})
    assert found["data"] == {"limit": None}
    assert found["model"] == {"checkpoint": "last.ckpt", "name": "a/b"}
    assert len(told) == 2


@pytest.mark.parametrize("source", ["quickstart", "https://host/train-{0..9}.tar"])
def test_images_that_everybody_has_stay(source: str) -> None:
    found, told = portable_config({"data": {"source": source}})
    assert found["data"] == {"source": source} and told == []


def test_records_have_names_in_place_of_paths() -> None:
    record = {"checkpoint": "/a/b/last.ckpt", "data": {"data": "/a/photos/", "n": 3}, "r": ["~"]}
    found = {"checkpoint": "last.ckpt", "data": {"data": "photos", "n": 3}, "r": ["here"]}
    assert portable_record(record) == found
    assert list(places(record)) == [
        ("checkpoint", "/a/b/last.ckpt"),
        ("data.data", "/a/photos/"),
        ("r.0", "~"),
    ]
