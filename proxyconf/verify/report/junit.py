"""JUnit XML for CI: a suite for each subject, a case for each probe."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from proxyconf.verify.outcome import Report, Result, Verdict

__all__ = ["junit_text"]

# What XML 1.0 cannot hold; a proxy may have said anything.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_text(reports: Sequence[Report]) -> str:
    """Return the reports as one document."""
    root = ElementTree.Element("testsuites", name="proxyconf verify")
    for report in reports:
        counts = report.counts()
        suite = ElementTree.SubElement(
            root, "testsuite", name=report.subject.title, tests=str(len(report.results)), errors="0",
            failures=str(counts[Verdict.FAILED]), skipped=str(counts[Verdict.SKIPPED]),
            time=f"{sum(result.seconds for result in report.results):.3f}",
            timestamp=report.began.strftime("%Y-%m-%dT%H:%M:%S"),
        )  # fmt: skip
        for result in report.results:
            _case(suite, report, result)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite: ElementTree.Element, report: Report, result: Result) -> None:
    case = ElementTree.SubElement(
        suite, "testcase", classname=f"verify.{report.subject.title}", name=result.probe.id, time=f"{result.seconds:.3f}"
    )
    if result.verdict is Verdict.SKIPPED:
        ElementTree.SubElement(case, "skipped", message=_clean(result.observed))
    elif result.verdict is Verdict.FAILED:
        failure = ElementTree.SubElement(case, "failure", message=_clean("; ".join(result.wrong)))
        failure.text = _clean(f"{result.probe.expects}\nobserved: {result.text}")
    else:
        ElementTree.SubElement(case, "system-out").text = _clean(result.observed)


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\ufffd", text)
