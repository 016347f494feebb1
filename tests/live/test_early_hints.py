"""103 and trailers on a real server, as a real client sees them; and listeners where none may be sent."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live.conftest import FAULTS, LOOPS
from tests.support.process import ENGINES, Server, demand

APPLICATION = '''
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise NotImplementedError
    if scope["method"] == "POST":
        trailers, more = [], True
        while more:
            message = await receive()
            more = message["more_body"]
        body = repr(message.get("trailers")).encode()
    else:
        body = ",".join(sorted(scope["extensions"])).encode()
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await send({"type": "http.response.informational", "status": 102, "headers": [(b"x-step", b"1")]})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"trailer", b"x-sum")]})
    await send({"type": "http.response.early_hint", "links": [b"</b.js>; rel=preload"]})
    await send({"type": "http.response.body", "body": body})
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})
'''
OFFERED = b",".join(sorted([
    b"http.request.trailers", b"http.response.early_hint", b"http.response.informational", b"http.response.pathsend",
    b"http.response.trailers", b"http.response.zerocopysend",
]))
SILENT = b"http.request.trailers,http.response.pathsend,http.response.trailers,http.response.zerocopysend"
VERSIONS = {"1.0": ["--http1.0"], "1.1": ["--http1.1"], "2": ["--http2-prior-knowledge"]}


@dataclass
class Site:
    """A server with two listeners: at `port` hints are sent, at the unix socket `silent` they are not."""

    server: Server
    silent: Path

    def curl(self, *options: str) -> tuple[list[str], bytes]:
        """Return the heads and trailers that curl saw, as lines, and the body."""
        heads = self.silent.parent / "heads"
        command = ["curl", "-sS", "--max-time", "30", "-D", str(heads), *options, f"http://127.0.0.1:{self.server.port}/"]
        body = subprocess.run(command, capture_output=True, check=True).stdout
        return [line for line in heads.read_text().splitlines() if line], body


@pytest.fixture(scope="module", params=ENGINES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    engine = demand(request.param)
    folder = tmp_path_factory.mktemp("hints")
    (folder / "hinting.py").write_text(APPLICATION)
    silent = folder / "silent.sock"
    table = f'[[listener]]\nbind = "unix:{silent}"\nearly_hints = false\n'
    (folder / "appserver.toml").write_text(table)
    options = ["--app-dir", str(folder), "-c", str(folder / "appserver.toml"), "--h2-engine", engine, "--loop", LOOPS[engine]]
    with Server("hinting:app", *options) as server:
        yield Site(server, silent)
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_interim_responses_come_before_the_final_one(site: Site, version: str) -> None:
    heads, body = site.curl(*VERSIONS[version])

    statuses = [line.split()[1] for line in heads if line.startswith("HTTP/")]
    assert statuses == ["103", "102", "103", "200"]
    assert [line for line in heads if line.startswith(("link:", "x-step:"))] == [
        "link: </a.css>; rel=preload", "x-step: 1", "link: </b.js>; rel=preload"
    ]  # fmt: skip
    assert body == OFFERED


def test_http_1_0_has_neither(site: Site) -> None:
    heads, body = site.curl(*VERSIONS["1.0"], "-H", "TE: trailers")

    assert [line.split()[1] for line in heads if line.startswith("HTTP/")] == ["200"]
    assert body == SILENT


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_a_listener_without_early_hints(site: Site, version: str) -> None:
    heads, body = site.curl(*VERSIONS[version], "--unix-socket", str(site.silent))

    assert [line.split()[1] for line in heads if line.startswith("HTTP/")] == ["200"]
    assert body == SILENT


@pytest.mark.parametrize("version", ["1.0", "1.1", "2"])
def test_trailers_are_for_who_accepts_them(site: Site, version: str) -> None:
    without, _ = site.curl(*VERSIONS[version])
    heads, _ = site.curl(*VERSIONS[version], "-H", "TE: trailers")

    assert not [line for line in without if "x-sum" in line]
    assert [line for line in heads if "x-sum" in line] == ([] if version == "1.0" else ["trailer: x-sum", "x-sum: 1"])


def test_trailers_of_a_request(site: Site) -> None:
    # curl sends them over HTTP/1.1 only where it is told by a callback: by hand.
    request = (
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        b"2\r\nhi\r\n0\r\nX-Sum: 1\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n"
    )
    with site.server.connect() as client:
        client.sendall(request)
        answer = b"".join(iter(lambda: client.recv(65_536), b""))
    assert b"\r\n[(b'x-sum', b'1')]\r\n" in answer
