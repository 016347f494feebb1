"""h2spec's JUnit report, as cases. h2spec numbers its cases by their place in a section; so do we."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Case", "Unreadable", "parse", "read"]


class Unreadable(Exception):
    """The report is missing or no JUnit."""


@dataclass(frozen=True, slots=True)
class Case:
    """One case: `id` is suite, section and number ("http2/5.1.1/2"), `verdict` passed, failed or skipped."""

    id: str
    section: str
    title: str
    verdict: str
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether it passed."""
        return self.verdict == "passed"


def parse(text: str) -> list[Case]:
    """Read a report."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise Unreadable(f"not a JUnit report: {error}") from error
    cases = []
    for suite in root.iter("testsuite"):
        for number, case in enumerate(suite.findall("testcase"), 1):
            cases.append(_case(suite, case, number))
    return cases


def _case(suite: ET.Element, case: ET.Element, number: int) -> Case:
    package = case.get("package") or suite.get("package") or "?"
    verdict, detail = "passed", ""
    for tag, name in (("failure", "failed"), ("error", "failed"), ("skipped", "skipped")):
        found = case.find(tag)
        if found is not None:
            verdict, detail = name, " ".join((found.text or found.get("message") or "").split())
            break
    return Case(f"{package}/{number}", suite.get("name", ""), case.get("classname", ""), verdict, detail)


def read(path: Path) -> list[Case]:
    """Read a report from a file."""
    if not path.exists():
        raise Unreadable("h2spec wrote no report")
    return parse(path.read_text(encoding="utf-8"))
