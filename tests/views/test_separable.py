import pytest
import torch

from sslkit.views import separable
from sslkit.views.separable import Taps, mapped, scattered


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawn_taps(n: int, points: int, source: int, count: int, seed: int) -> Taps:
    first = torch.randint(source - count + 1, (n, points, 1), generator=seeded(seed))
    pixel = (first + torch.arange(count)).int()
    return Taps(pixel, torch.randn(n, points, count, generator=seeded(seed + 1)))


@pytest.mark.parametrize(("height", "width"), [(12, 9), (256, 5)])  # 256: a padded table
def test_both_forms_are_the_matrix_products(height, width):
    images = torch.rand(3, 2, height, width, generator=seeded())
    rows = drawn_taps(3, 7, height, 4, seed=1)
    columns = drawn_taps(3, 10, width, 3, seed=3)
    expected = torch.stack(
        [
            r @ image @ c.T
            for image, r, c in zip(
                images, scattered(rows, height), scattered(columns, width), strict=True
            )
        ]
    )
    assert expected.shape == (3, 2, 7, 10)
    torch.testing.assert_close(mapped(images, rows, columns), expected)
    torch.testing.assert_close(separable._multiplied(images, rows, columns), expected)


def test_whole_numbers_are_divided_by_255():
    images = torch.randint(0, 256, (2, 3, 6, 6), dtype=torch.uint8, generator=seeded())
    same = Taps(torch.arange(6).int().view(1, 6, 1).expand(2, -1, -1), torch.ones(2, 6, 1))
    torch.testing.assert_close(mapped(images, same, same), images / 255)
    torch.testing.assert_close(separable._multiplied(images, same, same), images / 255)
