"""``sslkit views`` from the command line."""

import numpy as np
import pytest
from PIL import Image

from sslkit import show_views
from sslkit.cli import main
from sslkit.configs.allowlist import install_allowlist
from sslkit.recipe.reading import RecipeReader
from sslkit.views import BYOLViews, SimCLRViews

pytestmark = pytest.mark.filterwarnings("ignore:.*")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 20, 20, 3), dtype=np.uint8)
    np.savez("images.npz", x_train=pixels)
    return tmp_path


def test_a_shipped_recipe_is_drawn_on_images_of_ones_own(here, capsys):
    command = ["views", "--recipe", "small/byol", "--data", "images.npz", "--out", "grid.png"]
    assert main([*command, "--images", "3", "--seed", "4"]) == 0
    assert "3 images with 2 views each: grid.png" in capsys.readouterr().out
    first = np.asarray(Image.open("grid.png"))
    assert min(first.shape[:2]) > 300
    assert main([*command, "--images", "3", "--seed", "4"]) == 0
    assert np.array_equal(first, np.asarray(Image.open("grid.png")))
    assert main([*command, "--images", "3", "--seed", "5"]) == 0
    assert not np.array_equal(first, np.asarray(Image.open("grid.png")))


def test_a_file_may_have_its_own_views_and_modules_of_kornia(here):
    (here / "mine.yaml").write_text(
        "extends: quickstart\n"
        "model:\n"
        "  init_args:\n"
        "    views:\n"
        "      class_path: sslkit.views.MultiCropViews\n"
        "      init_args:\n"
        "        size: 16\n"
        "        small_size: 8\n"
        "        small_views: 1\n"
        "        after:\n"
        "          - class_path: kornia.augmentation.RandomAffine\n"
        "            init_args: {degrees: 10.0, p: 1.0}\n"
    )
    assert main(["views", "--recipe", "mine.yaml", "--images", "2", "--out", "grid.svg"]) == 0
    drawn = (here / "grid.svg").read_text()
    assert "view 3, 8 x 8" in drawn
    assert "RandomAffine" in drawn


def test_options_of_a_fit_change_the_recipe(here):
    command = ["views", "--recipe", "small/simclr", "--data", "images.npz", "--images", "2"]
    sizes = ["--model.views.size=12", "--model.views.blur", "true", "--out=grid.svg"]
    assert main([*command, *sizes]) == 0
    drawn = (here / "grid.svg").read_text()
    assert "view 1, 12 x 12" in drawn
    assert main([*command, "--data.image_size", "10", "--out", "small.svg"]) == 0
    assert "image, 10 x 10" in (here / "small.svg").read_text()


def test_bad_images_are_left_out_when_that_is_said(here, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 20, 20, 3), dtype=np.uint8)
    (here / "photos").mkdir()
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(here / f"photos/{number}.png")
    (here / "photos/2.png").write_text("this is no image")
    command = ["views", "--recipe", "small/simclr", "--data", "photos", "--out", "grid.svg"]
    assert main(command) == 1
    assert "2.png" in capsys.readouterr().err
    assert main([*command, "--data.on_bad_image", "skip"]) == 0
    # A recipe that leaves its images to the user takes them as a fit does, too.
    mine = ["--recipe", "images/simclr", "--data.source", "photos", "--model.views.size=16"]
    assert main(["views", *mine, "--data.on_bad_image=skip", "--data.image_size=16"]) == 0


@pytest.mark.parametrize(("recipe", "kind"), [("small/byol", BYOLViews), ("bare", SimCLRViews)])
def test_a_methods_own_views_are_found_where_a_recipe_names_none(here, recipe, kind):
    if recipe == "bare":
        (here / "bare.yaml").write_text("model: {class_path: sslkit.methods.SimCLR}\n")
        recipe = "bare.yaml"
    install_allowlist()
    reader = RecipeReader()
    views = show_views.recipe_views(reader, reader.read(recipe))
    assert type(views) is kind
    assert views._moved.device.type == "cpu"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--recipe", "images/simclr"], "leaves its images to you: add --data"),
        (["--recipe", "quickstart", "--images", "0"], "--images must be at least 1, got 0"),
        (["--recipe", "quickstart", "--out", "grid.txt"], "let the picture's name end in .png"),
        (["--recipe", "quickstat"], "neither a config file nor a shipped recipe"),
        ([], "--recipe"),
        (["--recipe", "quickstart", "--model.views.strenth", "1"], "Did you mean strength?"),
        (["--recipe", "quickstart", "--model.views.size"], "--model.views.size needs a value"),
        (["--recipe", "quickstart", "--data.source", "os.system"], "import allowlist"),
        (["--recipe", "quickstart", "--trainer.max_epochs", "1"], "--trainer.max_epochs"),
    ],
)
def test_what_is_wrong_is_said_in_a_paragraph(here, capsys, arguments, message):
    assert main(["views", *arguments]) == 1
    assert message in " ".join(capsys.readouterr().err.split())
