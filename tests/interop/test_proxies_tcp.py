"""What every proxy does as a listener that passes bytes on: TLS, half-closed connections, and who the client is."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from proxyconf.backend.pair import render
from proxyconf.facts.target import Target
from proxyconf.spec.read import load
from tests.interop.hop import DEADLINE, Installed, Origin, Stack, certificate, free_port, listens, proves, stack, until

# 'h2c' in quotes: what cannot speak it passes it on like anything else, and is not asked for HTTP/1.1 in its place.
BALANCER, STRANGER = "127.0.0.9", "127.0.0.7"
TLS = 'tls: {certificates: [{cert: "${DIR}/cert.pem", key: "${DIR}/cert.pem.key"}]}'
APPLICATION = '''
import json

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    fields = [(name.decode(), value.decode()) for name, value in scope["headers"]]
    said = {"version": scope["http_version"], "scheme": scope["scheme"], "client": scope["client"][0], "fields": fields}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(said).encode()})
'''


@dataclass
class Echo:
    """A server of bytes: it answers with the PROXY header, echoes what follows, and ends with END when the client has ended."""

    port: int

    def serve(self, connection: socket.socket, expects: bool) -> None:
        with connection, suppress(OSError):
            connection.settimeout(DEADLINE)
            if expects:
                connection.sendall(read_header(connection))
            while piece := connection.recv(65536):
                connection.sendall(piece)
            connection.sendall(b"END")


def exactly(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        piece = connection.recv(size - len(got))
        if not piece:
            raise ConnectionError(got)
        got += piece
    return got


def read_header(connection: socket.socket) -> bytes:
    """Read a PROXY header of either version, no byte more."""
    head = exactly(connection, 16)
    if head.startswith(b"PROXY "):
        while not head.endswith(b"\r\n"):
            head += exactly(connection, 1)
        return head
    return head + exactly(connection, struct.unpack("!H", head[14:16])[0])


def told(said: bytes) -> tuple[str, bytes]:
    """Return the client that the PROXY header at the front of an answer names, and what follows it."""
    if said.startswith(b"PROXY TCP"):
        header, _, rest = said.partition(b"\r\n")
        return header.split()[2].decode(), rest
    assert said.startswith(b"\r\n\r\n\0\r\nQUIT\n\x21"), said
    family, size = (socket.AF_INET, 4) if said[13] == 0x11 else (socket.AF_INET6, 16)
    return socket.inet_ntop(family, said[16 : 16 + size]), said[16 + struct.unpack("!H", said[14:16])[0] :]


@contextmanager
def echo(expects: bool) -> Iterator[Echo]:
    """Serve bytes; `expects`: a PROXY header comes first."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Echo(server.getsockname()[1])

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=made.serve, args=(connection, expects), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(DEADLINE)


@dataclass
class Passing:
    """A running proxy with a listener of each kind, before servers of bytes."""

    shop: Stack
    plain: int
    named: dict[str, int]
    """The ports of listeners that send a PROXY header, by its version."""


def site(on: Installed, app: str, plain: tuple[int, int], named: dict[str, tuple[int, int]]) -> str:
    """Return a site of nothing but listeners that pass bytes on; ports come in pairs, of the listener and of the server."""
    listeners = f"  plain: {{address: '127.0.0.1:{plain[0]}', mode: tcp, upstream: 'http1://127.0.0.1:{plain[1]}'}}\n"
    upstreams = f"  app: {{protocol: 'h2c', servers: ['{app}']}}\n"
    for sent, (port, server) in named.items():
        # Every address of the machine: one socket for both families must not name an IPv4 client ::ffff:127.0.0.2.
        everywhere = f":{port}" if here_is_ipv6() else f"127.0.0.1:{port}"
        listeners += f"  {sent}: {{address: '{everywhere}', mode: tcp, upstream: {sent}}}\n"
        upstreams += f"  {sent}: {{protocol: 'h2c', servers: ['127.0.0.1:{server}'], proxy_protocol: {{send: {sent}}}}}\n"
    edge = f'  edge: {{address: "127.0.0.1:${{HTTPS}}", mode: tcp, upstream: app, {TLS}}}\n'
    return f"targets: [{{proxy: nginx, modules: [stream_dynamic]}}]\nlisteners:\n{edge}{listeners}upstreams:\n{upstreams}"


