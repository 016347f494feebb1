"""The command line: what verbs return, printed, and an exit code."""

from proxyconf.cli.main import main

__all__ = ["main"]
