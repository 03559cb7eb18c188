"""Weights & Biases where nobody is logged in: on disk, for later."""

import netrc
import os
from urllib.parse import urlparse


def offline_without_login() -> None:
    """Let Weights & Biases write to disk where nobody is logged in, instead of failing."""
    if "WANDB_MODE" in os.environ or "WANDB_API_KEY" in os.environ:
        return
    host = urlparse(os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai")).hostname
    try:
        logged_in = netrc.netrc().authenticators(host or "") is not None
    except (OSError, netrc.NetrcParseError):
        logged_in = False
    if not logged_in:
        os.environ["WANDB_MODE"] = "offline"
