"""TLS on a real server: what is agreed, who may come, and certificates that change under load."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import FAULTS, LOOPS, PROBE
from tests.support.certificates import Authority, Issued
from tests.support.clients import Http1, Http2
from tests.support.process import ENGINES, ROOT, Server, demand, until

SECONDS = 15.0
H2, H1 = "h2", "http/1.1"
AUTHORITY = Authority()
CLIENTS: dict[str, type[Http1] | type[Http2]] = {H2: Http2, H1: Http1}


def client_context(*alpn: str, **more: Any) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    der = AUTHORITY.certificate.public_bytes(_der())
    context.load_verify_locations(cadata=der)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if "chain" in more:
        context.load_cert_chain(*more.pop("chain"))
    if "ciphers" in more:
        context.set_ciphers(more.pop("ciphers"))
    for name, value in more.items():
        setattr(context, name, value)
    return context


def _der() -> Any:
    from cryptography.hazmat.primitives.serialization import Encoding

    return Encoding.DER


def connect(server: Server, *alpn: str, host: str = "a.test", before: bytes = b"", **more: Any) -> ssl.SSLSocket:
    if server.url.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(SECONDS)
        sock.connect(server.url.removeprefix("unix:"))
    else:
        sock = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)
    if before:
        sock.sendall(before)
    return client_context(*alpn, **more).wrap_socket(sock, server_hostname=host)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    AUTHORITY.write(folder / "ca.pem")
    return folder


@pytest.fixture(scope="module")
def issued(folder: Path) -> Issued:
    return AUTHORITY.issue(folder, "a", ["a.test"], use_rsa=True)


def options(issued: Issued, *more: object) -> tuple[object, ...]:
    return ("--certfile", issued.certfile, "--keyfile", issued.keyfile, *more)


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest, folder: Path, issued: Issued) -> Iterator[Server]:
    engine = demand(request.param)
    other = AUTHORITY.issue(folder, "b", ["*.b.test"])
    words = options(issued, "--certfile", other.certfile, "--keyfile", other.keyfile, "--ca-certs", folder / "ca.pem")
    more = ("--cert-reqs", "optional", "--h2-engine", engine, "--loop", LOOPS[engine])
    # The tests' client says :scheme http, which is believed of whom is trusted.
    with Server(PROBE, *words, *more, "--forwarded-trust", "") as server:
        assert server.url.startswith("https://")
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


# What is agreed


@pytest.mark.parametrize("protocol", [H2, H1])
def test_a_request(server: Server, protocol: str) -> None:
    with CLIENTS[protocol](connect(server, H2, H1) if protocol == H2 else connect(server, H1)) as client:
        scope = json.loads(client.ask("GET", "/scope").body)
        assert (scope["scheme"], scope["http_version"]) == ("https", "2" if protocol == H2 else "1.1")
        body = bytes(range(256)) * 4_000
        assert json.loads(client.ask("POST", "/digest", body=body).body)["size"] == len(body)
        assert len(client.ask("GET", "/stream?parts=20&size=65536").body) == 20 * 65_536


@pytest.mark.parametrize("client", [Http1, Http2])
def test_without_alpn_the_first_bytes_tell(server: Server, client: type[Http1] | type[Http2]) -> None:
    with client(connect(server)) as talking:
        assert talking.ask("GET", "/hello").body == b"hello"


def test_the_extension_of_the_scope(server: Server, folder: Path, issued: Issued) -> None:
    known = AUTHORITY.issue(folder, "known")
    with Http2(connect(server, H2)) as client:
        anonymous = json.loads(client.ask("GET", "/scope").body)["extensions"]["tls"]
    chain = (known.certfile, known.keyfile)
    with Http2(connect(server, H2, host="x.b.test", chain=chain, maximum_version=ssl.TLSVersion.TLSv1_2)) as client:
        named = json.loads(client.ask("GET", "/scope").body)["extensions"]["tls"]

    assert (anonymous["server_cert"], anonymous["client_cert_chain"]) == (issued.pem, [])
    assert (anonymous["client_cert_name"], anonymous["client_cert_error"]) == (None, None)
    assert (anonymous["tls_version"], anonymous["cipher_suite"] >> 8) == (0x0304, 0x13)
    assert named["server_cert"] == (folder / "b.pem").read_text()
    assert (named["client_cert_name"], named["client_cert_chain"][0]) == ("CN=known", known.pem)
    assert (named["tls_version"], named["cipher_suite"]) == (0x0303, 0xC02C)
    assert set(named) == {
        "server_cert", "client_cert_chain", "client_cert_name", "client_cert_error", "tls_version", "cipher_suite",
    }  # fmt: skip


def test_a_protocol_that_was_not_chosen_is_not_spoken(server: Server) -> None:
    with connect(server, H2) as raw:
        raw.sendall(b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 505 ")
    with connect(server, H1) as raw:
        raw.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 505 ")


def test_old_versions_are_refused(server: Server) -> None:
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context = client_context(minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    context.set_ciphers("ALL:@SECLEVEL=0")
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)
    with sock, pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(sock, server_hostname="a.test")


def test_what_is_no_tls_is_closed(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS) as raw:
        raw.sendall(b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n")
        assert not raw.recv(100).startswith(b"HTTP/")
        until(lambda: "TLS: http request" in server.said, "it is logged")


@pytest.mark.parametrize("loop", LOOPS.values())
def test_a_slow_handshake_is_ended(issued: Issued, loop: str) -> None:
    with Server(PROBE, *options(issued, "--timeout-handshake", "1s", "--loop", loop)) as server:
        began = time.monotonic()
        with server.connect() as raw:
            raw.sendall(b"\x16\x03\x01")
            assert raw.recv(1) == b""
        assert time.monotonic() - began >= 0.9
        until(lambda: "nothing of HTTP within 1 s" in server.said, "it is logged")


def test_a_client_that_closes_its_half_is_gone(server: Server) -> None:
    """A loop's TLS has no half-close; the application is told, and nothing is logged."""
    with connect(server, H1) as raw:
        raw.sendall(b"GET /slow?ms=50&id=halftls HTTP/1.1\r\nhost: a\r\n\r\n")
        with suppress(OSError):  # the answer may come in between
            raw.unwrap()
    with Http1(connect(server, H1)) as client:
        assert client.ask("GET", "/hello").body == b"hello"


