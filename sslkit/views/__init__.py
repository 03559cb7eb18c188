"""Views: batched augmentations on the device, every image with its own draw, draw before apply."""

from sslkit.views.blur import GaussianBlur
from sslkit.views.byol import BYOLViews
from sslkit.views.crop import RandomResizedCrop
from sslkit.views.flip import HorizontalFlip
from sslkit.views.from_module import FromModule
from sslkit.views.grayscale import RandomGrayscale
from sslkit.views.jitter import ColorJitter
from sslkit.views.moco import MoCoV1Views, MoCoV2Views
from sslkit.views.multi_crop import MultiCropViews
from sslkit.views.operation import Operation
from sslkit.views.posterize import Posterize
from sslkit.views.recorded import read_draws, write_draws
from sslkit.views.simclr import SimCLRViews
from sslkit.views.solarize import Solarize
from sslkit.views.view import View
from sslkit.views.views import Views
from sslkit.views.weak import WeakViews
from sslkit.views.wmse import WMSEViews

__all__ = [
    "BYOLViews",
    "ColorJitter",
    "FromModule",
    "GaussianBlur",
    "HorizontalFlip",
    "MoCoV1Views",
    "MoCoV2Views",
    "MultiCropViews",
    "Operation",
    "Posterize",
    "RandomGrayscale",
    "RandomResizedCrop",
    "SimCLRViews",
    "Solarize",
    "View",
    "Views",
    "WMSEViews",
    "WeakViews",
    "read_draws",
    "write_draws",
]
