"""The progress of a long run on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TextIO

__all__ = ["Progress"]

WIDTH = 24


class Progress:
    """Counts steps up to `total` and says what is under way and how long it will take."""

    def __init__(self, total: int, out: TextIO | None = None) -> None:
        self._out = sys.stderr if out is None else out
        self._bar = self._out.isatty()
        self._total = max(total, 1)
        self._done = 0
        self._started = time.monotonic()

    def step(self, text: str) -> None:
        """Another step is done."""
        self._done = min(self._done + 1, self._total)
        if self._bar:
            self._draw(text)
        else:
            self._line(f"[{self._done}/{self._total}] {text}, {self._left()} left")

    def skip(self, steps: int) -> None:
        """So many steps will not be needed."""
        self._done = min(self._done + steps, self._total)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self._line(("\r\x1b[K" if self._bar else "") + text)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._out.write("\r\x1b[K")
            self._out.flush()

    def _left(self) -> str:
        passed = time.monotonic() - self._started
        left = round(passed / max(self._done, 1) * (self._total - self._done))
        return f"{left // 60}:{left % 60:02d}"

    def _draw(self, text: str) -> None:
        filled = WIDTH * self._done // self._total
        bar = "#" * filled + "." * (WIDTH - filled)
        line = f"[{bar}] {self._done}/{self._total} {self._left()} left  {text}"
        self._out.write("\r\x1b[K" + line[: shutil.get_terminal_size().columns - 1])
        self._out.flush()

    def _line(self, text: str) -> None:
        self._out.write(text + "\n")
        self._out.flush()
