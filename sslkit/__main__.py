"""``python -m sslkit``."""

import sys

from sslkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
