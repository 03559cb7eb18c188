"""A data set that is not there and cannot be fetched: which file is missing, and where it goes."""

import pytest
import torchvision.datasets  # noqa: F401  a class is looked up where it is imported already

from sslkit.configs.downloads import where_to_put

NO_NETWORK = "<urlopen error there is no network>"


def config(name: str, key: str = "source", root: str | None = "images") -> dict:
    arguments = {"train": True, "download": True} | ({"root": root} if root else {})
    return {"data": {key: {"class_path": f"torchvision.datasets.{name}", "init_args": arguments}}}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("CIFAR10", ["cifar-10-python.tar.gz (https://", "into the folder images,"]),
        ("STL10", ["stl10_binary.tar.gz (http", "into the folder images,"]),
        ("MNIST", ["train-images-idx3-ubyte.gz (http", "folder images/MNIST/raw,"]),
        ("FashionMNIST", ["t10k-labels-idx1-ubyte.gz (http", "folder images/FashionMNIST/raw,"]),
        ("Flowers102", ["put its files into the folder images as torchvision.datasets.Flowers102"]),
    ],
)
def test_files_are_named_where_the_class_names_them(name: str, words: list[str]) -> None:
    said = where_to_put(f"torchvision.datasets.{name}", NO_NETWORK, config(name))
    assert said is not None
    assert said.startswith(f"data.source: {name} is not in the folder images and could not be down")
    for part in [*words, NO_NETWORK, "--data.source FOLDER"]:
        assert part in said


@pytest.mark.parametrize(
    "reason",
    [
        "HTTP Error 503: Service Unavailable",
        "File not found or corrupted.",
        "[Errno -3] getaddrinfo failed",
    ],
)
def test_other_ways_of_not_being_there(reason: str) -> None:
    assert where_to_put("torchvision.datasets.CIFAR10", reason, config("CIFAR10")) is not None


def test_the_key_and_the_folder_are_those_of_the_config() -> None:
    said = where_to_put("torchvision.datasets.CIFAR10", NO_NETWORK, config("CIFAR10", "val_source"))
    assert said is not None and said.startswith("data.val_source: ")
    for known in (None, {}, config("MNIST"), config("CIFAR10", root=None)):
        said = where_to_put("torchvision.datasets.CIFAR10", NO_NETWORK, known)
        assert said is not None and "data.source: CIFAR10 is not in the folder data " in said


@pytest.mark.parametrize(
    ("class_path", "reason"),
    [
        ("torchvision.datasets.CIFAR10", "root must be a folder"),
        ("torchvision.datasets.CIFAR10", "Dataset not found or corrupted. You can use download="),
        ("my_lab.CIFAR10", NO_NETWORK),
        ("torchvision.datasets.folder.CIFAR10", NO_NETWORK),
    ],
)
def test_what_is_no_download_is_left_alone(class_path: str, reason: str) -> None:
    assert where_to_put(class_path, reason, config("CIFAR10")) is None
