"""`proxyconf verify` on a site file: rendered, moved to this machine, run; with the probe origin and with app servers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest

from proxyconf.cli.main import main
from proxyconf.programs.run import ProgramMissing, find_program
from proxyconf.spec.read import SiteFile, load
from proxyconf.verbs.verify import Run, chosen, report_files, verify_site
from proxyconf.verify.outcome import Report, Result, Verdict
from proxyconf.verify.probes.probe import Probe
from proxyconf.verify.runner import verify
from proxyconf.verify.servers import Behind
from proxyconf.verify.site import prepared
from tests.interop.hop import Installed, installed
from tests.interop.verify_targets import ROOT, Quiet

SITE = """
appserver: {app: "examples.hello.app:app", drain: 10s}
listeners:
  http: {address: ":80", redirect: https}
  https: {address: ":443", tls: {issuer: internal}}
upstreams: {app: {servers: ["127.0.0.1:8000"]}}
sites:
- hostnames: [shop.example, "*.shop.example"]
  upstream: app
  limits: {request_body: 1MiB}
"""
BARE = "sites: [{hostnames: [shop.example], upstream: 'h2c://unix:/run/app.sock'}]\n"


def file_of(text: str) -> SiteFile:
    return load("site.yaml", text.encode(), {})


@pytest.fixture(autouse=True)
def caddy() -> None:
    try:
        find_program("caddy")
    except ProgramMissing as error:
        (pytest.fail if "LASTHOP_CI" in os.environ else pytest.skip)(str(error))


class Told(Quiet):
    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, text: str) -> None:
        self.steps.append(text)


def failed(report: Report) -> dict[str, str]:
    return {result.probe.id: result.text for result in report.failed}


def passed(report: Report) -> set[str]:
    return {result.probe.id for result in report.results if result.verdict is Verdict.PASSED}


# What every proxy owes on every site; what it promises besides is its table's matter.
OWED = {"hop-protocol", "spoofing", "client-address", "host", "path", "unknown-host", "smuggling-http1", "smuggling-http2"}


PROBED = ("caddy", "nginx", "haproxy", "envoy")


@pytest.mark.parametrize("on", [one for name in PROBED for one in installed(name)] or [None], ids=str)
@pytest.mark.slow
def test_a_site_for_production_is_tried_on_this_machine(on: Installed | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if on is None:
        pytest.skip("no proxy is installed: python -m tools.proxies")
    monkeypatch.setenv("PATH", f"{Path(on.program).parent}{os.pathsep}{os.environ['PATH']}")
    told = Told()
    site = BARE if on.can("h2c_upstream") else BARE.replace("h2c:", "http1:")
    report = verify_site(file_of(site), on.proxy, Run(), chosen(()), told)
    assert failed(report) == {}
    assert passed(report) >= OWED
    assert report.subject.title == f"{on.proxy} {on.version}"
    assert report.server == "probe origin"
    name = f"{on.proxy}-{on.version}"
    files = report_files([report])
    assert {test["result"] for test in json.loads(files[f"{name}.json"])["tests"]} == {"Passed", "Skipped"}
    assert len(ElementTree.fromstring(files["junit.xml"]).findall("testsuite/testcase")) == len(report.results)
    assert all(result.probe.title in files["report.html"] for result in report.results if "'" not in result.probe.title)
    assert told.steps[:2] == ["request_body 100MiB is 8MiB for this run", "timeouts request 1m is 3s for this run"]


@pytest.mark.parametrize("server", ["appserver", "hypercorn"])
def test_an_app_server_behind_it_answers_the_same_probes(server: str) -> None:
    names = ["hop-protocol", "hop-parallel", "host", "path", "redirect", "upload", "client-leaves", "client-address", "spoofing"]
    if server == "appserver":
        names += ["past-proxy", "unharmed-by-hints", "early-hints", "trailers", "broken-off", "stop-server"]
    report = verify_site(file_of(SITE), "caddy", Run(Behind(server)), chosen(names), Told())
    assert failed(report) == {}
    assert passed(report) == set(names)
    assert report.server == server


def test_a_users_own_application_gets_the_probes_that_need_no_origin() -> None:
    run = Run(Behind("appserver", "examples.hello.app:app", cwd=ROOT))
    report = verify_site(file_of(SITE), "caddy", run, chosen(()), Told())
    assert failed(report) == {}
    assert passed(report) == {"edge-http2", "edge-http1", "redirect", "upgrade-h2c", "framing", "malformed", "reload"}
    skipped = next(result for result in report.results if result.probe.id == "spoofing")
    assert skipped.observed.startswith("no probe origin behind the proxy")


CHAIN = """
listeners:
  https: {address: ":443", tls: {issuer: internal}, proxy_protocol: {accept: v2, from: [10.0.0.0/8]}}
