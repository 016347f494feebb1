"""`python -m appserver`: the same as the command `appserver`."""

from __future__ import annotations

from appserver.cli import command

if __name__ == "__main__":
    command()
