"""What is said about a site file: which rule, at which path, and where in the text."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import NamedTuple

from proxyconf.document.rules import Level, Rule

__all__ = ["Finding", "Level", "Path", "Place", "Rule", "SiteError", "line", "nearest", "shown"]

Path = tuple[str | int, ...]
"""Keys and indexes from the top of the file: `("sites", 0, "hostnames")`."""


class Place(NamedTuple):
    """A place in the text, counted from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing said; `place` wins over `path`, `key` points at the key and not at its value."""

    rule: Rule
    path: Path
    message: str
    place: Place | None = None
    key: bool = False

    @property
    def level(self) -> Level:
        """How severe it is."""
        return self.rule.level


def line(name: str, place: Place, finding: Finding) -> str:
    """Return a finding as one line; notes and warnings say that they are no more than that."""
    kind = f"{finding.level.value}: " if finding.level in (Level.NOTE, Level.WARNING) else ""
    return f"{name}:{place.line}:{place.column}: {finding.rule.id} {kind}{finding.message}"


class SiteError(Exception):
    """The site file cannot be used; it carries everything that is wrong, not the first thing."""

    def __init__(self, name: str, findings: Iterable[Finding], find: Callable[[Finding], Place]) -> None:
        """Keep the findings in the order of the text, each with its place."""
        placed = {(find(finding), finding.message): finding for finding in findings}
        ordered = sorted(placed.items(), key=lambda item: item[0])
        self.placed = tuple((place, finding) for (place, _), finding in ordered)
        self.findings = tuple(finding for _, finding in ordered)
        self.lines = tuple(line(name, place, finding) for (place, _), finding in ordered)
        super().__init__("\n".join(self.lines))


def nearest(word: str, known: Iterable[str]) -> str:
    """Return "; did you mean 'x'?", or what is known when nothing is near."""
    names = sorted(known)
    near = get_close_matches(word, names, n=1, cutoff=0.6)
    if near and near[0] != word:
        return f"; did you mean '{near[0]}'?"
    return f"; known here: {', '.join(names)}" if names else ""


def shown(text: str, longest: int = 60) -> str:
    """Quote a user's text for a one-line message: nothing unprintable, not too long."""
    cut = text if len(text) <= longest else text[: longest - 3] + "..."
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in cut) + "'"
