"""Findings in the forms that other programs read."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.sax.saxutils import quoteattr

from proxyconf import __version__
from proxyconf.document.findings import Finding, Level, Place, Rule

__all__ = ["FORMATS", "MATCHER", "Placed", "github", "json_text", "junit", "sarif"]

Placed = tuple[Place, Finding]
MATCHER = Path(__file__).with_name("problem-matcher.json")
"""What lets GitHub Actions find findings in the text that `check` prints."""
_SARIF_LEVELS = {Level.ERROR: "error", Level.REFUSED: "error", Level.WARNING: "warning", Level.NOTE: "note"}
_GITHUB_LEVELS = {Level.ERROR: "error", Level.REFUSED: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def json_text(name: str, found: Sequence[Placed]) -> str:
    """Return one object with a list of findings."""
    entries = [
        {
            "rule": finding.rule.id, "level": finding.level.value, "line": place.line, "column": place.column,
            "path": list(finding.path), "message": finding.message,
        }
        for place, finding in found
    ]  # fmt: skip
    return json.dumps({"file": name, "findings": entries}, indent=2, ensure_ascii=False) + "\n"


def sarif(name: str, found: Sequence[Placed]) -> str:
    """Return a SARIF 2.1.0 log."""
    rules = [
        {"id": rule.id, "shortDescription": {"text": rule.title}, "help": {"text": rule.way_out}}
        for rule in Rule
        if any(finding.rule is rule for _, finding in found)
    ]
    results = [
        {
            "ruleId": finding.rule.id,
            "level": _SARIF_LEVELS[finding.level],
            "message": {"text": finding.message},
            "locations": [{"physicalLocation": {
                "artifactLocation": {"uri": name}, "region": {"startLine": place.line, "startColumn": place.column},
            }}],
        }
        for place, finding in found
    ]  # fmt: skip
    driver = {"name": "proxyconf", "version": __version__, "rules": rules}
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": results}],
    }
    return json.dumps(log, indent=2, ensure_ascii=False) + "\n"


def github(name: str, found: Sequence[Placed]) -> str:
    """Return workflow commands, one annotation each."""
    lines = [
        f"::{_GITHUB_LEVELS[finding.level]} file={_property(name)},line={place.line},col={place.column},"
        f"title={finding.rule.id}::{_message(finding.message)}\n"
        for place, finding in found
    ]
    return "".join(lines)


def _message(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _message(text).replace(":", "%3A").replace(",", "%2C")


def junit(name: str, found: Sequence[Placed]) -> str:
    """Return a suite with a case per finding; notes and warnings pass, what is wrong or refused fails."""
    cases = []
    for place, finding in found:
        head = f"<testcase classname={quoteattr(name)} name={quoteattr(f'{finding.rule.id} {place.line}:{place.column}')}"
        fails = finding.level in (Level.ERROR, Level.REFUSED)
        body = f"<failure type={quoteattr(finding.rule.id)} message={quoteattr(finding.message)}/></testcase>" if fails else ""
        cases.append(f"  {head}>{body}\n" if fails else f"  {head}/>\n")
    if not found:
        cases.append(f"  <testcase classname={quoteattr(name)} name=\"check\"/>\n")
    failures = sum(finding.level in (Level.ERROR, Level.REFUSED) for _, finding in found)
    head = f'<testsuite name="proxyconf check" tests="{len(cases)}" failures="{failures}">'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}\n{"".join(cases)}</testsuite>\n'


FORMATS: dict[str, Callable[[str, Sequence[Placed]], str]] = {
    "json": json_text, "sarif": sarif, "github": github, "junit": junit,
}  # fmt: skip
