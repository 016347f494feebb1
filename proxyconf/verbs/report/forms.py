"""The page as text, as JSON, as one self-contained HTML file, as JUnit."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any
from xml.sax.saxutils import quoteattr

from jinja2 import Environment, PackageLoader, StrictUndefined

from proxyconf import __version__
from proxyconf.verbs.report.summary import Cell, Said, Summary, TargetSummary
from proxyconf.verbs.report.verified import Test

__all__ = ["FORMS"]


def _text(report: Summary) -> str:
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Summary) -> Iterator[str]:
    yield f"{report.file} (sha256 {report.digest})"
    yield f"Host names: {', '.join(report.hostnames)}"
    yield from _block("Findings about the file", _found(report.file, report.findings))
    for target in report.targets:
        yield from _of_target(report, target)
    titles = [target.title for target in report.targets]
    rows = [["", *titles], *([feature.id, *map(_cell, feature.cells)] for feature in report.features)]
    yield from _block("What the site needs, and since when each target has it", _table(rows))
    rows = [["upstream", "protocol", "servers", "target", "WebSocket", "103"]]
    for hop in report.hops:
        for at, title in enumerate(titles):
            rows.append([hop.upstream, hop.protocol, ", ".join(hop.servers), title, hop.websocket[at], hop.early_hints[at]])
    yield from _block("The hop", _table(rows))
    if report.server is not None:
        yield from _of_target(report, report.server)
    yield from _block("The application has to be told", [line.rstrip() for line in report.application])


def _of_target(report: Summary, target: TargetSummary) -> Iterator[str]:
    head = "refused" if target.refused else ", ".join(target.files) or "nothing to write"
    yield from ("", f"== {target.title}: {head}")
    yield from (f"   goes without {words}" for words in target.degraded)
    yield from (f"   {line}" for line in _found(report.file, target.findings))
    for one in target.verified:
        yield (
            f"   verified {one.date} with {one.proxy} {one.version}: {one.count('Passed')} passed, {one.count('Failed')} failed,"
            f" {one.count('Skipped')} skipped"
        )
        yield from (f"   FAILED {test.name}: {test.observed}" for test in one.failed)


def _found(file: str, findings: Sequence[Said]) -> list[str]:
    return [f"{file}:{one.line}:{one.column}: {one.rule} {one.level}: {one.message}" for one in findings]


def _block(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield from ("", f"== {title}")
        yield from (f"   {line}" for line in lines)


def _cell(cell: Cell) -> str:
    if cell.can:
        return cell.since
    needs = f" (needs {cell.since})" if cell.since else ""
    return ("goes without" if cell.without else "CANNOT") + needs


def _table(rows: list[list[str]]) -> list[str]:
    if len(rows) < 2:
        return []
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _json(report: Summary) -> str:
    data: dict[str, Any] = {"proxyconf": __version__, **asdict(report)}
    data["levels"] = sorted(level.value for level in report.levels)
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _html(report: Summary) -> str:
    """Return the page. Every text is escaped: it may come from anywhere."""
    environment = Environment(
        loader=PackageLoader("proxyconf.verbs.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    return environment.get_template("page.html.j2").render(report=report, cell=_cell, version=__version__)


def _junit(report: Summary) -> str:
    """Return one suite per target: a case per feature that the site needs, and per probe that was run."""
    suites = []
    for at, target in enumerate(report.targets):
        cases = [_needed(one.id, one.cells[at]) for one in report.features]
        refused = [one for one in target.findings if one.level in ("error", "refused")]
        cases += [_case("check", f"{one.rule} {one.line}:{one.column}", one.message) for one in refused]
        cases += [_tested(test) for one in target.verified for test in one.tests]
        failures, skipped = sum("<failure" in case for case in cases), sum("<skipped" in case for case in cases)
        head = f"<testsuite name={quoteattr(target.title)} tests=\"{len(cases)}\" failures=\"{failures}\" skipped=\"{skipped}\">"
        suites.append(f"{head}\n{''.join(cases)}</testsuite>\n")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="proxyconf report">\n{"".join(suites)}</testsuites>\n'


def _needed(name: str, cell: Cell) -> str:
    return _case("needs", name, "" if cell.can or cell.without else _cell(cell))


def _tested(test: Test) -> str:
    failure, skipped = ((test.observed or word) if test.result == word else "" for word in ("Failed", "Skipped"))
    return _case("verify", test.name, failure, skipped=skipped or None)


def _case(group: str, name: str, failure: str, *, skipped: str | None = None) -> str:
    head = f"  <testcase classname={quoteattr(group)} name={quoteattr(name)}"
    if failure:
        return f"{head}><failure message={quoteattr(failure)}/></testcase>\n"
    return f"{head}/>\n" if skipped is None else f"{head}><skipped message={quoteattr(skipped)}/></testcase>\n"


FORMS: dict[str, Callable[[Summary], str]] = {"text": _text, "json": _json, "html": _html, "junit": _junit}
