"""One self-contained page: the grid of probes and subjects, each cell with what was observed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from proxyconf import __version__
from proxyconf.verify.outcome import Report, Result, Verdict
from proxyconf.verify.probes.probe import Probe

__all__ = ["html_text"]

MARKS = {Verdict.PASSED: "✓", Verdict.FAILED: "✗", Verdict.SKIPPED: "·"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One probe on one subject."""

    subject: str
    kind: str
    mark: str
    observed: str
    wrong: tuple[str, ...]
    facts: str


@dataclass(frozen=True, slots=True)
class Row:
    """One probe on all subjects."""

    probe: Probe
    cells: tuple[Cell, ...]


def html_text(reports: Sequence[Report]) -> str:
    """Return the page. Every text is escaped: it may come from a peer."""
    environment = Environment(
        loader=PackageLoader("proxyconf.verify.report", "."), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    columns = [(report.subject.title, report.server, {str(key): count for key, count in report.counts().items()})
               for report in reports]  # fmt: skip
    date = max(report.began for report in reports).strftime("%Y-%m-%d %H:%M UTC") if reports else ""
    template = environment.get_template("page.html.j2")
    return template.render(rows=_rows(reports), columns=columns, date=date, version=__version__)


def _rows(reports: Sequence[Report]) -> list[Row]:
    probes = {result.probe.id: result.probe for report in reports for result in report.results}
    found = [{result.probe.id: result for result in report.results} for report in reports]
    return [
        Row(probe, tuple(_cell(report, results.get(name)) for report, results in zip(reports, found, strict=True)))
        for name, probe in probes.items()
    ]


def _cell(report: Report, result: Result | None) -> Cell:
    if result is None:
        return Cell(report.subject.title, "absent", "", "not tried", (), "")
    facts = json.dumps(dict(result.facts), indent=1, ensure_ascii=False) if result.facts else ""
    kind = str(result.verdict).lower()
    return Cell(report.subject.title, kind, MARKS[result.verdict], result.observed, result.wrong, facts)
