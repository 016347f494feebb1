"""`apply` on running proxies: what is red leaves them as they were."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from proxyconf.cli import main
from tests.interop.hop import DEADLINE, Installed, free_port, installed, listens, until

# The newest of each: what an older one does otherwise was looked at, and the waiting is not worth it on every run.
RELOADABLE = [max(found, key=lambda one: one.version) for name in ("caddy", "haproxy", "nginx", "apache", "traefik") if (found := installed(name))]
ENVOYS = sorted(installed("envoy"), key=lambda one: one.version)[-1:]


class Edge:
    """A proxy that was started with what was rendered, its folder and its site file."""

    def __init__(self, on: Installed, folder: Path) -> None:
        self.on, self.folder, self.port = on, folder, free_port()
        self.site, self.live, self.pid_file = folder / "site.yaml", folder / "live", folder / "pid"
        self.process: subprocess.Popen[bytes] | None = None

    def says(self, body: str, more: str = "") -> None:
        """Write the site file. Traefik has no fixed answers, and Apache's are files that its workers read: there a redirect says it."""
        answer = f'redirect: {{to: "/{body}"}}' if self.on.proxy in ("traefik", "apache") else f'respond: {{body: "{body}"}}'
        admin = f', admin: "unix:{self.folder}/admin.sock"' if self.on.proxy == "caddy" else ""
        self.site.write_text(
            f"targets: [{{proxy: {self.on.proxy}, version: auto, user: root{admin}}}]\n"
            if self.on.proxy == "nginx"
            else f"targets: [{{proxy: {self.on.proxy}, version: auto{admin}}}]\n"
        )
        with self.site.open("a") as file:
            file.write(f'listeners: {{web: {{address: "127.0.0.1:{self.port}"}}}}\n')
            file.write(f'sites: [{{hostnames: [shop.example], routes: [{{file: /, {answer}}}]}}]\n{more}')

    def start(self) -> None:
        assert main(["render", self.on.proxy, str(self.site), "-o", str(self.live)]) == 0
        self.run()

    def run(self) -> None:
        words = self.on.command(self._run(), self.live)
        with (self.folder / "log").open("ab") as log:
            home = {**os.environ, "HOME": str(self.folder)}
            self.process = subprocess.Popen(words, stdout=log, stderr=log, cwd=self.live, env=home, start_new_session=True)
        until(lambda: listens(("127.0.0.1", self.port)) and self.answers() == "one", f"{self.on} serves")

    def _run(self) -> tuple[str, ...]:
        from proxyconf.proxies.registry import proxy

        run = proxy(self.on.proxy).program.run
        return (*run, "-p", str(self.pid_file)) if self.on.proxy == "haproxy" else run

    def apply(self, *more: str) -> int:
        return main(["apply", self.on.proxy, str(self.site), "-o", str(self.live), *self._pid(), *more])

    def _pid(self) -> tuple[str, ...]:
        return ("--pid-file", str(self.pid_file)) if self.on.proxy == "haproxy" else ()

    def command(self, *more: str) -> list[str]:
        return [sys.executable, "-m", "proxyconf", "apply", self.on.proxy, str(self.site), "-o", str(self.live), *self._pid(), *more]

    def answers(self) -> str:
        link = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            link.request("GET", "/", headers={"Host": "shop.example"})
            answer = link.getresponse()
            return (answer.headers.get("Location") or "").rpartition("/")[2] or answer.read().decode()
        finally:
            link.close()

    def written(self) -> dict[str, str]:
        files = (path for path in self.live.rglob("*") if path.is_file() and ".proxyconf" not in path.parts)
        return {str(path.relative_to(self.live)): text for path in files if "proxyconf" in (text := path.read_text()).partition("\n")[0].lower()}


