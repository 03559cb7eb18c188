"""An argument parser whose errors are exceptions, so that all of the command line's look alike."""

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Raises instead of printing its usage and leaving."""

    def error(self, message: str) -> NoReturn:
        """Raise the message with a hint where to read on.

        Raises:
            ValueError: Always.
        """
        raise ValueError(f"{message} (see `{self.prog} --help`)")
