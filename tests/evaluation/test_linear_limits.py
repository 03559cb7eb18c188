import pytest

from sslkit.evaluation.linear_limits import why_not_fitted


@pytest.mark.parametrize(
    ("images", "width", "classes"),
    [
        (50_000, 512, 10),
        (50_000, 3072, 10),  # the pixels of CIFAR-10
        (50_000, 384, 100),
        (100_000, 512, 10),  # a tenth of a million images
        (1_000, 2048, 1000),
    ],
)
def test_usual_sizes_are_fitted(images, width, classes):
    assert why_not_fitted(images, width, classes) is None


def test_what_takes_hours_is_not_and_what_needs_much_memory_is_not():
    assert why_not_fitted(1_281_167, 2048, 1000) == "would take hours on so many features"
    # Within the time: 5e9 of 2e10.
    assert why_not_fitted(1_000_000, 512, 10) == "would need over 1.0 GB beside so many features"
    # Of narrow features the arrays of all classes are the larger part.
    assert "GB" in why_not_fitted(300_000, 64, 1000)
    assert why_not_fitted(300_000, 64, 100) is None