@pytest.fixture(scope="module")
def passing(app: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with ExitStack() as exits:
        yield Running(app, tmp_path_factory, exits)


class Running:
    """Proxies that are running, each started once."""

    def __init__(self, app: Origin, factory: pytest.TempPathFactory, exits: ExitStack) -> None:
        self._app, self._factory, self._exits = app, factory, exits
        self._made: dict[Installed, Passing] = {}

    def get(self, on: Installed) -> Passing:
        """Return the proxy that passes bytes on."""
        if on not in self._made:
            bare = self._exits.enter_context(echo(expects=False))
            sent = [one for one in ("v1", "v2") if on.can(f"tcp_proxy_protocol_{one}")]
            behind = self._exits.enter_context(echo(expects=True))
            plain, ports = free_port(), {one: free_port() for one in sent}
            text = site(on, self._app.address, (plain, bare.port), {one: (ports[one], behind.port) for one in sent})
            shop = self._exits.enter_context(stack(on, self._factory.mktemp(on.proxy), self._app.address, text))
            until_all_listen(plain, *ports.values())
            self._made[on] = Passing(shop, plain, ports)
        return self._made[on]


def until_all_listen(*ports: int) -> None:
    until(lambda: all(listens(("127.0.0.1", port)) for port in ports), f"all of {ports}")


def passed(port: int, data: bytes, local: str = "127.0.0.1") -> bytes:
    """Send bytes from an address, end, and return what came back; empty if nothing did."""
    to = "::1" if ":" in local else "127.0.0.1"
    with suppress(OSError), socket.create_connection((to, port), DEADLINE, (local, 0)) as client:
        got = b""
        sender = threading.Thread(target=send_all, args=(client, data), daemon=True)
        sender.start()
        while piece := client.recv(65536):
            got += piece
        sender.join(DEADLINE)
        return got
    return b""


def send_all(client: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)


@proves("tcp_listener", "tls_files")
def test_bytes_are_passed_on_behind_tls(on: Installed, passing: Running) -> None:
    shop = passing.get(on).shop
    second = shop.ask("/a", method="POST", content=bytes(4 * 2**20), http2=True)
    assert (second.http_version, second.json()["version"], second.json()["size"]) == ("HTTP/2", "2", 4 * 2**20)
    first = shop.ask("/a", http2=False)
    assert (first.http_version, first.json()["version"]) == ("HTTP/1.1", "1.1")


@proves("tcp_listener")
def test_who_has_ended_still_gets_all_of_the_answer(on: Installed, passing: Running) -> None:
    data = os.urandom(3 * 2**20)
    assert passed(passing.get(on).plain, data) == data + b"END"


def here_is_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False


def names_the_client(here: Passing, sent: str) -> None:
    for local in ("127.0.0.2", "127.0.0.3", *(["::1"] if here_is_ipv6() else [])):
        # What a client says of itself, and in the form of a header, is passed on like anything else.
        data = b"PROXY TCP4 7.7.7.7 7.7.7.7 1 1\r\nX-Forwarded-For: 7.7.7.7\r\n\r\n"
        said = passed(here.named[sent], data, local)
        assert told(said) == (local, data + b"END")
        assert said.startswith(b"PROXY ") == (sent == "v1")


@proves("tcp_proxy_protocol_v1")
def test_version_1_names_the_client(on: Installed, passing: Running) -> None:
    names_the_client(passing.get(on), "v1")


@proves("tcp_proxy_protocol_v2")
def test_version_2_names_the_client(on: Installed, passing: Running) -> None:
    names_the_client(passing.get(on), "v2")


def exchanged(port: int, local: str, header: bytes = b"") -> bytes:
    """Send a greeting, read it back, end, and return all that came; empty if nothing did."""
    got = b""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), DEADLINE, (local, 0)) as client:
        client.sendall(header + b"hello")
        # Not at once: Envoy closes a connection that ends before its PROXY header is read.
        while not got.endswith(b"hello") and (piece := client.recv(65536)):
            got += piece
        client.shutdown(socket.SHUT_WR)
        while piece := client.recv(65536):
            got += piece
    return got


