"""What the demo makes of a report: a failure of ours fails it, one of the control's does not."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from proxyconf.verify.edge.link import Edge
from proxyconf.verify.outcome import Report, Result, Verdict
from proxyconf.verify.probes.catalogue import PROBES
from proxyconf.verify.subject import Subject
from tools.demo.report import DemoReport

SUBJECT = Subject("caddy", "2.11.7", Edge("demo.localhost", 8443, ca=Path("ca.pem")), frozenset(), origins=("127.0.0.1:8000",))
HELD = Result(PROBES[0], Verdict.PASSED, "as claimed")
FAILED = Result(PROBES[1], Verdict.FAILED, "otherwise", ("it is wrong",))
LOGS = Path("logs")


def report(*results: Result) -> Report:
    return Report(SUBJECT, "appserver", datetime(2026, 11, 25, tzinfo=UTC), results)


def test_all_claims_hold() -> None:
    assert DemoReport("appserver").exit_code(report(HELD, HELD), LOGS) == 0


def test_a_failed_claim_is_named_and_fails_the_demo(capsys: pytest.CaptureFixture[str]) -> None:
    assert DemoReport("appserver").exit_code(report(HELD, FAILED), LOGS) == 1
    assert f"1 of 2 claims failed: {FAILED.probe.title}. Reports and logs: logs" in capsys.readouterr().err


def test_a_failed_claim_of_the_control_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    text = DemoReport("hypercorn")
    assert text.exit_code(report(HELD, FAILED), LOGS) == 0
    text.table(report(HELD, FAILED))
    out = capsys.readouterr().out
    assert f"hypercorn is the control. Its own: {FAILED.probe.title}." in out
    assert "  no    HTTP/1.1 at the edge" in out


def test_what_can_be_tried_names_the_edge_and_the_hop(capsys: pytest.CaptureFixture[str]) -> None:
    DemoReport("appserver").invitation(SUBJECT, LOGS)
    out = capsys.readouterr().out
    assert "curl --cacert ca.pem --resolve demo.localhost:8443:127.0.0.1 https://demo.localhost:8443/scope" in out
    assert "curl --http2-prior-knowledge http://127.0.0.1:8000/scope" in out
