"""What every proxy does at its edges: TLS, HTTP/3, PROXY headers, gRPC, trailers, and what it says about its work."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import grpc
import h2.config
import h2.connection
import h2.events
import httpx
import pytest

from tests.interop.hop import (
    DEADLINE,
    REPOSITORY,
    SITE,
    Installed,
    Origin,
    Stack,
    Stacks,
    certificate,
    fields_of,
    free_port,
    proves,
    stack,
    until,
)  # fmt: skip
from tests.interop.servers import grpc_server
from tests.interop.test_proxies import HANDSHAKE


def over_h2(shop: Stack, path: str, *fields: tuple[str, str]) -> tuple[dict[str, str], bytes, dict[str, str]]:
    """Send one request on a bare HTTP/2 connection; return the fields of the answer, its body and its trailers."""
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    head: dict[str, str] = {}
    trailers: dict[str, str] = {}
    body, ended = b"", False
    with shop.connection("h2") as client:
        connection.initiate_connection()
        authority = f"shop.test:{shop.port}"
        lines = [(":method", "GET"), (":scheme", "https"), (":authority", authority), (":path", path), *fields]
        connection.send_headers(1, lines, end_stream=True)
        client.sendall(connection.data_to_send())
        while not ended:
            piece = client.recv(65536)
            assert piece, "the connection ended before the answer"
            for event in connection.receive_data(piece):
                if isinstance(event, h2.events.ResponseReceived):
                    head = {str(name): str(value) for name, value in event.headers}
                elif isinstance(event, h2.events.TrailersReceived):
                    trailers = {str(name): str(value) for name, value in event.headers}
                elif isinstance(event, h2.events.DataReceived):
                    body += event.data
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                ended = ended or isinstance(event, h2.events.StreamEnded | h2.events.StreamReset)
            client.sendall(connection.data_to_send())
    return head, body, trailers


@proves("response_trailers", "h2c_upstream")
def test_trailers_arrive(on: Installed, stacks: Stacks) -> None:
    head, body, trailers = over_h2(stacks.get(on), "/trailers", ("te", "trailers"))
    assert (head[":status"], body) == ("200", b"body")
    assert trailers == {"x-checksum": "abc"}


@proves("grpc_upstream")
def test_grpc_with_trailers(on: Installed, tmp_path: Path) -> None:
    calls(on, tmp_path, SITE.replace("protocol: h2c", "protocol: grpc"))


@proves("grpc_upstream", "h2c_upstream")
def test_grpc_beside_everything_else_on_an_h2c_upstream(on: Installed, tmp_path: Path) -> None:
    calls(on, tmp_path, SITE)


def calls(on: Installed, tmp_path: Path, site: str) -> None:
    """Call one method that answers, one that streams, and one that fails before any message."""
    with grpc_server() as address, stack(on, tmp_path, address, site) as shop:
        credentials = grpc.ssl_channel_credentials((tmp_path / "cert.pem").read_bytes())
        options = [("grpc.ssl_target_name_override", "shop.test"), ("grpc.default_authority", f"shop.test:{shop.port}")]
        with grpc.secure_channel(f"127.0.0.1:{shop.port}", credentials, options) as channel:
            echo = channel.unary_unary("/shop.v1.Cart/Echo")
            assert echo(b"hello", timeout=DEADLINE) == b"hello"
            assert list(channel.unary_stream("/shop.v1.Cart/Count")(b"", timeout=DEADLINE)) == [b"1", b"2", b"3"]
            # More than once: an answer without a body is easily broken by a flush at the wrong moment.
            for _ in range(20):
                with pytest.raises(grpc.RpcError) as caught:
                    channel.unary_unary("/shop.v1.Cart/Fail")(b"", timeout=DEADLINE)
                assert caught.value.code() == grpc.StatusCode.NOT_FOUND
                assert caught.value.details() == "no such cart"


@proves("http3_edge")
def test_http3_at_the_edge(on: Installed, stacks: Stacks) -> None:
    curl = REPOSITORY / "build/proxies/curl/forky/bin/curl"
    if not curl.exists():
        pytest.skip("a curl with HTTP/3: python -m tools.proxies curl")
    shop = stacks.get(on, SITE.replace("    tls:", "    protocols: [h3, h2, http1]\n    tls:"))
    assert f'h3=":{shop.port}"' in shop.ask().headers["alt-svc"]
    command = [str(curl), "--http3-only", "-s", "-S", "--max-time", "10", "--cacert", str(shop.folder / "cert.pem"),
               "--resolve", f"shop.test:{shop.port}:127.0.0.1", "-w", "\n%{http_version}", f"https://shop.test:{shop.port}/a"]  # fmt: skip
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert said.splitlines()[-1] == "3"
    assert '"path": "/a"' in said


# TLS.


@proves("tls_profiles")
def test_modern_tls_only(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, SITE.replace("tls: {", "tls: {profile: modern, "))
    context = shop.tls()
    with socket.create_connection(("127.0.0.1", shop.port)) as plain, context.wrap_socket(plain, server_hostname="shop.test") as new:
        assert new.version() == "TLSv1.3"
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", shop.port)) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname="shop.test")


@proves("client_certificates")
def test_a_client_without_a_certificate_is_refused(on: Installed, app: Origin, tmp_path: Path) -> None:
    clients = tmp_path / "clients"
    clients.mkdir(mode=0o755)
    certificate(clients, "ann")
    site = SITE.replace("tls: {", f"tls: {{client_auth: {{mode: require, ca: '{clients}/cert.pem'}}, ")
    with stack(on, tmp_path, app.address, site) as shop:
        context = shop.tls()
        context.load_cert_chain(clients / "cert.pem", clients / "key.pem")
        with httpx.Client(verify=context, base_url=f"https://127.0.0.1:{shop.port}") as known:
            assert known.get("/", **shop.named("shop.test", {})).status_code == 200
        try:
            status = shop.ask(http2=False).status_code
        except httpx.TransportError:
            status = 0
    assert status in (0, 400)


@proves("acme_webroot")
def test_an_acme_clients_challenges(on: Installed, app: Origin, tmp_path: Path) -> None:
    challenges = tmp_path / "www/.well-known/acme-challenge"
    challenges.mkdir(parents=True)
    (challenges / "token").write_text("answer")
    for folder in (challenges, *challenges.parents):
        if tmp_path in folder.parents:
            folder.chmod(0o755)
    site = SITE.replace("redirect: https", f"redirect: https, acme_webroot: '{tmp_path}/www'")
    with stack(on, tmp_path, app.address, site) as shop:
        assert shop.ask_cleartext("/.well-known/acme-challenge/token").text == "answer"
        assert shop.ask_cleartext("/.well-known/other").status_code == 308


# Who the client is.


@proves("forwarded_rfc7239")
def test_the_client_named_by_forwarded(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"trust: {{forwarded: {{dialect: rfc7239}}}}{SITE}")
    answer = shop.ask(headers=[("forwarded", "for=7.7.7.7"), ("x-forwarded-for", "7.7.7.7")])
    [said] = fields_of(answer, "forwarded")["forwarded"]
    pairs = dict(pair.split("=", 1) for pair in said.replace('"', "").split(";"))
    node = pairs.pop("for")
    assert re.fullmatch(r"127\.0\.0\.1(:[0-9]+)?", node)
    assert pairs == {"proto": "https", "host": f"shop.test:{shop.port}"}
    assert fields_of(answer, "x-forwarded") == {}


@proves("client_address_field", "trusted_proxies")
def test_a_trusted_proxy_names_the_client_in_another_field(on: Installed, stacks: Stacks) -> None:
    site = f'trust: {{trusted_proxies: ["127.0.0.9"], client_address: cf-connecting-ip}}{SITE}'
    said = [("cf-connecting-ip", "192.0.2.7"), ("x-forwarded-for", "7.7.7.7")]
    believed, not_believed = (stacks.get(on, site).ask(headers=said, local=local) for local in ("127.0.0.9", "127.0.0.1"))
    assert fields_of(believed, "x-forwarded-for") == {"x-forwarded-for": ["192.0.2.7"]}
    assert fields_of(not_believed, "x-forwarded-for") == {"x-forwarded-for": ["127.0.0.1"]}


def proxy_header(source: str) -> bytes:
    """Return a PROXY header, version 2, for a TCP connection over IPv4."""
    addresses = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 40000, 443)
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(addresses)) + addresses


def through_a_balancer(shop: Stack, local: str, source: str) -> bytes:
    """Ask from an address, with a PROXY header that names another; empty if there is no answer."""
    try:  # a stranger may be turned away before its connection is complete
        with socket.create_connection(("127.0.0.1", shop.port), DEADLINE, (local, 0)) as plain:
            plain.sendall(proxy_header(source))
            with shop.tls().wrap_socket(plain, server_hostname="shop.test") as client:
                client.sendall(f"GET / HTTP/1.1\r\nHost: shop.test:{shop.port}\r\nConnection: close\r\n\r\n".encode())
                said = b""
                while piece := client.recv(65536):
                    said += piece
                return said
    except (ssl.SSLError, OSError):
        return b""


@proves("proxy_protocol_in")
def test_the_client_behind_a_balancer_that_sends_proxy(on: Installed, stacks: Stacks) -> None:
    site = SITE.replace("    tls:", '    proxy_protocol: {accept: v2, from: ["127.0.0.9"]}\n    tls:')
    shop = stacks.get(on, site)
    said = through_a_balancer(shop, "127.0.0.9", "192.0.2.7")
    assert b'"x-forwarded-for", "192.0.2.7"' in said
    forged = through_a_balancer(shop, "127.0.0.1", "192.0.2.7")
    assert b"192.0.2.7" not in forged
    # Who is not named is turned away, or served as who it is.
    assert b" 200 " not in forged[:20] or b'"x-forwarded-for", "127.0.0.1"' in forged


@contextmanager
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """Accept connections, keep what each begins with, and close it."""
    begun: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    connection, _ = server.accept()
                except TimeoutError:
                    continue
                with connection:
                    connection.settimeout(1)
                    head = b""
                    # The header and what follows it may come in two pieces.
                    with suppress(TimeoutError):
                        while b"PRI * HTTP/2.0" not in head and (piece := connection.recv(200)):
                            head += piece
                    begun.append(head)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}", begun
        finally:
            done.set()
            thread.join()


@pytest.mark.parametrize("sent", ["v1", "v2"])
@proves("proxy_protocol_out_v1", "proxy_protocol_out_v2")
def test_the_proxy_header_names_the_client(on: Installed, tmp_path: Path, sent: str) -> None:
    with listener() as (address, begun):
        options = f"proxy_protocol: {{send: {sent}, i_accept: per-client-connections}}, "
        # Some try to connect again until the time for it is over.
        site = SITE.replace("servers: [", f"{options}servers: [") + "  timeouts: {connect: 200ms}\n"
        with stack(on, tmp_path, address, site) as shop:
            for local in ("127.0.0.2", "127.0.0.3"):
                with suppress(httpx.RemoteProtocolError):  # a stream that was refused
                    assert shop.ask(local=local).status_code in (502, 503)
    if sent == "v1":
        assert {head.split()[2] for head in begun} == {b"127.0.0.2", b"127.0.0.3"}
        assert all(head.startswith(b"PROXY TCP4 ") for head in begun)
    else:
        assert all(head.startswith(b"\r\n\r\n\0\r\nQUIT\n\x21\x11") for head in begun)
        assert {socket.inet_ntoa(head[16:20]) for head in begun} == {"127.0.0.2", "127.0.0.3"}
    assert all(b"PRI * HTTP/2.0" in head for head in begun)


# Streams.


@proves("timeout_tunnel")
def test_a_silent_websocket_is_cut(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"{SITE}  timeouts: {{tunnel: 1s}}\n")
    head = "".join(f"{name}: {value}\r\n" for name, value in [("host", f"shop.test:{shop.port}"), *HANDSHAKE])
    with shop.connection() as client:
        client.sendall(f"GET /ws HTTP/1.1\r\n{head}\r\n".encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 101")
        started = time.monotonic()
        while client.recv(65536):
            pass  # frames that say goodbye, then the end
    assert time.monotonic() - started < DEADLINE


@proves("buffer_requests")
def test_a_buffered_request_arrives_whole(on: Installed, app: Origin, stacks: Stacks) -> None:
    shop = stacks.get(on, f"{SITE}  buffering: {{request: 'on'}}\n")
    before = len(app.seen)

    def slowly() -> Iterator[bytes]:
        yield b"x" * 1000
        time.sleep(0.5)
        assert len(app.seen) == before, "the request was passed on before it was complete"
        yield b"x" * 1000

    assert shop.ask(method="POST", content=slowly(), http2=False).json()["size"] == 2000


@proves("buffer_responses")
def test_a_buffered_response_arrives_whole(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"{SITE}  buffering: {{response: 'on'}}\n")
    assert shop.ask("/a").json()["path"] == "/a"


# What it says about its work.


@proves("log_combined")
def test_the_access_log_that_everybody_has(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"logging: {{format: combined}}{SITE}")
    shop.ask("/loud", headers=[("user-agent", "me")])
    log = shop.folder / "proxy.log"
    until(lambda: re.search(r'"GET /loud HTTP/2(\.0)?" 200 ', log.read_text()) is not None, "the line")


@proves("metrics")
def test_figures_for_prometheus(on: Installed, app: Origin, tmp_path: Path) -> None:
    port = free_port()
    with stack(on, tmp_path, app.address, f'metrics: {{listen: "127.0.0.1:{port}"}}{SITE}') as shop:
        shop.ask()
        figures = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    assert "# TYPE" in figures
    assert on.proxy.replace("apache", "httpd") in figures or "http_requests" in figures