def balancers_word(source: str) -> bytes:
    """Return a PROXY header, version 2, that names a client."""
    addresses = socket.inet_aton(source) + socket.inet_aton("127.0.0.1") + struct.pack("!HH", 40000, 443)
    return b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack("!H", len(addresses)) + addresses


@proves("tcp_listener", "tcp_proxy_protocol_v1", "proxy_protocol_in")
def test_the_client_through_a_chain_of_two(on: Installed, passing: Running, tmp_path: Path) -> None:
    sent = "v2" if on.can("tcp_proxy_protocol_v2") else "v1"
    front = [one for one in ("v1", "v2") if on.can(f"tcp_proxy_protocol_{one}")][-1]
    first, second, balanced = free_port(), free_port(), free_port()
    with echo(expects=True) as last, ExitStack() as exits:
        behind = (
            f"targets: [{{proxy: nginx, modules: [stream_dynamic]}}]\nlisteners:\n"
            f'  dummy: {{address: "127.0.0.1:${{HTTPS}}", mode: tcp, upstream: last, {TLS}}}\n'
            f"  chained: {{address: '127.0.0.1:{second}', mode: tcp, upstream: last, proxy_protocol: {{accept: {front}, from: [127.0.0.1]}}}}\n"
            f"  balanced: {{address: '127.0.0.1:{balanced}', mode: tcp, upstream: last, proxy_protocol: {{accept: v2, from: [{BALANCER}]}}}}\n"
            f"upstreams: {{last: {{protocol: http1, servers: ['127.0.0.1:{last.port}'], proxy_protocol: {{send: {sent}}}}}}}\n"
        )
        before = (
            f"targets: [{{proxy: nginx, modules: [stream_dynamic]}}]\nlisteners:\n"
            f'  dummy: {{address: "127.0.0.1:${{HTTPS}}", mode: tcp, upstream: next, {TLS}}}\n'
            f"  front: {{address: '127.0.0.1:{first}', mode: tcp, upstream: next}}\n"
            f"upstreams: {{next: {{protocol: http1, servers: ['127.0.0.1:{second}'], proxy_protocol: {{send: {front}}}}}}}\n"
        )
        for name, text in (("behind", behind), ("before", before)):
            (tmp_path / name).mkdir()
            exits.enter_context(stack(on, tmp_path / name, "", text))
        until_all_listen(first, second, balanced)
        assert told(exchanged(first, "127.0.0.5")) == ("127.0.0.5", b"helloEND")
        assert told(exchanged(balanced, BALANCER, balancers_word("192.0.2.7"))) == ("192.0.2.7", b"helloEND")
        # Who is no balancer is turned away, or is who it is.
        forged = exchanged(balanced, STRANGER, balancers_word("192.0.2.8"))
        assert forged == b"" or told(forged)[0] == STRANGER


@proves("tcp_listener", "tcp_timeout_tunnel")
def test_a_silent_connection_is_closed(on: Installed, tmp_path: Path) -> None:
    silent = free_port()
    with echo(expects=False) as last:
        text = (
            f"targets: [{{proxy: nginx, modules: [stream_dynamic]}}]\nlisteners:\n"
            f'  edge: {{address: "127.0.0.1:${{HTTPS}}", mode: tcp, upstream: "http1://127.0.0.1:{last.port}", {TLS}}}\n'
            f"  silent: {{address: '127.0.0.1:{silent}', mode: tcp, upstream: 'http1://127.0.0.1:{last.port}', timeouts: {{tunnel: 1s}}}}\n"
        )
        with stack(on, tmp_path, "", text):
            until_all_listen(silent)
            with socket.create_connection(("127.0.0.1", silent), DEADLINE) as client:
                client.settimeout(DEADLINE)
                client.sendall(b"hello")
                assert exactly(client, 5) == b"hello"
                with suppress(ConnectionResetError):  # either way it is closed, within the deadline
                    assert client.recv(100) in (b"", b"END")


