"""Every class of fault that a recipe can have, found without data and without training."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sslkit.cli import main
from sslkit.configs.allowlist import install_allowlist
from sslkit.recipe import find_recipe, list_recipes
from sslkit.recipe.checking import Findings, check_recipe
from sslkit.recipe.reading import RecipeReader

Change = dict[str, Any]


@pytest.fixture(scope="module")
def reader() -> RecipeReader:
    install_allowlist()
    return RecipeReader()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def changed(name: str, changes: Change) -> str:
    """A shipped recipe with other values (None takes a key out), in the working directory."""
    config = yaml.safe_load(find_recipe(name).read_text())
    for key, value in changes.items():
        *way, last = key.split(".")
        part = config
        for step in way:
            part = part.setdefault(step, {})
        if value is None:
            del part[last]
        else:
            part[last] = value
    Path("changed.yaml").write_text(yaml.safe_dump(config))
    return "changed.yaml"


def recipe_faults(reader: RecipeReader, name: str) -> list[str]:
    return list(check_recipe(reader, name).faults)


ARGS = "model.init_args"
MIXING = {"class_path": "sslkit.negatives.HardNegativeMixing", "init_args": {"hardest": 64}}
LATE = {**MIXING, "init_args": {"hardest": 64, "schedule": {"start": 12}}}
PROBE = {"class_path": "sslkit.callbacks.OfflineProbe", "init_args": {"plan": "slow"}}
REWEIGHT = {"class_path": "sslkit.negatives.ReweightNegatives"}

FAULTS: list[tuple[str, Change, str]] = [
    # keys, types and classes
    ("small/moco", {f"{ARGS}.temprature": 1}, "has no option 'temprature'. Did you mean temperat"),
    ("small/moco", {f"{ARGS}.encoder.init_args.nme": 1}, "sslkit.nn.Encoder has no option 'nme'"),
    ("small/moco", {"trainer.max_epoch": 1}, "'trainer' has no option 'max_epoch'. Did you mean"),
    ("small/moco", {"sed_everything": 1}, "there is no option 'sed_everything'"),
    ("small/moco", {"data.batch_size": "many"}, "data.batch_size takes int, got 'many'"),
    ("small/moco", {"data.source.init_args.rot": 1}, "torchvision.datasets.CIFAR10 has no option"),
    ("small/moco", {f"{ARGS}.queue_size": 1.5}, "model.queue_size takes int, got '1.5'"),
    (
        "small/moco",
        {"model.class_path": "sslkit.methods.MoC"},
        "no public class or function of thi",
    ),
    (
        "small/moco",
        {"model.class_path": "os.system"},
        "os.system, which is not on the import allow",
    ),
    ("small/moco", {f"{ARGS}.optimizer.class_path": "torch.nn.ReLU"}, "torch.nn.ReLU"),
    ("small/moco", {"model": None}, "model"),
    # the card
    ("small/moco", {"recipe": None}, "there is no card"),
    ("small/moco", {"recipe.nam": "x"}, "recipe.nam is not a key of the card; did you mean name?"),
    ("small/moco", {"recipe.version": 2}, "this sslkit knows up to 1, got 2"),
    ("imagenet1k/moco_v3", {"recipe.status": "measured"}, "must also have hardware, minutes"),
    ("small/moco", {"recipe.method": "SimCLR"}, "recipe.method is SimCLR, and model is a MoCo"),
    ("small/moco", {"recipe.trust": ["my_lab"]}, "recipe.trust names my_lab, and nothing in the"),
    ("small/moco", {"recipe.seed": 7}, "recipe.seed is 7, and seed_everything is 0"),
    ("imagenet1k/moco", {"trainer.devices": 4}, "recipe.devices is 8, and trainer.devices makes 4"),
    # values that a class refuses
    ("small/moco", {f"{ARGS}.temperature": 0}, "temperature must be"),
    ("small/moco", {f"{ARGS}.base_lr": -1}, "base_lr must be above 0, got -1"),
    ("small/moco", {f"{ARGS}.encoder.init_args.name": "resnet19"}, "resnet19"),
    (
        "small/moco",
        {f"{ARGS}.optimizer.init_args.momentum": -1},
        "model.optimizer: Invalid momentum",
    ),
    (
        "small/moco",
        {f"{ARGS}.optimizer.init_args.lr": 0.3},
        "given lr=0.3, which would not be used",
    ),
    ("small/moco", {"data.batch_size": 0}, "`batch_size` is 0"),
    ("small/moco", {"trainer.limit_train_batches": 1.5}, "limit_train_batches"),
    ("small/moco", {f"{ARGS}.plugins": [REWEIGHT, MIXING], f"{ARGS}.tau_plus": -1}, "tau_plus"),
    # parts that do not fit each other
    (
        "small/wmse",
        {f"{ARGS}.slice_size": 96},
        "slices of 96 images, which do not fill a batch of 2",
    ),
    ("small/wmse", {f"{ARGS}.output_dim": 128}, "slice_size must be above output_dim=128, got 128"),
    ("small/wmse", {"data.batch_size": 64}, "slices of 128 images"),
    ("small/moco", {f"{ARGS}.bn_splits": 7}, "a batch of 256 cannot be cut into 7 equal parts"),
    (
        "small/moco",
        {f"{ARGS}.queue_size": 128},
        "the queue holds 128 embeddings, and every batch br",
    ),
    ("imagenet1k/moco", {f"{ARGS}.queue_size": 128}, "brings 256 (8 x 32 images)"),
    ("small/dcl", {"data.batch_size": 1}, "DCL got a batch of 1 image"),
    ("small/moco", {"data.limit": 200}, "images to train on, and one batch has 256"),
    ("small/tribyol", {f"{ARGS}.views.init_args.views": 2}, "needs 3 views of each image"),
    ("small/nnclr", {f"{ARGS}.plugins": [MIXING]}, "no gradient flows through the anchors"),
    (
        "small/hcl",
        {f"{ARGS}.plugins": [{**REWEIGHT, "init_args": {"beta": 1.0}}]},
        "would weigh the negatives twice",
    ),
    # what starts from a checkpoint
    (
        "small/finetune",
        {f"{ARGS}.optimizer.init_args.lr": 0.3},
        "given lr=0.3, which would not be used",
    ),
    ("small/finetune", {f"{ARGS}.layer_decay": 2}, "layer_decay must be above 0 and at most 1"),
    ("small/linear_probe", {f"{ARGS}.checkpoint": "nowhere.ckpt"}, "no file nowhere.ckpt"),
    (
        "small/linear_probe",
        {f"{ARGS}.schedule.init_args.warmup_epochs": 200},
        "of the learning rate in the run's 100 epochs",
    ),
    ("small/moco", {"trainer.callbacks": [PROBE]}, "plan"),
    # a run that is over too soon
    (
        "small/moco",
        {f"{ARGS}.schedule.init_args.warmup_epochs": 12},
        "of the learning rate in the run",
    ),
    ("small/moco", {f"{ARGS}.plugins": [LATE]}, "acts from epoch 12 on, and the run has 10 epochs"),
    ("small/moco", {"trainer.max_epochs": None}, "the run has no end"),
    # a run that trains nothing, or with another batch than it says
    ("small/moco", {"trainer.limit_train_batches": 0}, "no epoch has a batch and nothing is train"),
    (
        "small/moco",
        {"data.limit": 300, "data.val_fraction": 0.2},
        "data.limit leaves 240 images to train on, and one batch has 256",
    ),
    ("small/moco", {"trainer.accumulate_grad_batches": 0}, "must be at least 1, got 0"),
    ("small/moco", {"seed_everything": False}, "recipe.seed is 0, and seed_everything is False"),
]


@pytest.mark.parametrize(("name", "changes", "expected"), FAULTS)
def test_a_fault_is_found(name: str, changes: Change, expected: str, reader: RecipeReader) -> None:
    faults = recipe_faults(reader, changed(name, changes))
    assert len([fault for fault in faults if expected in fault]) == 1, faults
    assert all("\n\n" not in fault and "Traceback" not in fault for fault in faults)


MILESTONES = {"class_path": "sslkit.optim.MultiStep", "init_args": {"milestones": [5, 12, 15]}}
ADAM = {"class_path": "torch.optim.AdamW"}
ALL_OF_THEM = {**MIXING, "init_args": {"hardest": 5000}}

REMARKS: list[tuple[str, Change, str]] = [
    ("small/moco", {f"{ARGS}.queue_size": 1000}, "papers would take 768 or 1024"),
    ("small/nnclr", {f"{ARGS}.queue_size": 1000}, "It wraps exactly, so that nothing is wrong"),
    ("imagenet1k/moco", {f"{ARGS}.queue_size": 1000}, "256 that a batch brings (8 x 32 images)"),
    ("small/moco", {f"{ARGS}.momentum": 1}, "momentum is 1: the momentum branch stays"),
    ("small/byol", {f"{ARGS}.momentum": 1}, "momentum is 1"),
    ("small/moco", {f"{ARGS}.momentum": 0}, "momentum is 0: the momentum branch is the online"),
    ("small/simclr", {f"{ARGS}.temperature": 100}, "published ones lie between 0.05 and 1"),
    ("small/moco", {f"{ARGS}.bn_splits": 256}, "of a single image (a batch of 256 in 256 parts)"),
    ("small/finetune", {"data.batch_size": 1}, "the statistics of a single image (a batch of 1)"),
    ("small/moco", {f"{ARGS}.schedule": MILESTONES}, "at epoch 12, 15, and the run has 10 epochs"),
    ("small/moco", {f"{ARGS}.plugins": [ALL_OF_THEM]}, "hardest 5,000 of a queue of 4,096"),
    (
        "small/moco",
        {f"{ARGS}.optimizer": ADAM, f"{ARGS}.base_lr": 3.0},
        "the effective learning rate of AdamW is 3",
    ),
    ("small/moco", {"trainer.fast_dev_run": True}, "it is for debugging"),
    ("small/moco", {"trainer.overfit_batches": 3}, "the same few batches again and again"),
    ("small/moco", {"trainer.gradient_clip_val": -1}, "which clips nothing"),
    ("small/moco", {"trainer.accumulate_grad_batches": 99}, "fewer images than the 25344"),
]


@pytest.mark.parametrize(("name", "changes", "expected"), REMARKS)
def test_what_is_unusual_is_no_fault(
    name: str, changes: Change, expected: str, reader: RecipeReader
) -> None:
    found = check_recipe(reader, changed(name, changes))
    assert found.faults == ()
    assert [expected in remark for remark in found.remarks] == [True], found.remarks


def test_several_faults_of_one_recipe_are_all_found(reader: RecipeReader) -> None:
    changes = {"recipe.seed": 7, f"{ARGS}.bn_splits": 7, "data.limit": 9, f"{ARGS}.queue_size": 8}
    assert len(recipe_faults(reader, changed("small/moco", changes))) == 4


def test_what_is_wrong_with_a_card_has_its_line(reader: RecipeReader) -> None:
    for change in ({"recipe.seed": 7}, {"recipe.seed": "x"}, {"recipe.method": "SimCLR"}):
        path = changed("small/moco", change)
        (fault,) = recipe_faults(reader, path)
        line = int(fault.removeprefix(f"{path}, line ").split(":")[0])
        key = next(iter(change)).removeprefix("recipe.")
        assert Path(path).read_text().splitlines()[line - 1].startswith(f"  {key}:")


def test_what_yaml_would_pass_over_is_found(reader: RecipeReader) -> None:
    text = find_recipe("small/moco").read_text()
    Path("twice.yaml").write_text(text.replace("  limit: 10240", "  limit: 10240\n  limit: 512"))
    (fault,) = recipe_faults(reader, "twice.yaml")
    assert "data.limit stands there twice" in fault
    line = int(fault.split("line ")[1].split(":")[0])
    assert Path("twice.yaml").read_text().splitlines()[line - 1] == "  limit: 512"


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("model", {"model.class_path": "torch.nn.ReLU"}),
        ("model.views", {f"{ARGS}.views.class_path": "torch.nn.ReLU"}),
        ("trainer.callbacks", {"trainer.callbacks": [{"class_path": "torch.nn.ReLU"}]}),
        ("trainer.max_epochs", {"trainer.max_epochs": "torch.nn.ReLU"}),
    ],
)
def test_a_class_of_another_kind_is_found_with_its_line(
    key: str, change: Change, reader: RecipeReader
) -> None:
    path = changed("small/moco", change)
    (fault,) = recipe_faults(reader, path)
    line = int(fault.removeprefix(f"{path}, line ").split(":")[0])
    assert "torch.nn.ReLU" in Path(path).read_text().splitlines()[line - 1]
    assert f": {key} " in fault


@pytest.mark.parametrize("name", ["small/moco", "images/simclr", "imagenet1k/moco_v3_vit"])
def test_a_good_recipe_has_none_and_nothing_is_touched(
    name: str, reader: RecipeReader, here: Path
) -> None:
    assert check_recipe(reader, name) == Findings(())
    # No data was downloaded, no run started.
    assert list(here.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", list_recipes())
def test_a_shipped_recipe_passes(name: str, reader: RecipeReader) -> None:
    assert check_recipe(reader, name) == Findings(())


def test_a_recipe_that_extends_is_checked_whole(reader: RecipeReader) -> None:
    card = yaml.safe_load(find_recipe("small/moco").read_text())["recipe"]
    mine = {"extends": "small/moco", "recipe": card, "model": {"init_args": {"bn_splits": 7}}}
    Path("mine.yaml").write_text(yaml.safe_dump(mine))
    (fault,) = recipe_faults(reader, "mine.yaml")
    assert "into 7 equal parts" in fault


# --- the command -----------------------------------------------------------------------------


def test_all_are_checked_before_the_command_ends(
    capsys: pytest.CaptureFixture[str], here: Path
) -> None:
    folder = here / "folder"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.yaml").write_text("model: [")
    (folder / "sub/b.yml").write_text(find_recipe("quickstart").read_text())
    assert main(["recipe", "check", "nowhere", "folder", "quickstart"]) == 1
    shown = capsys.readouterr().out.splitlines()
    heads = [line for line in shown if not line.startswith(" ")]
    assert [head.split(":")[0] for head in heads] == [
        "nowhere",
        f"{Path('folder/a.yaml')}",
        f"{Path('folder/sub/b.yml')}",
        "quickstart",
        "4 recipes, 2 with faults.",
    ]
    assert [head.split(": ")[1] for head in heads[:4]] == ["1 fault", "1 fault", "fine", "fine"]
    assert max(map(len, shown)) <= 100
    assert main(["recipe", "check", "quickstart"]) == 0
    assert main(["recipe", "check", changed("small/moco", {f"{ARGS}.queue_size": 1000})]) == 0
    assert capsys.readouterr().out.splitlines()[:2] == [
        "quickstart: fine",
        "changed.yaml: fine, 1 unusual",
    ]
    (here / "empty").mkdir()
    assert main(["recipe", "check", "empty"]) == 1
    assert "no .yaml file in the folder empty" in capsys.readouterr().err


@pytest.mark.slow
def test_code_of_ones_own_needs_to_be_trusted() -> None:
    Path("my_views.py").write_text(
        "from sslkit.views import SimCLRViews\n"
        "class MyViews(SimCLRViews):\n"
        "    def __init__(self, *, size: int = 28) -> None:\n"
        "        super().__init__(size=size)\n"
    )
    changes = {f"{ARGS}.views": {"class_path": "my_views.MyViews"}}
    command = [sys.executable, "-m", "sslkit", "recipe", "check", changed("quickstart", changes)]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "add --trust my_views" in " ".join(refused.stdout.split())
    trusted = subprocess.run([*command, "--trust", "my_views"], capture_output=True, text=True)
    assert trusted.returncode == 0, trusted.stdout + trusted.stderr
