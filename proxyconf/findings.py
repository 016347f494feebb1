"""What is said about a site file: how severe, at which path, and where in the text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import NamedTuple

__all__ = ["Finding", "Level", "Path", "Place", "SiteError", "nearest", "shown"]

Path = tuple[str | int, ...]
"""Keys and indexes from the top of the file: `("sites", 0, "hostnames")`."""


class Place(NamedTuple):
    """A place in the text, counted from 1."""

    line: int
    column: int


class Level(StrEnum):
    """How severe a finding is, worst first."""

    ERROR = "error"  # the file is wrong
    REFUSED = "refused"  # the file is right, this target cannot do it
    WARNING = "warning"  # rendered, but look at it
    NOTE = "note"  # worth knowing


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing said; `place` wins over `path`, `key` points at the key and not at its value."""

    level: Level
    path: Path
    message: str
    place: Place | None = None
    key: bool = False


class SiteError(Exception):
    """The site file cannot be used; it carries everything that is wrong, not the first thing."""

    def __init__(self, name: str, findings: Iterable[Finding], find: Callable[[Finding], Place]) -> None:
        """Keep the findings in the order of the text, each with its place."""
        placed = {(find(finding), finding.message): finding for finding in findings}
        self.findings = tuple(finding for _, finding in sorted(placed.items(), key=lambda item: item[0]))
        self.lines = tuple(f"{name}:{place.line}:{place.column}: {message}" for place, message in sorted(placed))
        super().__init__("\n".join(self.lines))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?", or what is known when nothing is near."""
    names = sorted(known)
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean '{near[0]}'?"
    return f"; known here: {', '.join(names)}" if names else ""


def shown(text: str, longest: int = 60) -> str:
    """Quote a user's text for a one-line message: nothing unprintable, not too long."""
    cut = text if len(text) <= longest else text[: longest - 3] + "..."
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut) + "'"
