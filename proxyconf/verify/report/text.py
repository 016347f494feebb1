"""Progress lines while the probes run, and the table at the end."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from proxyconf.verify.outcome import Report, Result, Verdict
from proxyconf.verify.probes.probe import Probe

__all__ = ["TextReport"]

GREEN, RED, YELLOW = "32", "31", "33"
MARKS = {Verdict.PASSED: ("ok  ", GREEN), Verdict.FAILED: ("FAIL", RED), Verdict.SKIPPED: ("skip", YELLOW)}


def printable(text: str) -> str:
    """Return a text in which nothing steers a terminal: a peer may have written it."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class TextReport:
    """Writes to a stream; colours and replaced lines where it is a terminal."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self.marks = dict(MARKS)
        self._terminal = self._stream.isatty()
        self._colour = self._terminal and "NO_COLOR" not in os.environ

    def write(self, text: str, end: str = "\n") -> None:
        """Write a text at once."""
        print(text, end=end, file=self._stream, flush=True)

    def _mark(self, verdict: Verdict) -> str:
        text, colour = self.marks[verdict]
        return f"\033[{colour}m{text}\033[0m" if self._colour else text

    def step(self, text: str) -> None:
        """Tell that something was done."""
        self.write(f"==> {text}")

    def trying(self, probe: Probe) -> None:
        """Tell what is being tried, where that line can be replaced by its outcome."""
        if self._terminal:
            self.write(f"  ... {probe.title}", end="")

    def done(self, result: Result) -> None:
        """Tell a verdict."""
        clear = "\r\033[K" if self._terminal else ""
        took = "" if result.verdict is Verdict.SKIPPED else f" ({result.seconds:.1f} s)"
        self.write(f"{clear}  {self._mark(result.verdict)} {result.probe.title}{took}")

    def table(self, report: Report) -> None:
        """Print what was claimed with what was observed, and the sum of it."""
        width = max((len(result.probe.title) for result in report.results), default=0)
        title = f"{report.subject.title} before {report.server}"
        self.write(f"\n        {title:<{width}}  observed")
        for result in report.results:
            self.write(f"  {self._mark(result.verdict)}  {result.probe.title:<{width}}  {printable(result.text)}")
        counts = report.counts()
        words = ", ".join(f"{counts[verdict]} {verdict.lower()}" for verdict in Verdict)
        self.write(f"\n{report.subject.title}: {words}.")
