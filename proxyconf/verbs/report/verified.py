"""What `proxyconf verify -o FOLDER` has left: its reports, read again."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proxyconf.output.files import FileError, read

__all__ = ["Test", "Verified", "verified"]


@dataclass(frozen=True, slots=True)
class Test:
    """One probe and what came of it."""

    name: str
    title: str
    result: str
    observed: str


@dataclass(frozen=True, slots=True)
class Verified:
    """One report of one proxy."""

    proxy: str
    version: str
    date: str
    summary: str
    tests: tuple[Test, ...]

    @property
    def failed(self) -> tuple[Test, ...]:
        """What failed."""
        return tuple(test for test in self.tests if test.result == "Failed")

    def count(self, result: str) -> int:
        """How many had a result: Passed, Failed or Skipped."""
        return sum(test.result == result for test in self.tests)


def verified(paths: Iterable[Path]) -> tuple[Verified, ...]:
    """Read reports; of a folder, all that are in it. Raises FileError."""
    found = []
    for path in paths:
        files = sorted(path.glob("*.json")) if path.is_dir() else [path]
        if not files:
            raise FileError(f"{path}: there is no report in it; proxyconf verify -o {path} writes one")
        found += [_report(file) for file in files]
    return tuple(found)


def _report(path: Path) -> Verified:
    try:
        data: Any = json.loads(read(path))
        if data["kind"] != "ConformanceReport":
            raise ValueError(data["kind"])
        tests = tuple(_test(one) for one in data["tests"])
        made = data["implementation"]
        words = "; ".join(str(profile["summary"]) for profile in data["profiles"])
        project, version, date = (_printable(str(text)) for text in (made["project"], made["version"], data["date"]))
        return Verified(project, version, date, _printable(words), tests)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{path}: is no report of 'proxyconf verify'") from error


def _test(given: dict[str, Any]) -> Test:
    words = [str(given.get("observed") or given.get("reason") or ""), *map(str, given.get("wrong", ()))]
    observed = "; ".join(word for word in words if word)
    return Test(*(_printable(text) for text in (str(given["name"]), str(given["title"]), str(given["result"]), observed)))


def _printable(text: str) -> str:
    """Return a text without what a peer may have put into it to disturb a terminal, XML or UTF-8."""
    return "".join(char if char.isprintable() else "?" for char in text)
