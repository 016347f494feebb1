"""`python -m appserver`: the same as the command `appserver`."""

from __future__ import annotations

import sys

from appserver.cli import main

if __name__ == "__main__":
    sys.exit(main())
