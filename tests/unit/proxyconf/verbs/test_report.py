"""`report`: one page over all targets; what a peer sent stays text in every form of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from proxyconf.cli import main
from proxyconf.verify.edge.link import Edge
from proxyconf.verify.outcome import Report, Result, Verdict
from proxyconf.verify.probes.catalogue import PROBES
from proxyconf.verify.report.conformance import conformance_text
from proxyconf.verify.subject import Feature, Subject

SITE = """\
targets: [{proxy: caddy, version: "2.11.7"}, {proxy: nginx, version: "1.22.1"}]
policy: {features: {early_hints: degrade}}
appserver: {app: "shop.asgi:app"}
sites:
- hostnames: [shop.example]
  upstream: "h2c://127.0.0.1:8000"
  early_hints: pass
"""
HOSTILE = "<script>alert('\x00\x1b[31m')</script>&\ud83d"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A folder as `verify -o` leaves it."""
    probe = {probe.id: probe for probe in PROBES}
    found = (
        Result(probe["edge-http2"], Verdict.PASSED, "ALPN h2"),
        Result(probe["spoofing"], Verdict.FAILED, HOSTILE, ("x-real-ip came through",)),
        Result(probe["early-hints"], Verdict.SKIPPED, "caddy cannot"),
    )
    subject = Subject("caddy", "2.11.7", Edge("shop.example", 443), frozenset({Feature.TLS}))
    folder = tmp_path / "verified"
    folder.mkdir()
    (folder / "caddy-2.11.7.json").write_text(conformance_text(Report(subject, "probe origin", datetime(2026, 11, 25, tzinfo=UTC), found)).encode("utf-8", "replace").decode())
    return folder


def report(site: Path, *more: str | Path) -> int:
    return main(["report", str(site), *map(str, more)])


def test_text(site: Path, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert report(site, "--verified", results) == 3, "nginx 1.22.1 is refused"
    said = capsys.readouterr().out
    assert "== nginx 1.22.1: refused" in said
    assert f"{site}:6:13: PC401 refused: nginx 1.22.1 cannot: HTTP/2 in cleartext to the upstream" in said
    assert "   goes without early_hints (" in said
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in said.splitlines() if line.startswith("   ") and len(line.split()) > 1}
    assert "CANNOT (needs >= 1.29.4)" in lines["h2c_upstream"]
    assert "goes without (needs >= 1.29.0)" in lines["early_hints"]
    assert "verified 2026-11-25T00:00:00+00:00 with caddy 2.11.7: 1 passed, 1 failed, 1 skipped" in said
    assert "FAILED spoofing: " in said
    assert "\x1b" not in said
    assert "== appserver: appserver.toml, shop-asgi.service" in said
    assert "ALLOWED_HOSTS = ['shop.example']" in said


def test_json(site: Path, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(site, "--verified", results / "caddy-2.11.7.json", "--format", "json")
    said = json.loads(capsys.readouterr().out)
    assert [(target["title"], target["refused"]) for target in said["targets"]] == [("caddy 2.11.7", False), ("nginx 1.22.1", True)]
    features = {feature["id"]: feature for feature in said["features"]}
    assert [cell["can"] for cell in features["h2c_upstream"]["cells"]] == [True, False]
    assert features["early_hints"]["cells"][1] | {"source": "", "proof": ""} == {
        "can": False, "since": ">= 1.29.0", "source": "", "proof": "", "without": True,
    }  # fmt: skip
    assert features["early_hints"]["places"] == ["7:16"]
    assert [test["result"] for test in said["targets"][0]["verified"][0]["tests"]] == ["Passed", "Failed", "Skipped"]
    assert [(hop["upstream"], hop["websocket"]) for hop in said["hops"]] == [("h2c-127-0-0-1-8000", ["over HTTP/1.1, beside"] * 2)]


class Tags(HTMLParser):
    """Collects the tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_html_is_one_page_of_its_own(site: Path, results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "report.html"
    assert report(site, "--verified", results, "-o", page) == 3
    assert capsys.readouterr().out == f"{page}\n"
    parser = Tags()
    parser.feed(page.read_text())
    assert not {"script", "link", "img"} & set(parser.tags)
    assert parser.tags.count("table") == 2
    assert "&lt;script&gt;" in page.read_text()


def test_junit(site: Path, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report(site, "--verified", results, "--format", "junit")
    caddy, nginx = ElementTree.fromstring(capsys.readouterr().out).findall("testsuite")
    assert (caddy.get("failures"), caddy.get("skipped")) == ("1", "1")
    assert [case.get("name") for case in nginx.findall("testcase[failure]") if case.get("classname") == "needs"] == ["tls_automatic", "h2c_upstream"]


def test_exit_codes(site: Path, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.write_text(SITE.replace(', {proxy: nginx, version: "1.22.1"}', ""))
    assert report(site) == 0
    assert report(site, "--verified", results) == 4, "a probe failed"
    assert report(site, "--format", "htlm") == 2
    assert "did you mean 'html'?" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"kind": "Pod"}', '{"kind": "ConformanceReport", "tests": [1]}', "\0\1"])
def test_a_file_that_is_no_report(text: str, site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.json").write_text(text)
    assert report(site, "--verified", tmp_path / "x.json") == 2
    assert capsys.readouterr().err == f"proxyconf: {tmp_path}/x.json: is no report of 'proxyconf verify'\n"


def test_a_folder_without_reports(site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert report(site, "--verified", empty) == 2
    assert "there is no report in it" in capsys.readouterr().err
