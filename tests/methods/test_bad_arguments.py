import pytest
from tiny import METHODS, images, trainer
from torch.utils.data import DataLoader

from sslkit.methods import WMSE, MoCoV3, TriBYOL
from sslkit.nn import Encoder
from sslkit.views import SimCLRViews, WMSEViews


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("SimCLR", {"temperature": -1.0}, "temperature.*-1"),
        ("DCL", {"temperature": 0.0}, "temperature.*0"),
        ("DCL", {"projector_layers": 0}, "projector_layers must be at least 1, got 0"),
        ("DCLW", {"sigma": 0.0}, "sigma.*0"),
        ("DebiasedSimCLR", {"tau_plus": 1.0}, r"tau_plus.*1"),
        ("DebiasedSimCLR", {"beta": -1.0}, "beta.*-1"),
        ("MoCo", {"momentum": 1.5}, "momentum must be between 0 and 1, got 1.5"),
        ("MoCo", {"queue_size": 0}, "size=0"),
        ("MoCo", {"bn_splits": 0}, "splits must be at least 1, got 0"),
        ("MoCo", {"sigma": 0.5}, "decoupled=True"),
        ("MoCo", {"projector_layers": 0}, "projector_layers must be at least 1, got 0"),
        ("MoCoV3", {"freeze_patches": True}, "resnet18 has none"),
        ("MoCoV3", {"temperature": 0.0}, "temperature"),
        ("BYOL", {"base_lr": 0.0}, "base_lr must be above 0"),
        ("BYOL", {"momentum": -0.1}, "momentum must be between 0 and 1, got -0.1"),
        ("BYOL", {"norm": "group", "hidden_dim": 20}, "16 groups.*20"),
        ("BarlowTwins", {"off_diagonal_weight": -1.0}, "off_diagonal_weight.*-1"),
        ("BarlowTwins", {"grad_scale": "half"}, "grad_scale.*half"),
        ("BarlowTwins", {"bias_lr_ratio": 0.0}, "bias_lr_ratio must be above 0, got 0"),
        ("BarlowTwins", {"exclude_bias_and_norm": False}, "bias_lr_ratio=0.024 needs"),
        ("WMSE", {"output_dim": 8}, "slice_size must be above output_dim=8, got 8"),
        ("WMSE", {"distance": "manhattan"}, "distance.*manhattan"),
        ("WMSE", {"views": WMSEViews(views=1, size=16)}, "views must be at least 2, got 1"),
        ("NNCLR", {"queue_size": 0}, "size=0"),
        ("TriBYOL", {"target_update": "never"}, "target_update.*never"),
        ("CCSL", {"theta_negative": 0.9}, "theta"),
        ("CSSL", {"temperature": 0.0}, "temperature"),
        ("DualViewMoCo", {"hardest": 13}, "hardest must lie between 1 and queue_size=12, got 13"),
    ],
)
def test_refused(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        METHODS[name](**arguments)


def test_split_statistics_need_batch_normalisation():
    with pytest.raises(ValueError, match="needs a backbone with batch normalisation"):
        METHODS["MoCo"](encoder=Encoder("vit_tiny_patch16_224", image_size=16), bn_splits=2)


def test_too_few_views_are_refused_in_the_first_step(tmp_path):
    method = METHODS["TriBYOL"](views=SimCLRViews(size=16, blur=False))
    with pytest.raises(ValueError, match="needs 3 views of each image and the batch has 2"):
        trainer(tmp_path).fit(method, DataLoader(images(8), batch_size=8))
    assert isinstance(method, TriBYOL)


def test_slices_that_do_not_fill_the_batch_are_refused(tmp_path):
    method = METHODS["WMSE"]()
    with pytest.raises(ValueError, match="slice"):
        trainer(tmp_path).fit(method, DataLoader(images(12), batch_size=12))


def test_whitening_compares_as_many_views_as_there_are(tmp_path):
    method = METHODS["WMSE"](views=WMSEViews(views=4, size=16))
    assert isinstance(method, WMSE)
    assert method.objective.routes.online == (0, 1, 2, 3)
    trainer(tmp_path).fit(method, DataLoader(images(16), batch_size=16))


def test_a_transformers_patches_may_be_frozen(tmp_path):
    vit = Encoder("vit_tiny_patch16_224", options={"depth": 1, "patch_size": 4})
    method = METHODS["MoCoV3"](encoder=vit, freeze_patches=True, projector_layers=3)
    assert isinstance(method, MoCoV3)
    trainer(tmp_path).fit(method, DataLoader(images(8), batch_size=8))
    # Built anew for the views' 16 px, it stays frozen, and its target has the same size.
    assert vit.image_size == 16
    gradients = {n: p.grad for n, p in vit.backbone.named_parameters()}
    assert gradients["patch_embed.proj.weight"] is None
    assert gradients["blocks.0.mlp.fc1.weight"] is not None
    target = method.momentum_branches[0].layers[0].backbone
    assert target.pos_embed.shape == vit.backbone.pos_embed.shape


def test_biases_of_barlow_twins_have_a_rate_of_their_own(tmp_path, caplog):
    fit = trainer(tmp_path)
    with caplog.at_level("INFO"):
        fit.fit(METHODS["BarlowTwins"](), DataLoader(images(16), batch_size=16))
    weights, biases = fit.optimizers[0].param_groups
    assert weights["lr"] == pytest.approx(0.2 * 16 / 256)
    assert biases["lr"] == pytest.approx(0.0048 * 16 / 256)
    assert all(p.ndim <= 1 for p in biases["params"])
    assert "0.024 x the learning rate on the others" in caplog.text
