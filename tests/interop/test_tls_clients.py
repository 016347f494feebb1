"""TLS as others speak it: curl, nghttp, h2load, httpx, openssl, Go, Node and Java, each choosing by ALPN."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.interop.test_clients import CLIENTS, SECONDS, go_client, program, run
from tests.live.conftest import FAULTS, LOOPS, PROBE
from tests.support.certificates import Authority
from tests.support.process import ENGINES, Server, demand

__all__ = ["go_client"]  # a fixture


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ca.pem, and a.pem for localhost with its key."""
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority()
    authority.issue(folder, "a", ["localhost", "127.0.0.1"])
    return authority.write(folder / "ca.pem")


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest, ca: Path) -> Iterator[Server]:
    engine = demand(request.param)
    tls = ("--certfile", ca.parent / "a.pem", "--keyfile", ca.parent / "a.key")
    with Server(PROBE, *tls, "--h2-engine", engine, "--loop", LOOPS[engine]) as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


def url(server: Server, path: str = "") -> str:
    return f"https://localhost:{server.port}{path}"


@pytest.mark.parametrize(
    ("options", "version"),
    [
        (("--http2",), "2"), (("--http1.1",), "1.1"), (("--http2", "--tls-max", "1.2"), "2"), (("--no-alpn",), "1.1"),
        (("--http2-prior-knowledge",), "2"),
    ],
)  # fmt: skip
def test_curl(server: Server, ca: Path, tmp_path: Path, options: tuple[str, ...], version: str) -> None:
    curl = (program("curl"), "-sS", "--max-time", 20, "--cacert", ca, *options)
    (tmp_path / "body").write_bytes(bytes(3_000_000))

    assert run(*curl, "-w", " %{http_version}", url(server, "/hello")) == f"hello {version}"
    assert '"size": 3000000' in run(*curl, "--data-binary", f"@{tmp_path}/body", url(server, "/digest"))
    assert len(run(*curl, url(server, "/stream?parts=30&size=65536"))) == 30 * 65_536


def test_nghttp_and_h2load(server: Server) -> None:
    assert run(program("nghttp"), "-ns", "-m", 100, url(server, "/hello")).count(" 200 ") == 100
    for options in (("-m", 10), ("--h1",)):
        said = run(program("h2load"), "-n", 500, "-c", 10, *options, url(server, "/hello"))
        assert "500 succeeded, 0 failed, 0 errored, 0 timeout" in said
        assert f"Application protocol: {'http/1.1' if '--h1' in options else 'h2'}" in said


@pytest.mark.parametrize("http2", [True, False])
def test_httpx(server: Server, ca: Path, http2: bool) -> None:
    context = ssl.create_default_context(cafile=str(ca))
    with httpx.Client(verify=context, http1=not http2, http2=http2, timeout=SECONDS) as client:
        answer = client.post(url(server, "/digest"), content=bytes(1_000_000))
        assert answer.json()["size"] == 1_000_000
        assert answer.http_version == ("HTTP/2" if http2 else "HTTP/1.1")


def openssl(server: Server, *options: object, typed: bytes = b"") -> str:
    """Return all that `openssl s_client` shows."""
    command = [program("openssl"), "s_client", "-connect", f"localhost:{server.port}", *map(str, options)]
    done = subprocess.run(command, input=typed, capture_output=True, timeout=SECONDS, check=False)
    return (done.stdout + done.stderr).decode("utf-8", "replace")


def test_openssl(server: Server, ca: Path) -> None:
    said = openssl(server, "-CAfile", ca, "-alpn", "http/1.1,h2", "-verify_return_error")
    assert "ALPN protocol: h2" in said
    assert "Verify return code: 0 (ok)" in said
    assert "Compression: NONE" in said
    assert "Verify return code: 0 (ok)" in openssl(server, "-CAfile", ca, "-tls1_2")


def test_a_client_without_a_common_protocol_is_told_by_its_first_bytes(server: Server) -> None:
    """RFC 7301 wants an alert, which Python's ssl cannot send (docs/guide/tls.md)."""
    typed = b"GET /hello HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    said = openssl(server, "-alpn", "spdy/3", "-ign_eof", typed=typed)
    assert "No ALPN negotiated" in said
    assert "HTTP/1.1 200 OK" in said
    assert "HTTP/1.1 400 Bad Request" in openssl(server, "-alpn", "spdy/3", "-ign_eof", typed=b"\x80\x01\x02\r\n")


def test_a_renegotiation_is_refused(server: Server) -> None:
    """RFC 9113 9.2.1, and the CPU that it would cost; `R` asks s_client for one."""
    said = openssl(server, "-tls1_2", "-alpn", "http/1.1", typed=b"R\n")
    assert "RENEGOTIATING" in said
    assert "no renegotiation" in said


@pytest.mark.parametrize("protocol", ["h2", "h1"])
def test_go(server: Server, ca: Path, go_client: Path, protocol: str) -> None:
    saw = json.loads(run(go_client, protocol, url(server), SSL_CERT_FILE=str(ca)))
    assert saw.pop("digest") == saw.pop("sent")
    assert saw == {
        "proto": "HTTP/2.0" if protocol == "h2" else "HTTP/1.1", "parallel": 100, "chunked": 4_800_000,
        "streamed": 50 * 65_536, "trailer": "abc", "head": 5, "no_content": 204, "error": 500, "cut": True,
        "cancelled": True, "after": "hello",
    }  # fmt: skip


def test_node(server: Server, ca: Path) -> None:
    saw = json.loads(run(program("node"), CLIENTS / "http2.mjs", url(server), NODE_EXTRA_CA_CERTS=str(ca)))
    assert saw == {
        "streams": 100, "parallel": 200, "digest": True, "echo": True, "trailer": "abc", "informed": [103],
        "head": "5", "cut": [2, "ERR_HTTP2_STREAM_ERROR"], "left": 8, "after": "hello", "ping": True,
    }  # fmt: skip


def test_java(server: Server, ca: Path, tmp_path: Path) -> None:
    store = tmp_path / "trust.p12"
    run(
        program("keytool"), "-importcert", "-noprompt", "-alias", "ca", "-file", ca, "-keystore", store,
        "-storetype", "PKCS12", "-storepass", "changeit",
    )  # fmt: skip
    trust = (f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit")
    said = run(program("java"), "-XX:TieredStopAtLevel=1", *trust, CLIENTS / "Client.java", "2", url(server))
    assert dict(line.split("=") for line in said.splitlines()) == {
        "version": "HTTP_2", "hello": "hello", "upload": "true", "chunked": "true",
        "expect": "true", "stream": "true", "head": "5", "nothing": "204", "error": "500", "parallel": "50",
        "after": "hello",
    }  # fmt: skip


def test_many_handshakes_at_once(server: Server, ca: Path) -> None:
    """A hundred clients in one moment, each with a handshake of its own; none fails."""
    context = ssl.create_default_context(cafile=str(ca))
    raw = [socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) for _ in range(100)]
    links = [context.wrap_socket(one, server_hostname="localhost") for one in raw]
    for link in links:
        link.sendall(b"GET /hello HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
    for link in links:
        said = b""
        while piece := link.recv(1_000):
            said += piece
        assert said.endswith(b"hello")
        link.close()
