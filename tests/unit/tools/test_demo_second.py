"""The demo's row about a second proxy, where there is none, and where the server cannot be told of one."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxyconf.programs.run import ProgramMissing
from proxyconf.verbs.site import open_site
from proxyconf.verify.outcome import Verdict
from proxyconf.verify.servers import Refused
from tests.house.source import ROOT
from tools.demo import second

FILE = ROOT / "examples/demo/second.yaml"


def test_without_a_second_proxy_the_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise ProgramMissing(name)

    monkeypatch.setattr(second, "find_program", missing)
    result = second.second_proxy(open_site(FILE, {}), "appserver")
    assert (result.verdict, result.text) == (Verdict.SKIPPED, "no haproxy here to be the second proxy")


def test_a_server_that_cannot_take_the_header_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise Refused("hypercorn", ())

    monkeypatch.setattr(second, "find_program", lambda name: f"/usr/sbin/{name}")
    monkeypatch.setattr(second, "prepared_listener", refused)
    result = second.second_proxy(open_site(Path(FILE), {}), "hypercorn")
    assert (result.verdict, result.text) == (Verdict.SKIPPED, "hypercorn cannot: ")
