import pytest

from sslkit.views_arguments import views_options


def test_options_of_fit_are_kept_as_they_stand():
    options = views_options(
        ["--model.views.strength", "0.5", "--recipe", "tiny", "--data.image_size=40", "--data", "x"]
    )
    assert options.overrides == ["--model.views.strength", "0.5", "--data.image_size=40"]
    assert (options.recipe, options.data, options.images) == ("tiny", "x", 6)


@pytest.mark.parametrize("rest", [[], ["--recipe", "tiny"]])
def test_an_option_of_fit_needs_its_value(rest):
    with pytest.raises(
        ValueError, match=r"--model\.views\.size needs a value, as for `sslkit fit`"
    ):
        views_options(["--recipe", "tiny", "--model.views.size", *rest])


def test_other_options_are_refused_whole():
    with pytest.raises(ValueError, match="--rec"):
        views_options(["--rec", "tiny"])
