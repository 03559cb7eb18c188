import pytest
import torch

from sslkit.functional import unit_rows


def test_the_norm_is_floored_not_its_square() -> None:
    row = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    torch.testing.assert_close(unit_rows(1e-11 * row), row / 5)
    torch.testing.assert_close(unit_rows(1e-13 * row), row / 10)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_rows_are_widened_before_they_are_squared(dtype: torch.dtype) -> None:
    row = torch.tensor([[30_000.0, 40_000.0], [3e-4, 4e-4], [0.0, 0.0]]).to(dtype)
    unit = unit_rows(row)
    assert unit.dtype == torch.float32
    exact = row.double() / row.double().norm(dim=1, keepdim=True).clamp(min=1e-12)
    torch.testing.assert_close(unit.double(), exact, rtol=1e-6, atol=0)
