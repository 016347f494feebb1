"""The waivers: cases that are known to fail, each with its reason, and the comparison with what failed."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from h2spec.junit import Case

__all__ = ["BadWaiver", "Comparison", "Waiver", "compare", "load"]

KEYS = {"case", "engines", "rfc9113", "reason", "nghttp2"}
CASES = 146


class BadWaiver(Exception):
    """waivers.toml says something that is not understood."""


@dataclass(frozen=True, slots=True)
class Waiver:
    """A case that fails on these engines; `nghttp2` bounds the library's version, both ends included."""

    case: str
    engines: tuple[str, ...]
    rfc9113: str
    reason: str
    nghttp2: tuple[str, str] = ("", "")

    def applies(self, engine: str, nghttp2: str) -> bool:
        """Whether the case is to fail there."""
        if engine not in self.engines:
            return False
        oldest, newest = self.nghttp2
        if not nghttp2 or engine != "kernel":
            return True
        version = _numbers(nghttp2)
        return (not oldest or version >= _numbers(oldest)) and (not newest or version <= _numbers(newest))


@dataclass(frozen=True, slots=True)
class Comparison:
    """What does not agree with the waivers."""

    unwaived: tuple[Case, ...]
    """Failed or skipped, and nothing allows it."""
    stale: tuple[Waiver, ...]
    """Waived, but passed or no longer there."""
    count: int

    @property
    def complaints(self) -> list[str]:
        """Return one line for each disagreement."""
        lines = [f"{case.id} {case.verdict}, without a waiver: {case.title}" for case in self.unwaived]
        lines += [f"{waiver.case} is waived and did not fail: remove the waiver" for waiver in self.stale]
        if self.count != CASES:
            lines.append(f"{self.count} cases were run, not {CASES}")
        return lines


def _numbers(version: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError as error:
        raise BadWaiver(f"{version!r} is no version") from error


def load(path: Path) -> list[Waiver]:
    """Read waivers.toml."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        waivers = [_waiver(row) for row in document.pop("waiver", [])]
    except (tomllib.TOMLDecodeError, BadWaiver) as error:
        raise BadWaiver(f"{path.name}: {error}") from error
    if document:
        raise BadWaiver(f"{path.name}: unknown {', '.join(sorted(document))}")
    return waivers


def _waiver(row: dict[str, Any]) -> Waiver:
    name = row.get("case", "?")
    if set(row) - KEYS:
        raise BadWaiver(f"{name}: unknown {', '.join(sorted(set(row) - KEYS))}")
    lacking = [key for key in ("case", "engines", "rfc9113", "reason") if not row.get(key)]
    if lacking:
        raise BadWaiver(f"{name}: {', '.join(lacking)} is missing")
    oldest, _, newest = row.get("nghttp2", "-").partition("-")
    for bound in (oldest, newest):
        if bound:
            _numbers(bound)
    return Waiver(name, tuple(row["engines"]), row["rfc9113"], " ".join(row["reason"].split()), (oldest, newest))


def compare(cases: Sequence[Case], waivers: Sequence[Waiver], engine: str, nghttp2: str = "") -> Comparison:
    """Compare what failed with what is allowed to."""
    allowed = {waiver.case: waiver for waiver in waivers if waiver.applies(engine, nghttp2)}
    failed = {case.id for case in cases if not case.ok}
    return Comparison(
        unwaived=tuple(case for case in cases if not case.ok and case.id not in allowed),
        stale=tuple(waiver for name, waiver in allowed.items() if name not in failed),
        count=len(cases),
    )