def test_a_cipher_that_http2_forbids(issued: Issued) -> None:
    """RFC 9113 9.2.2: GOAWAY with INADEQUATE_SECURITY; over HTTP/1.1 it is served."""
    cipher = "AES128-GCM-SHA256"
    old: dict[str, Any] = {"maximum_version": ssl.TLSVersion.TLSv1_2, "ciphers": cipher}
    with Server(PROBE, *options(issued, "--ciphers", cipher)) as server:
        with connect(server, H2, **old) as raw:
            raw.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            said = b""
            while piece := raw.recv(100):
                said += piece
        assert said[3] == 4, "the first frame is SETTINGS"
        assert (said[9 + 3], struct.unpack("!II", said[18:26])) == (7, (0, 0xC))
        with Http1(connect(server, H1, **old)) as client:
            assert client.ask("GET", "/hello").body == b"hello"
        with Http2(connect(server, H2)) as client:
            assert client.ask("GET", "/hello").body == b"hello"


# Listeners


def test_over_a_unix_socket(tmp_path: Path, issued: Issued) -> None:
    with Server(PROBE, *options(issued), binds=(f"unix:{tmp_path}/app.sock",)) as server:
        for protocol, client in CLIENTS.items():
            with client(connect(server, protocol)) as talking:
                assert talking.ask("GET", "/hello").body == b"hello"


@pytest.mark.parametrize("protocol", [H2, H1])
def test_after_a_proxy_header(issued: Issued, protocol: str) -> None:
    header = b"PROXY TCP4 192.0.2.7 198.51.100.1 1000 443\r\n"
    with Server(PROBE, *options(issued, "--proxy-protocol", "v1")) as server:
        with CLIENTS[protocol](connect(server, protocol, before=header)) as client:
            scope = json.loads(client.ask("GET", "/scope").body)
        assert (scope["client"], scope["scheme"]) == (["192.0.2.7", 1000], "https")
        assert set(scope["extensions"]) >= {"tls", "proxy_protocol"}
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            connect(server, protocol)


def test_a_tls_port_beside_a_plain_one(tmp_path: Path, issued: Issued) -> None:
    file = tmp_path / "appserver.toml"
    file.write_text(f"""
        [[listener]]
        bind = "127.0.0.1:0"
        certfile = "{issued.certfile}"
        keyfile = "{issued.keyfile}"
        http_protocols = "h2"
    """)
    with Server(PROBE, "-c", file) as server:
        plain, secure = server.addresses
        assert (plain[:7], secure[:8]) == ("http://", "https://")
        with Http1(server.connect()) as client:
            assert "tls" not in json.loads(client.ask("GET", "/scope").body)["extensions"]
        sock = socket.create_connection(("127.0.0.1", int(secure.rpartition(":")[2])), timeout=SECONDS)
        with client_context(H2, H1).wrap_socket(sock, server_hostname="a.test") as raw:
            assert raw.selected_alpn_protocol() == H2


def is_refused(server: Server, **more: Any) -> bool:
    """Tell whether a client gets no further; in TLS 1.3 it learns of it only when it reads."""
    try:
        with connect(server, H2, **more) as raw:
            return raw.recv(1) == b""
    except OSError:
        return True


