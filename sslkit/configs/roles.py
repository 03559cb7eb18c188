"""What a config may name: roles, not packages.

Whole packages are no boundary: ``torchvision.datasets.DatasetFolder`` with
``torch.ops.load_library`` as its loader would run native code. A class below may still have an
argument that takes a callable (``ImageNet(loader=...)``); that is safe because the callable must be
on the list too, and functions come from sslkit only. Left out are classes whose whole purpose is to
run a given callable, and abstract ones, whose inherited methods would come along.
"""

from collections.abc import Iterator
from functools import cache

from sslkit.configs.exports import public_names

_TORCH = ("torch.nn", "torch.optim", "torch.optim.lr_scheduler")
_NOT_A_PART = frozenset({"Module", "Container", "DataParallel", "Optimizer", "LRScheduler"})

# Of the package pytorch_lightning only: `lightning.pytorch` has copies of these classes, which the
# parser rejects because they do not inherit from those that sslkit builds on.
_LIGHTNING = {
    "callbacks": """
        BatchSizeFinder DeviceStatsMonitor EarlyStopping EMAWeightAveraging
        GradientAccumulationScheduler LearningRateFinder LearningRateMonitor ModelCheckpoint
        ModelSummary OnExceptionCheckpoint RichModelSummary RichProgressBar
        StochasticWeightAveraging Timer TQDMProgressBar WeightAveraging
    """,
    "loggers": "CometLogger CSVLogger MLFlowLogger TensorBoardLogger WandbLogger",
    "strategies": "DDPStrategy FSDPStrategy ModelParallelStrategy SingleDeviceStrategy",
    "profilers": "AdvancedProfiler PassThroughProfiler PyTorchProfiler SimpleProfiler",
    # The type of RichProgressBar's theme.
    "callbacks.progress.rich_progress": "RichProgressBarTheme",
}

# The parser names the classes of plain records too, when it reads one.
_RECORDS = ("sslkit.card", "Card Figure")

# Image classification sets, without the generic folders (a loader for any file), VisionDataset
# (abstract) and LSUN (unpickles a cache from the working directory). Nor are there those that
# unpack what they have not checked, as an archive may write outside its folder: FGVCAircraft (no
# checksum), Caltech101 and EMNIST (whatever archives they find beside their own).
_DATASETS = """
    Caltech256 CelebA CIFAR10 CIFAR100 Country211 DTD EuroSAT FakeData FashionMNIST FER2013
    Flowers102 Food101 GTSRB ImageNet Imagenette INaturalist KMNIST LFWPeople MNIST Omniglot
    OxfordIIITPet PCAM Places365 QMNIST RenderedSST2 SEMEION StanfordCars STL10 SUN397 SVHN USPS
"""

_TRANSFORMS = """
    AugMix AutoAugment CenterCrop ColorJitter Compose ConvertImageDtype ElasticTransform FiveCrop
    GaussianBlur Grayscale LinearTransformation Normalize Pad PILToTensor RandAugment
    RandomAdjustSharpness RandomAffine RandomApply RandomAutocontrast RandomChoice RandomCrop
    RandomEqualize RandomErasing RandomGrayscale RandomHorizontalFlip RandomInvert RandomOrder
    RandomPerspective RandomPosterize RandomResizedCrop RandomRotation RandomSolarize
    RandomVerticalFlip Resize TenCrop ToPILImage ToTensor TrivialAugmentWide
"""
_TRANSFORMS_V2 = f"""
    {_TRANSFORMS} GaussianNoise Identity JPEG RandomChannelPermutation RandomPhotometricDistort
    RandomResize RandomShortestSize RGB ScaleJitter ToDtype ToImage ToPureTensor
"""

# Of kornia, what augments images of two dimensions by itself: neither those that need labels or
# other tensors, nor RandomDissolving, which fetches a network.
_AUGMENTATIONS = """
    ColorJiggle ColorJitter RandomAffine RandomAutoContrast RandomBoxBlur RandomBrightness
    RandomChannelDropout RandomChannelShuffle RandomClahe RandomContrast RandomElasticTransform
    RandomEqualize RandomErasing RandomGamma RandomGaussianBlur RandomGaussianIllumination
    RandomGaussianNoise RandomGrayscale RandomHorizontalFlip RandomHue RandomInvert RandomJPEG
    RandomLinearCornerIllumination RandomLinearIllumination RandomMedianBlur RandomMotionBlur
    RandomPerspective RandomPlanckianJitter RandomPlasmaBrightness RandomPlasmaContrast
    RandomPlasmaShadow RandomPosterize RandomRGBShift RandomRain RandomRotation RandomRotation90
    RandomSaltAndPepperNoise RandomSaturation RandomSharpness RandomShear RandomSnow RandomSolarize
    RandomThinPlateSpline RandomTranslate RandomVerticalFlip
"""


@cache
def allowed_paths() -> dict[str, str]:
    """Every import path that a config may name, and where that object is defined.

    Read from the sources of the installed packages; nothing is imported.

    Returns:
        ``{"torch.optim.SGD": "torch.optim.sgd.SGD", ...}``.
    """
    return dict(_paths())


def _paths() -> Iterator[tuple[str, str]]:
    # The parts of the toolkit. What judges configs and runs commands is not among them.
    for part in public_names("sslkit"):
        for name, defined in public_names(f"sslkit.{part}").items():
            yield f"sslkit.{part}.{name}", defined
    yield from _named(*_RECORDS)
    for module in _TORCH:
        for name, defined in public_names(module).items():
            if name[0].isupper() and name not in _NOT_A_PART:
                yield f"{module}.{name}", defined
    for role, names in _LIGHTNING.items():
        yield from _named(f"pytorch_lightning.{role}", names)
    yield from _named("torchvision.datasets", _DATASETS)
    yield from _named("torchvision.transforms", _TRANSFORMS)
    yield from _named("torchvision.transforms.v2", _TRANSFORMS_V2)
    yield from _named("kornia.augmentation", _AUGMENTATIONS)


def _named(module: str, names: str) -> Iterator[tuple[str, str]]:
    installed = public_names(module)
    for name in names.split():
        yield f"{module}.{name}", installed.get(name, f"{module}.{name}")
