"""Upgrade: h2c by clients that others wrote: curl, nghttp and Java's HttpClient, where it is on and where it is off."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import pytest

from tests.interop.test_clients import CLIENTS, SECONDS, program, run
from tests.live.conftest import FAULTS, LOOPS, PROBE
from tests.support.process import ENGINES, Server, demand

CURL = ("-sS", "--max-time", 20, "--http2")


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    engine = demand(request.param)
    with Server(PROBE, "--h2c-upgrade", "--h2-engine", engine, "--loop", LOOPS[engine]) as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


def test_curl(server: Server) -> None:
    curl = (program("curl"), *CURL)
    assert run(*curl, "-w", " %{http_version} %{http_code}", f"{server.url}/hello") == "hello 2 200"
    assert len(run(*curl, f"{server.url}/stream?parts=30&size=65536")) == 30 * 65_536
    assert "HTTP/2 200" in run(*curl, "-I", f"{server.url}/hello")
    said = run(*curl, "-w", "|%{http_version}", f"{server.url}/hello", "--next", *CURL, "-w", "|%{http_version}", f"{server.url}/hello")
    assert said == "hello|2hello|2"


def test_curl_with_a_body_stays_with_http_1(server: Server) -> None:
    """An upload is served as it came, though its client asks for HTTP/2: a body is never what an upgrade begins with."""
    said = run(program("curl"), *CURL, "--data-binary", "12345", "-w", "|%{http_version}", f"{server.url}/digest")
    body, _, version = said.partition("|")
    assert (json.loads(body)["size"], version) == (5, "1.1")


def test_an_application_sees_a_request_of_http2(server: Server) -> None:
    scope = json.loads(run(program("curl"), *CURL, f"{server.url}/scope"))
    assert scope["http_version"] == "2"
    names = {name for name, _ in scope["headers"]}
    assert names.isdisjoint({"upgrade", "connection", "http2-settings"})
    assert "host" in names


def test_nghttp(server: Server) -> None:
    assert run(program("nghttp"), "-uns", f"{server.url}/hello", f"{server.url}/digest").count(" 200 ") == 2


def test_java(server: Server) -> None:
    said = run(program("java"), "-XX:TieredStopAtLevel=1", CLIENTS / "Client.java", "2", server.url)
    assert dict(line.split("=") for line in said.splitlines()) == {
        "version": "HTTP_2", "hello": "hello", "upload": "true", "chunked": "true", "expect": "true",
        "stream": "true", "head": "5", "nothing": "204", "error": "500", "parallel": "50", "after": "hello",
    }  # fmt: skip


UPGRADE = (
    b"GET /hello HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
    b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n"
)


def answer(server: Server, *sent: bytes) -> bytes:
    """Return the first status line that the server says to this."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as link:
        link.sendall(b"".join(sent))
        with link.makefile("rb") as lines:
            return lines.readline()


def test_by_default_it_is_ignored() -> None:
    with Server(PROBE) as server:
        assert answer(server, UPGRADE) == b"HTTP/1.1 200 OK\r\n"
        assert run(program("curl"), *CURL, "-w", " %{http_version}", f"{server.url}/hello") == "hello 1.1"
        assert server.stop() == 0


def test_what_is_pipelined_behind_it_is_no_frame(server: Server) -> None:
    assert answer(server, UPGRADE) == b"HTTP/1.1 101 Switching Protocols\r\n"
    assert answer(server, UPGRADE, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") == b"HTTP/1.1 200 OK\r\n"