upstreams: {app: {servers: ["10.0.0.7:8000"], proxy_protocol: {send: v2, i_accept: per-client-connections}}}
sites: [{hostnames: [shop.example], upstream: app}]
"""


def test_the_client_is_known_behind_a_chain_of_two_proxy_headers() -> None:
    names = ["edge-http2", "edge-http1", "client-address", "proxy-header", "spoofing", "hop-by-hop"]
    report = verify_site(file_of(CHAIN), "caddy", Run(), chosen(names), Told())
    assert failed(report) == {}
    assert passed(report) == set(names)
    (said,) = [result.facts for result in report.results if result.probe.id == "proxy-header"]
    assert [said[address]["source"] for address in ("127.0.0.2", "127.0.0.3")] == ["127.0.0.2", "127.0.0.3"]


TRUSTING = ("appserver.toml", 'trust = ["127.0.0.1", "::1"]')


@pytest.mark.parametrize(
    ("name", "old", "new", "probe"),
    [
        (*TRUSTING, 'trust = ["*"]', "past-proxy"),
        (*TRUSTING, "trust = []", "client-address"),
        ("appserver.toml", "graceful = 10.0", "graceful = 0.0", "stop-server"),
        # Our own server would refuse it as well: its limit follows from the same file.
        ("Caddyfile", "max_size 1MiB", "max_size 9MiB", "body-limit"),
    ],
)
def test_a_claim_fails_on_a_rendered_file_that_was_edited(name: str, old: str, new: str, probe: str) -> None:
    server = "origin" if name == "Caddyfile" else "appserver"
    results = edited(server, name, old, new, chosen([probe]))
    assert [result.verdict for result in results] == [Verdict.FAILED], results[0].text


def edited(server: str, name: str, old: str, new: str, probes: Sequence[Probe]) -> tuple[Result, ...]:
    """Run the site with a line of a rendered file replaced."""
    with tempfile.TemporaryDirectory(prefix="pv-", ignore_cleanup_errors=True) as folder:
        made = prepared(file_of(SITE), "caddy", Path(folder), Behind(server))
        path = Path(folder, name)
        text = path.read_text()
        assert old in text, f"{old!r} is no longer rendered:\n{text}"
        path.write_text(text.replace(old, new))

        async def run() -> Report:
            async with made.stack as stack:
                return await verify(made.subject, probes, Quiet(), stack)

        return asyncio.run(run()).results


def test_the_command_writes_its_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    assert main(["verify", str(tmp_path / "site.yaml"), "--probe", "edge-http2", "--probe", "spoofing", "-o", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^==> caddy \S+ serves https://shop\.example:\d+$", out, re.MULTILINE)
    assert re.search(r"^caddy \S+: 2 passed, 0 failed, 0 skipped\.$", out, re.MULTILINE)
    (report,) = (tmp_path / "out").glob("caddy-*.json")
    assert [test["result"] for test in json.loads(report.read_text())["tests"]] == ["Passed", "Passed"]
    assert ElementTree.parse(tmp_path / "out/junit.xml").getroot().find("testsuite/testcase[@name='spoofing']") is not None
    assert "<title>proxyconf verify</title>" in (tmp_path / "out/report.html").read_text()
    assert {path.name for path in (tmp_path / "out/caddy").iterdir()} == {"Caddyfile", "caddy.log", "origin.log"}


def test_a_claim_that_fails_is_exit_code_4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The origin is not told what to answer: there are no trailers.
    (tmp_path / "site.yaml").write_text(SITE + "  headers: {request: {remove: [Probe-Answer]}}\n")
    assert main(["verify", str(tmp_path / "site.yaml"), "--probe", "trailers", "--probe", "host"]) == 4
    out = capsys.readouterr().out
    assert "lost over h2; x-checksum: abc was sent over h2" in out
    assert "1 passed, 1 failed, 0 skipped." in out


@contextmanager
def running(text: str, name: str = "caddy") -> Iterator[tuple[str, Path]]:
    """Keep a stack up in a process of its own; yields its URL and its CA."""
    with tempfile.TemporaryDirectory(prefix="pv-", ignore_cleanup_errors=True) as folder:
        made = prepared(file_of(text), name, Path(folder), Behind())
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(made.stack.__aenter__())
            yield f"https://{made.subject.edge.authority}/", Path(folder, "ca.pem")
        finally:
            loop.run_until_complete(made.stack.__aexit__(None, None, None))
            loop.close()


@pytest.mark.parametrize("on", [one for name in PROBED for one in installed(name)[:1]] or [None], ids=str)
def test_every_proxy_is_probed_from_outside(on: Installed | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    if on is None:
        pytest.skip("no proxy is installed: python -m tools.proxies")
    monkeypatch.setenv("PATH", f"{Path(on.program).parent}{os.pathsep}{os.environ['PATH']}")
    site = BARE if on.can("h2c_upstream") else BARE.replace("h2c:", "http1:")
    with running(site, on.proxy) as (url, ca):
        assert main(["verify", "--url", url, "--ca", str(ca), "--connect-to", "127.0.0.1"]) == 0
    assert "5 passed, 0 failed, 0 skipped." in capsys.readouterr().out


def test_a_running_stack_is_probed_from_outside(capsys: pytest.CaptureFixture[str]) -> None:
    with running(SITE) as (url, ca):
        assert main(["verify", "--url", url, "--ca", str(ca), "--connect-to", "127.0.0.1"]) == 0
        out = capsys.readouterr().out
        assert main(["verify", "--url", url, "--connect-to", "127.0.0.1"]) == 4
        untrusted = capsys.readouterr().err
        assert main(["verify", "--url", url, "--connect-to", "127.0.0.1", "--insecure", "--probe", "edge-http2"]) == 0
    assert "5 passed, 0 failed, 0 skipped." in out
    assert "CERTIFICATE_VERIFY_FAILED" in untrusted


def children(text: str) -> list[str]:
    """Return the commands of running processes that name a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended meanwhile
        if text in command:
            found.append(command)
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_that_is_ended_leaves_nothing_behind(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "site.yaml").write_text(SITE)
    command = [sys.executable, "-m", "proxyconf", "verify", str(tmp_path / "site.yaml")]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    assert any("the bound on" in line or "HTTP/2 at the edge" in line for line in lines)
    assert children(f"{tmp_path}/pv-") != []
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "proxyconf: interrupted; what was started has been ended\n"
    end = time.monotonic() + 5
    while children(f"{tmp_path}/pv-") and time.monotonic() < end:
        time.sleep(0.05)
    assert children(f"{tmp_path}/pv-") == []
    assert list(tmp_path.glob("pv-*")) == []