@proves("tcp_listener", "health_check_tcp")
def test_a_server_that_takes_no_connection_gets_no_client(on: Installed, tmp_path: Path) -> None:
    edge, dead = free_port(), free_port()
    with echo(expects=False) as last:
        text = (
            f'listeners:\n  tls: {{address: "127.0.0.1:${{HTTPS}}", mode: tcp, upstream: both, {TLS}}}\n'
            f"  edge: {{address: '127.0.0.1:{edge}', mode: tcp, upstream: both}}\n"
            f"upstreams: {{both: {{protocol: http1, servers: ['127.0.0.1:{dead}', '127.0.0.1:{last.port}'],"
            " health_check: {tcp: true, interval: 100ms, timeout: 2s, healthy_threshold: 1, unhealthy_threshold: 1}}}\n"
        )
        with stack(on, tmp_path, "", text):
            # Before the first check both are tried.
            until(lambda: [exchanged(edge, "127.0.0.1") for _ in range(6)] == [b"helloEND"] * 6, "the dead one is left out")


@contextmanager
def our_server(on: Installed, folder: Path, sent: str, tls: str, own: str = "") -> Iterator[tuple[Stack, int]]:
    """Run our own server by what `proxyconf pair` writes for it, behind a listener that passes bytes on."""
    port = free_port()
    text = (
        f"targets: [{{proxy: nginx, modules: [stream_dynamic]}}]\nappserver: {{app: 'told_app:app', drain: 1s{own}}}\n"
        f'listeners: {{edge: {{address: "127.0.0.1:${{HTTPS}}", mode: tcp, upstream: app{tls}}}}}\n'
        f"upstreams: {{app: {{protocol: 'h2c', servers: ['127.0.0.1:{port}'], proxy_protocol: {{send: {sent}}}}}}}\n"
    )
    certificate(folder, "shop.test")
    file = load("site.yaml", text.encode(), {"HTTPS": "1", "DIR": str(folder)})
    made = render(file.deployment, (Target.of(on.proxy, file.spec),))
    (folder / "appserver.toml").write_text(made.files["appserver.toml"])
    (folder / "told_app.py").write_text(APPLICATION)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "appserver", "-c", "appserver.toml"], cwd=folder, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: listens(("127.0.0.1", port)) or process.poll() is not None, "our server")
        assert process.poll() is None, (folder / "server.log").read_text()
        with stack(on, folder, "", text) as shop:
            yield shop, port
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


SAID = [("x-forwarded-for", "7.7.7.7"), ("x-forwarded-proto", "ftp"), ("x-real-ip", "7.7.7.7"), ("forwarded", "for=7.7.7.7")]


@proves("tcp_tells_tls")
def test_our_server_sees_the_client_and_the_scheme(on: Installed, tmp_path: Path) -> None:
    with our_server(on, tmp_path, "v2", f", {TLS}") as (shop, port):
        # Past the proxy nobody gets a word out of it.
        assert passed(port, b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n") == b""
        seen = shop.ask(headers=SAID, local="127.0.0.6").json()
    assert (seen["version"], seen["client"], seen["scheme"]) == ("2", "127.0.0.6", "https")
    assert not [value for name, value in seen["fields"] if "7.7.7.7" in value or name == "x-forwarded-proto"]


@proves("tcp_proxy_protocol_v1")
def test_our_server_believes_only_the_header(on: Installed, tmp_path: Path) -> None:
    with our_server(on, tmp_path, "v1", f", {TLS}") as (shop, port):
        # Past the proxy nobody gets a word out of it.
        assert passed(port, b"GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n") == b""
        seen = shop.ask(headers=SAID, local="127.0.0.6").json()
    assert (seen["version"], seen["client"], seen["scheme"]) == ("2", "127.0.0.6", "http")
    assert not [value for _, value in seen["fields"] if "7.7.7.7" in value]


@proves("tcp_proxy_protocol_v1")
def test_our_server_ends_tls_itself_behind_the_header(on: Installed, tmp_path: Path) -> None:
    own = ', certificates: [{cert: "${DIR}/cert.pem", key: "${DIR}/cert.pem.key"}]'
    with our_server(on, tmp_path, "v1", "", own) as (shop, _):
        until(shop.shows_its_certificate, "the certificate of our server")
        seen = shop.ask(headers=SAID, local="127.0.0.6").json()
    assert (seen["version"], seen["client"], seen["scheme"]) == ("2", "127.0.0.6", "https")
    assert not [value for _, value in seen["fields"] if "7.7.7.7" in value]
