"""Exit codes, and how results and complaints are printed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import suppress

from proxyconf.document.findings import Finding, Level
from proxyconf.output.files import FileError
from proxyconf.spec.read import SiteFile

__all__ = [
    "BROKEN", "FINDINGS", "INTERRUPTED", "MISSING", "OK", "REFUSED", "UNVERIFIED", "USAGE", "Stop", "complain", "show",
    "show_findings", "verdict",
]  # fmt: skip

OK, FINDINGS, USAGE, REFUSED, UNVERIFIED, MISSING, BROKEN = range(7)
INTERRUPTED = 130


class Stop(Exception):
    """The command ends here, with this exit code and these lines on stderr."""

    def __init__(self, code: int, *lines: str) -> None:
        """Keep both."""
        super().__init__("\n".join(lines))
        self.code, self.lines = code, lines


def show(*texts: str) -> None:
    """Print results on stdout. Raises FileError."""
    if sys.stdout is None:
        raise FileError("stdout: cannot be written: it is closed")
    try:
        for text in texts:
            sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        with suppress(OSError):
            sys.stdout.close()  # what is left in it is not tried again at exit
        raise FileError(f"stdout: cannot be written: {error.strerror}") from error


def complain(*lines: str) -> None:
    """Print lines on stderr; where nobody can hear them the exit code speaks alone."""
    if sys.stderr is None:
        return
    try:
        for line in lines:
            sys.stderr.write(f"{line}\n")
        sys.stderr.flush()
    except OSError:
        with suppress(OSError):
            sys.stderr.close()


def show_findings(file: SiteFile, findings: Iterable[Finding]) -> None:
    """Print findings on stderr, each with its place."""
    complain(*file.lines(findings))


def verdict(findings: Iterable[Finding]) -> int:
    """Return the exit code that findings come to."""
    codes = {Level.ERROR: USAGE, Level.REFUSED: REFUSED, Level.WARNING: FINDINGS, Level.NOTE: OK}
    levels = {finding.level for finding in findings}
    return next((codes[level] for level in Level if level in levels), OK)
