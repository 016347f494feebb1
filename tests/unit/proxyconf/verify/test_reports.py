"""The four reports of the same results: text, ConformanceReport, JUnit, HTML."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from html.parser import HTMLParser
from xml.etree import ElementTree

from proxyconf.verify.edge.link import Edge
from proxyconf.verify.outcome import Report, Result, Verdict
from proxyconf.verify.probes.catalogue import PROBES
from proxyconf.verify.report.conformance import conformance_text
from proxyconf.verify.report.html import html_text
from proxyconf.verify.report.junit import junit_text
from proxyconf.verify.report.text import TextReport
from proxyconf.verify.subject import Feature, Subject

HOSTILE = "<script>alert('\x00\x1b[31m')</script>&\ud83d"
PROBE = {probe.id: probe for probe in PROBES}
SUBJECT = Subject("caddy", "2.11.7", Edge("shop.test", 443), frozenset({Feature.TLS, Feature.HTTP2, Feature.ORIGIN}))
RESULTS = (
    Result(PROBE["edge-http2"], Verdict.PASSED, "ALPN h2", (), {"alpn": "h2"}, 0.25),
    Result(PROBE["spoofing"], Verdict.FAILED, HOSTILE, ("x-real-ip came through",), {"h1": {"x-real-ip": ["1"]}}, 0.5),
    Result(PROBE["early-hints"], Verdict.SKIPPED, "caddy cannot"),
)


def report(*results: Result) -> Report:
    return Report(SUBJECT, "probe origin", datetime(2026, 11, 25, 12, tzinfo=UTC), results or RESULTS)


def test_the_conformance_report_has_gateway_apis_shape() -> None:
    said = json.loads(conformance_text(report()))
    assert (said["kind"], said["date"]) == ("ConformanceReport", "2026-11-25T12:00:00+00:00")
    assert said["implementation"] == {"organization": "", "project": "caddy", "version": "2.11.7", "url": "", "contact": []}
    (profile,) = said["profiles"]
    assert profile["core"] == {
        "result": "failure", "statistics": {"Passed": 1, "Failed": 1, "Skipped": 0}, "failedTests": ["spoofing"],
    }  # fmt: skip
    assert profile["extended"] == {
        "result": "partial", "statistics": {"Passed": 0, "Failed": 0, "Skipped": 1}, "skippedTests": ["early-hints"],
        "supportedFeatures": ["http2", "tls"], "unsupportedFeatures": ["early-hints", "forwarded"],
    }  # fmt: skip
    assert profile["summary"] == "Core tests failed with 1 test failures. Extended tests partially succeeded with 1 test skips."
    assert [test["result"] for test in said["tests"]] == ["Passed", "Failed", "Skipped"]
    assert said["tests"][1]["wrong"] == ["x-real-ip came through"]
    assert said["tests"][2]["reason"] == "caddy cannot"


def test_junit_has_a_suite_for_each_subject_and_stays_xml_whatever_was_observed() -> None:
    root = ElementTree.fromstring(junit_text([report(), report(RESULTS[0])]).encode("utf-8", "replace"))
    first, second = root.findall("testsuite")
    assert (first.get("tests"), first.get("failures"), first.get("skipped")) == ("3", "1", "1")
    assert (second.get("tests"), second.get("failures")) == ("1", "0")
    failure = first.find("testcase[@name='spoofing']/failure")
    assert failure is not None
    assert failure.get("message") == "x-real-ip came through"
    skipped = first.find("testcase[@name='early-hints']/skipped")
    assert skipped is not None
    assert skipped.get("message") == "caddy cannot"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_is_self_contained_and_escapes_what_was_observed() -> None:
    page = html_text([report(), report(RESULTS[0])])
    tags = Tags()
    tags.feed(page)
    assert tags.links == []
    assert "@import" not in page
    assert tags.found.count("script") == 1
    assert "&lt;script&gt;alert(" in page
    assert page.count('class="failed"') == 1
    assert page.count('class="absent"') == 2  # the second subject was tried on one probe only
    assert page.count("<tr") == 1 + len(RESULTS)


def test_the_table_shows_what_was_observed_and_what_is_wrong_with_it() -> None:
    out = io.StringIO()
    text = TextReport(out)
    text.done(RESULTS[0])
    text.done(RESULTS[2])
    text.table(report())
    lines = out.getvalue().splitlines()
    assert lines[0] == "  ok   HTTP/2 at the edge (0.2 s)"
    assert lines[1] == "  skip 103 seen by the client"
    assert any(line.startswith("  FAIL") and line.endswith("; x-real-ip came through") for line in lines)
    assert lines[-1] == "caddy 2.11.7: 1 passed, 1 failed, 1 skipped."
    assert "\033" not in out.getvalue(), "what a peer sent may not steer the terminal"