def test_clients_need_a_certificate_that_is_not_revoked(folder: Path, issued: Issued) -> None:
    good, revoked = AUTHORITY.issue(folder, "good"), AUTHORITY.issue(folder, "revoked")
    crl = AUTHORITY.revoke(folder / "crl.pem", revoked)
    more = ("--ca-certs", folder / "ca.pem", "--cert-reqs", "required", "--crl-file", crl)
    with Server(PROBE, *options(issued, *more)) as server:
        with Http2(connect(server, H2, chain=(good.certfile, good.keyfile))) as client:
            assert client.ask("GET", "/hello").body == b"hello"
        assert is_refused(server)
        assert is_refused(server, chain=(revoked.certfile, revoked.keyfile))
        until(lambda: "certificate revoked" in server.said, "the reason is logged")


# Certificates that change


def test_reload_under_load(tmp_path: Path) -> None:
    """Twenty new certificates by HUP: no connection fails, those that are open go on, and the last one is shown."""
    first = AUTHORITY.issue(tmp_path, "a", ["a.test"])
    failures: list[BaseException] = []
    served = [0]
    over = threading.Event()
    with Server(PROBE, *options(first)) as server:

        def load() -> None:
            while not over.is_set():
                try:
                    with Http2(connect(server, H2)) as client:
                        assert client.ask("GET", "/hello").body == b"hello"
                    served[0] += 1
                except BaseException as error:
                    failures.append(error)
                    return

        with Http2(connect(server, H2)) as old:
            loading = threading.Thread(target=load)
            loading.start()
            last = first
            for number in range(1, 21):
                last = AUTHORITY.issue(tmp_path, "new", [f"a{number}.test"])
                os.replace(last.keyfile, first.keyfile)
                os.replace(last.certfile, first.certfile)
                server.signal(signal.SIGHUP)
                until(lambda name=f"for a{number}.test": name in server.said, "it was read again")  # type: ignore[misc]  # a default
            over.set()
            loading.join(SECONDS)
            assert old.ask("GET", "/hello").body == b"hello"
        assert failures == []
        assert served[0] > 0
        with connect(server, H2) as raw:
            assert ssl.DER_cert_to_PEM_cert(raw.getpeercert(True) or b"") == last.pem
        first.certfile.write_text(last.pem[:200])
        server.signal(signal.SIGHUP)
        until(lambda: "stay in use" in server.said, "the bad file is named")
        with connect(server, H2) as raw:
            assert ssl.DER_cert_to_PEM_cert(raw.getpeercert(True) or b"") == last.pem
        assert server.stop() == 0


def test_files_that_change_are_seen_without_a_signal(tmp_path: Path) -> None:
    first = AUTHORITY.issue(tmp_path, "a", ["a.test"])
    with Server(PROBE, *options(first)) as server:
        new = AUTHORITY.issue(tmp_path, "new", ["b.test"])
        os.replace(new.keyfile, first.keyfile)
        os.replace(new.certfile, first.certfile)
        until(lambda: "read again, for b.test" in server.said, "the new files are read")
        with connect(server, H2) as raw:
            assert ssl.DER_cert_to_PEM_cert(raw.getpeercert(True) or b"") == new.pem


def test_a_stop_finishes_what_is_in_flight(issued: Issued) -> None:
    """And a handshake that has begun by then is finished too."""
    with Server(PROBE, *options(issued)) as server:
        with connect(server, H1) as raw, Http1(connect(server, H1)) as other:
            raw.sendall(b"GET /slow?ms=500&id=tls HTTP/1.1\r\nhost: a\r\n\r\n")
            # Connections are served in the order in which they came.
            assert other.ask("GET", "/hello").body == b"hello"
            late = socket.create_connection(("127.0.0.1", server.port), timeout=SECONDS)
            server.signal(signal.SIGTERM)
            until(lambda: "SIGTERM: stopping" in server.said, "it stops")
            with Http1(client_context(H1).wrap_socket(late, server_hostname="a.test")) as last:
                assert last.ask("GET", "/hello").body == b"hello"
            said = b""
            while piece := raw.recv(1000):
                said += piece
        assert said.startswith(b"HTTP/1.1 200 ")
        assert server.wait() == 0


# Mistakes


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--certfile", "none.pem"], "server.certfile: none.pem: No such file or directory"),
        (["--certfile", "{a}", "--keyfile", "{b}"], "server.certfile: {b}: is not the key of {a}"),
        (["--keyfile", "{b}"], "--keyfile on the command line: 1 keys for 0 certificates; give one for each, or none"),
        (["--certfile", "{a}", "--keyfile-password", "hunter2"],
         "--keyfile-password on the command line: is neither file:PATH nor env:NAME; a password is never an option"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(tmp_path: Path, words: list[str], line: str) -> None:
    names = {stem: str(AUTHORITY.issue(tmp_path, stem).certfile) for stem in ("a", "b")}
    names["b"] = names["b"].replace(".pem", ".key")
    server = Server(PROBE, *[word.format(**names) for word in words], cwd=ROOT)

    assert server.run() == 2
    (said,) = server.lines
    assert said.startswith(f"appserver: {line.format(**names)}")
    assert "hunter2" not in said