@contextmanager
def _edge(on: Installed, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    monkeypatch.setenv("PATH", f"{Path(on.program).parent}:{os.environ['PATH']}")
    edge = Edge(on, folder)
    edge.says("one")
    edge.start()
    try:
        yield edge
    finally:
        assert edge.process is not None
        os.killpg(edge.process.pid, signal.SIGKILL)
        edge.process.wait()


@pytest.fixture
def edge(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edge]:
    # A short name: a control socket's path is bounded.
    with _edge(request.param, tmp_path_factory.mktemp("a"), monkeypatch) as made:
        yield made


on_each = pytest.mark.parametrize("edge", RELOADABLE or [pytest.param(None, marks=pytest.mark.skip(reason="no proxy is installed"))], indirect=True, ids=str)


@on_each
def test_what_is_red_leaves_the_proxy_as_it_was(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    one = edge.written()

    # A dry run changes nothing.
    edge.says("two")
    assert edge.apply("--dry-run") == 0, capsys.readouterr()
    assert f"{len(one)} of {len(one)} files would change" in capsys.readouterr().out
    assert edge.written() == one
    assert not (edge.live / ".proxyconf").exists()

    # What its own check refuses is not written.
    section = {"nginx": "http", "haproxy": "global", "caddy": "global", "apache": "main", "traefik": "dynamic"}[edge.on.proxy]
    words = "{http: {no-such-directive: {}}}" if edge.on.proxy == "traefik" else "no-such-directive 1;"
    edge.says("two", f'raw: {{{edge.on.proxy}: {{{section}: "{words}"}}}}\n')
    assert edge.apply() == 4
    assert "no-such-directive" in capsys.readouterr().err
    assert edge.written() == one

    # What is unhealthy is taken back; a name of no site is 421, whatever the file says.
    edge.says("two")
    assert edge.apply("--health", f"http://127.0.0.1:{edge.port}/", "--within", "5s") == 4
    assert "421" in capsys.readouterr().err
    assert edge.written() == one
    assert edge.answers() == "one"

    # What is green is served, and what was there is kept.
    edge.says("two")
    assert edge.apply() == 0, capsys.readouterr().err
    assert edge.answers() == "two"
    kept = edge.live / ".proxyconf/previous"
    files = (path for path in kept.rglob("*") if path.is_file())
    assert {str(path.relative_to(kept)).removesuffix(".previous"): path.read_text() for path in files} == one
    assert re.search(rf"http://shop.example:{edge.port}/ answers (200|30[128])", capsys.readouterr().out)


def _also_on(edge: Edge, port: int) -> None:
    """Write the site with one port more."""
    both = f'["127.0.0.1:{edge.port}", "127.0.0.1:{port}"]'
    edge.site.write_text(edge.site.read_text().replace(f'"127.0.0.1:{edge.port}"', both))


@on_each
def test_a_port_that_is_taken(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    one = edge.written()
    edge.says("two")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        _also_on(edge, taken.getsockname()[1])
        code, said = edge.apply("--within", "5s"), capsys.readouterr().err
    if edge.on.proxy == "traefik":
        # Its ports are in the file that it reads at start only.
        assert code == 2, said
        assert "traefik reads traefik.yaml only when it starts" in said
    elif edge.on.proxy == "apache":
        # It ends, as it does whenever a restart fails.
        assert code == 6, said
        assert "the files were put back, but apache did not take them" in said
        assert edge.process is not None
        edge.process.wait(DEADLINE)
        edge.run()
    else:
        # Its check accepts this, and the running program goes on with what it had: nobody but us would notice.
        assert code == 4, said
        assert "the files were put back" in said
    assert edge.written() == one
    assert edge.answers() == "one"


one_caddy = pytest.mark.parametrize("edge", RELOADABLE[:1] or [pytest.param(None, marks=pytest.mark.skip(reason="no proxy is installed"))], indirect=True, ids=str)


@contextmanager
def _in_the_middle(edge: Edge) -> Iterator[subprocess.Popen[str]]:
    """An apply that has written its files and waits for its reload."""
    started = edge.folder / "started"
    slow = edge.folder / "slow.sh"
    slow.write_text(f"#!/bin/sh\ntest -e {started} && exit 0\ntouch {started}\nexec sleep 60\n")
    slow.chmod(0o755)
    edge.says("two")
    process = subprocess.Popen(edge.command("--reload", str(slow)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until(started.exists, "the reload was started")
        yield process
    finally:
        process.kill()
        process.communicate()


@one_caddy
def test_one_at_a_time(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    with _in_the_middle(edge) as first:
        assert edge.apply() == 4
        assert f"another apply is at work on {edge.live} (process {first.pid}); nothing was changed" in capsys.readouterr().err


@one_caddy
def test_a_kill_takes_it_back(edge: Edge) -> None:
    before = edge.written()
    with _in_the_middle(edge) as first:
        assert edge.written() != before
        first.send_signal(signal.SIGTERM)
        _, err = first.communicate(timeout=DEADLINE)
        assert first.returncode == 130, err
        assert "interrupted; the files were put back" in err
    assert edge.written() == before


@one_caddy
def test_the_next_one_repairs_what_a_killed_one_left(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
    one = edge.written()
    for says, more in (("two", 'raw: {caddy: {global: "no-such-directive"}}\n'), ("three", "")):
        (edge.folder / "started").unlink(missing_ok=True)
        with _in_the_middle(edge) as first:
            first.kill()
            first.wait()
        assert edge.written() != one
        edge.says(says, more)
        if more:
            # Whatever becomes of the next one.
            assert edge.apply() == 4
            assert edge.written() == one
    assert edge.apply() == 0
    assert "an earlier apply did not finish; put back" in capsys.readouterr().out
    assert edge.answers() == "three"
    kept = edge.live / ".proxyconf/previous/Caddyfile.previous"
    assert "one" in kept.read_text(), "what was never confirmed is not what one goes back to"


@pytest.mark.parametrize("on", ENVOYS or [pytest.param(None, marks=pytest.mark.skip(reason="Envoy is not installed"))], ids=str)
def test_envoy_is_restarted_by_a_command(
    on: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with _edge(on, tmp_path, monkeypatch) as edge:
        edge.says("two")
        assert edge.apply() == 2
        assert "give the command that restarts it" in capsys.readouterr().err
        assert edge.answers() == "one"
        assert edge.process is not None
        restart = edge.folder / "restart.sh"
        run = " ".join(on.command(edge._run(), edge.live))
        restart.write_text(
            f"#!/bin/sh\nkill -9 {edge.process.pid}\n{run} >{edge.folder}/log2 2>&1 </dev/null &\necho $! >{edge.pid_file}\n"
        )
        restart.chmod(0o755)
        try:
            assert edge.apply("--reload", str(restart), "--within", "20s") == 0, capsys.readouterr()
            assert edge.answers() == "two"
        finally:
            if edge.pid_file.exists():
                os.kill(int(edge.pid_file.read_text()), signal.SIGKILL)
