import pytest
import torch

from sslkit.data.statistics import channel_statistics


def test_equal_to_the_definition_whatever_the_batches():
    images = torch.randint(0, 256, (7, 3, 5, 4), dtype=torch.uint8)
    images[:, 2] //= 9
    scaled = images.double() / 255
    for sizes in ([7], [1, 2, 4]):
        mean, std = channel_statistics(images.split(sizes))
        assert mean == pytest.approx(scaled.mean(dim=(0, 2, 3)).tolist(), abs=1e-12)
        assert std == pytest.approx(scaled.std(dim=(0, 2, 3), correction=0).tolist(), abs=1e-12)


def test_a_constant_channel_can_still_be_divided_by():
    mean, std = channel_statistics([torch.full((2, 1, 3, 3), 51, dtype=torch.uint8)])
    assert mean == pytest.approx([0.2])
    assert std == [1e-3]


def test_the_number_of_threads_is_put_back():
    before = torch.get_num_threads()
    channel_statistics([torch.zeros(1, 1, 1, 1, dtype=torch.uint8)])
    assert torch.get_num_threads() == before


def test_no_images():
    with pytest.raises(ValueError, match="no images"):
        channel_statistics([])
