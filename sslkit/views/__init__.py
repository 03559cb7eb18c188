"""Views: batched augmentations on the device, every image with its own draw, draw before apply."""

from sslkit.views.blur import GaussianBlur
from sslkit.views.crop import RandomResizedCrop
from sslkit.views.flip import HorizontalFlip
from sslkit.views.grayscale import RandomGrayscale
from sslkit.views.jitter import ColorJitter
from sslkit.views.operation import Operation
from sslkit.views.papers import BYOLViews, MoCoV1Views, MoCoV2Views, SimCLRViews, WMSEViews
from sslkit.views.solarize import Solarize
from sslkit.views.view import View
from sslkit.views.views import Views

__all__ = [
    "BYOLViews",
    "ColorJitter",
    "GaussianBlur",
    "HorizontalFlip",
    "MoCoV1Views",
    "MoCoV2Views",
    "Operation",
    "RandomGrayscale",
    "RandomResizedCrop",
    "SimCLRViews",
    "Solarize",
    "View",
    "Views",
    "WMSEViews",
]
