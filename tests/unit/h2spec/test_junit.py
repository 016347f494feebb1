"""h2spec's JUnit report, as recorded from a run against nghttpd."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from h2spec.junit import Unreadable, parse, read

DATA = Path(__file__).parent / "data"


def test_every_case_of_a_recorded_run_is_read() -> None:
    cases = read(DATA / "nghttpd.xml")
    assert len(cases) == 146
    assert len({case.id for case in cases}) == 146
    assert (cases[0].id, cases[0].section, cases[0].verdict) == ("generic/1/1", "1. Starting HTTP/2", "passed")


def test_the_failed_case_keeps_its_number_and_what_was_seen() -> None:
    failed = [case for case in read(DATA / "nghttpd.xml") if not case.ok]
    assert [case.id for case in failed] == ["http2/5.1.1/2"]
    assert failed[0].title == "Sends stream identifier that is numerically smaller than previous"
    assert "PROTOCOL_ERROR" in failed[0].detail


def test_an_error_is_a_failure_and_a_skip_is_no_pass() -> None:
    text = (
        '<testsuites><testsuite name="S" package="p/1">'
        '<testcase package="p/1" classname="a"><error>boom</error></testcase>'
        '<testcase package="p/1" classname="b"><skipped/></testcase>'
        "</testsuite></testsuites>"
    )
    assert [(case.id, case.verdict, case.ok) for case in parse(text)] == [
        ("p/1/1", "failed", False), ("p/1/2", "skipped", False),
    ]


def test_a_missing_report_is_said(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="wrote no report"):
        read(tmp_path / "none.xml")


@given(st.text())
def test_what_is_no_xml_is_unreadable(text: str) -> None:
    with pytest.raises(Unreadable):
        parse(escape(text))


@given(st.lists(st.sampled_from(["", "<failure/>", "<error/>", "<skipped/>"])))
def test_as_many_cases_come_out_as_went_in(verdicts: list[str]) -> None:
    cases = "".join(f'<testcase package="p/1" classname="t">{verdict}</testcase>' for verdict in verdicts)
    found = parse(f'<testsuites><testsuite package="p/1" name="s">{cases}</testsuite></testsuites>')
    assert [case.ok for case in found] == [not verdict for verdict in verdicts]
