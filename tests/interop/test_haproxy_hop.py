"""What only HAProxy has, on the real program: keys of other names, names that are looked up again, an upstream over TLS."""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import httpx
import pytest

from proxyconf.facts.table import Version
from tests.interop import hop
from tests.interop.hop import (
    DEADLINE,
    SITE,
    Installed,
    Origin,
    Stack,
    Stacks,
    certificate,
    fields_of,
    free_port,
    listens,
    origin,
    proves,
    stack,
    until,
)  # fmt: skip
from tests.interop.test_proxies import echo
from tests.interop.test_proxies_upstreams import tls_origin

ONLY = ("haproxy",)


def raw_answer(shop: Stack, request: str) -> bytes:
    """Send one request as it stands and return all that comes back."""
    with shop.connection() as client:
        client.sendall(request.replace("HOST", f"shop.test:{shop.port}").encode())
        said = b""
        while piece := client.recv(65536):
            said += piece
    return said


@proves("tls_files", "response_head_timeout", proxies=ONLY)
def test_a_key_in_a_file_of_another_name(on: Installed, stacks: Stacks) -> None:
    assert stacks.get(on, SITE.replace("cert.pem.key", "key.pem")).ask().status_code == 200


@proves("websocket_split", "h2c_upstream", proxies=ONLY)
def test_websocket_over_http1_beside_an_h2c_hop(on: Installed, app: Origin, stacks: Stacks) -> None:
    shop = stacks.get(on, SITE.replace("protocol: h2c", "protocol: h2c, websocket: over_http1"))
    assert echo(shop) == b"\x81\x05hello"
    assert app.seen[-1]["http_version"] == "1.1"
    assert shop.ask().json()["version"] == "2"


@pytest.mark.parametrize("protocol", ["h2c", "http1"])
@proves("websocket_over_h2", proxies=ONLY)
def test_websocket_of_an_http2_client(on: Installed, stacks: Stacks, protocol: str) -> None:
    shop = stacks.get(on, SITE.replace("protocol: h2c", f"protocol: {protocol}"))
    connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
    with shop.connection("h2") as client:
        connection.initiate_connection()
        head = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/ws"),
                (":authority", f"shop.test:{shop.port}"), ("sec-websocket-version", "13")]  # fmt: skip
        connection.send_headers(1, head)
        client.sendall(connection.data_to_send())
        status = ""
        while not status:
            for event in connection.receive_data(client.recv(65536)):
                if isinstance(event, h2.events.ResponseReceived):
                    status = next(str(value) for name, value in event.headers if str(name) == ":status")
            client.sendall(connection.data_to_send())
    assert status == "200"


@pytest.mark.parametrize("protocol", ["h2c", "http1"])
@proves("forwarded_set", proxies=ONLY)
def test_no_other_upgrade_and_no_tunnel_leaves_http(on: Installed, app: Origin, stacks: Stacks, protocol: str) -> None:
    shop = stacks.get(on, SITE.replace("protocol: h2c", f"protocol: {protocol}"))
    before = len(app.seen)
    for words in ("Upgrade: h2c", "Upgrade: websocket, h2c", "Upgrade: websocket\r\nUpgrade: h2c"):
        request = f"GET /up HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade, HTTP2-Settings\r\n{words}\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
        with shop.connection() as client:
            client.sendall(request.replace("HOST", f"shop.test:{shop.port}").encode())
            assert client.recv(65536).startswith((b"HTTP/1.1 200", b"HTTP/1.1 400"))
    for scope in app.seen[before:]:
        assert (scope["type"], scope["method"]) == ("http", "GET")
        assert not {b"upgrade", b"http2-settings"} & {name for name, _ in scope["headers"]}
    assert raw_answer(shop, "CONNECT HOST HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n").startswith(b"HTTP/1.1 405")


@proves("websocket_over_h2", proxies=ONLY)
def test_no_websocket_where_none_is_let_through(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, SITE.replace("protocol: h2c", "protocol: h2c, websocket: 'off'"))
    asks = "GET /ws HTTP/1.1\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    with shop.connection() as client:
        client.sendall(asks.replace("HOST", f"shop.test:{shop.port}").encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 403")


@contextmanager
def recorder() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Speak HTTP/2 in cleartext, keep the fields of requests with their pseudo fields, and answer 200."""
    seen: list[dict[str, str]] = []
    done = threading.Event()

    def serve_one(connection: socket.socket) -> None:
        http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        http.initiate_connection()
        with connection:
            connection.settimeout(DEADLINE)
            connection.sendall(http.data_to_send())
            while piece := connection.recv(65536):
                for event in http.receive_data(piece):
                    if isinstance(event, h2.events.RequestReceived):
                        seen.append({str(name): str(value) for name, value in event.headers})
                        http.send_headers(event.stream_id, [(":status", "200")], end_stream=True)
                connection.sendall(http.data_to_send())

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)

        def serve_all() -> None:
            while not done.is_set():
                with suppress(TimeoutError):
                    threading.Thread(target=serve_one, args=(server.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=serve_all, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}", seen
        finally:
            done.set()
            thread.join()


@proves("h2c_upstream", proxies=ONLY)
def test_a_client_does_not_choose_the_scheme(on: Installed, tmp_path: Path) -> None:
    configuration = h2.config.H2Configuration(header_encoding="utf-8", validate_outbound_headers=False)
    connection = h2.connection.H2Connection(configuration)
    with recorder() as (address, seen), stack(on, tmp_path, address) as shop, shop.connection("h2") as client:
        connection.initiate_connection()
        for stream, scheme in ((1, "http"), (3, "gopher"), (5, "https")):
            head = [(":method", "GET"), (":scheme", scheme), (":path", "/a%2Fb/../c?x=1"), (":authority", f"shop.test:{shop.port}")]
            connection.send_headers(stream, head, end_stream=True)
        client.sendall(connection.data_to_send())
        ended = 0
        while ended < 3:
            for event in connection.receive_data(client.recv(65536)):
                ended += isinstance(event, h2.events.StreamEnded | h2.events.StreamReset)
            client.sendall(connection.data_to_send())
    assert {(fields[":scheme"], fields[":path"], fields[":authority"]) for fields in seen} == {
        ("https", "/a%2Fb/../c?x=1", f"shop.test:{shop.port}")
    }


@pytest.mark.parametrize("target", ["/a", "https://HOST/a", "http://HOST/a"])
@proves("h2c_upstream", proxies=ONLY)
def test_nor_does_one_of_http1(on: Installed, tmp_path: Path, target: str) -> None:
    with recorder() as (address, seen), stack(on, tmp_path, address, SITE.replace(", redirect: https", "")) as shop:
        request = f"GET {target} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n"
        assert b" 200 " in raw_answer(shop, request).partition(b"\r\n")[0]
        with socket.create_connection(("127.0.0.1", shop.http_port), timeout=DEADLINE) as client:
            client.sendall(request.replace("HOST", f"shop.test:{shop.http_port}").encode())
            while client.recv(65536):
                pass
    found = [(fields[":scheme"], fields[":path"]) for fields in seen]
    assert found == [("https", "/a"), ("http", "/a")]


# Who the client is.


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ("7.7.7.7, 8.8.8.8, 127.0.0.10", "8.8.8.8"), ("7.7.7.7, unknown", "127.0.0.9"), ("7.7.7.7, unknown, 127.0.0.10", "127.0.0.10"),
        ("127.0.0.10", "127.0.0.10"), ("7.7.7.7, 2001:db8::1", "2001:db8::1"), (", ".join(["7.7.7.7"] + ["127.0.0.10"] * 8), "127.0.0.10"),
    ],
)  # fmt: skip
@proves("trusted_proxies", proxies=ONLY)
def test_nothing_left_of_the_first_stranger_is_read(on: Installed, stacks: Stacks, said: str, client: str) -> None:
    shop = stacks.get(on, f'trust: {{trusted_proxies: ["127.0.0.9", "127.0.0.10"]}}{SITE}')
    answer = shop.ask(headers=[("x-forwarded-for", said)], local="127.0.0.9")
    assert fields_of(answer, "x-forwarded-for") == {"x-forwarded-for": [client]}


@proves("trusted_proxies", proxies=ONLY)
def test_each_request_of_a_connection_has_its_own_client(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f'trust: {{trusted_proxies: ["127.0.0.9", "127.0.0.10"]}}{SITE}')
    with shop.client(local="127.0.0.9") as client:
        seen = [
            fields_of(client.get("/", **shop.named("shop.test", {"headers": headers})), "x-forwarded-for")["x-forwarded-for"]
            for headers in ([("x-forwarded-for", "8.8.8.8")], [], [("x-forwarded-for", "9.9.9.9")])
        ]
    assert seen == [["8.8.8.8"], ["127.0.0.9"], ["9.9.9.9"]]


@proves("client_address_forwarded", "trusted_proxies", proxies=ONLY)
def test_a_trusted_proxy_names_the_client_by_forwarded(on: Installed, stacks: Stacks) -> None:
    site = f'trust: {{trusted_proxies: ["127.0.0.9"], client_address: forwarded}}{SITE}'
    said = [("forwarded", 'for=7.7.7.7, for="[2001:db8::1]:8000";proto=http'), ("x-forwarded-for", "6.6.6.6")]
    believed, not_believed = (stacks.get(on, site).ask(headers=said, local=local) for local in ("127.0.0.9", "127.0.0.1"))
    assert fields_of(believed, "x-forwarded-for") == {"x-forwarded-for": ["2001:db8::1"]}
    assert fields_of(not_believed, "x-forwarded-for") == {"x-forwarded-for": ["127.0.0.1"]}


@proves("any_host", "forwarded_rfc7239", proxies=ONLY)
def test_a_host_does_not_break_out_of_forwarded(on: Installed, stacks: Stacks) -> None:
    site = f"trust: {{forwarded: {{dialect: rfc7239}}}}{SITE.replace('[shop.test]', 'any')}"
    with stacks.get(on, site).client(http2=False) as client:
        assert client.get("/", headers={"host": 'x";for=7.7.7.7;a="'}).status_code == 400


@proves("any_host", proxies=ONLY)
def test_an_ipv4_client_of_every_address_is_named_by_ipv4(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, SITE.replace('"127.0.0.1:${HTTPS}"', '":${HTTPS}"'))
    assert fields_of(shop.ask(), "x-forwarded-for") == {"x-forwarded-for": ["127.0.0.1"]}


# Servers.


@proves("h2_upstream", proxies=ONLY)
def test_an_upstream_over_tls_and_the_machine_s_authorities(on: Installed, tmp_path: Path) -> None:
    served = tmp_path / "served"
    served.mkdir()
    certificate(served, "localhost")
    site = SITE.replace("protocol: h2c", "protocol: h2") + "  timeouts: {connect: 300ms}\n"
    # They know nothing of ours.
    with tls_origin(served) as address, stack(on, tmp_path, "", site.replace("${APP}", address)) as shop:
        assert shop.ask().status_code in (502, 503)


@contextmanager
def edited(on: Installed, folder: Path, site: str, old: str, new: str) -> Iterator[Stack]:
    """Run a site with one word exchanged for what only this test's machine has."""

    def rendered(*arguments: object) -> object:
        bundle = original(*arguments)  # type: ignore[arg-type]  # passed through
        if not bundle.refused:
            assert old in bundle.files["haproxy.cfg"]
            bundle.files["haproxy.cfg"] = bundle.files["haproxy.cfg"].replace(old, new)
        return bundle

    original = hop.rendered
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hop, "rendered", rendered)
        with stack(on, folder, "", site) as shop:
            yield shop


@contextmanager
def name_server(addresses: list[str]) -> Iterator[int]:
    """Answer every A question with the last of `addresses`."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        done = threading.Event()

        def serve_names() -> None:
            while not done.is_set():
                try:
                    question, peer = server.recvfrom(4096)
                except TimeoutError:
                    continue
                end = question.index(b"\0", 12) + 5
                is_a = question[end - 4 : end - 2] == b"\0\x01"
                answer = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 1, 4) + socket.inet_aton(addresses[-1]) if is_a else b""
                head = question[:2] + b"\x81\x80" + struct.pack("!HHHH", 1, int(is_a), 0, 0)
                server.sendto(head + question[12:end] + answer, peer)

        thread = threading.Thread(target=serve_names, daemon=True)
        thread.start()
        try:
            yield int(server.getsockname()[1])
        finally:
            done.set()
            thread.join()


@proves("resolve", proxies=ONLY)
def test_a_name_is_looked_up_again(on: Installed, tmp_path: Path) -> None:
    port = free_port()
    addresses = ["127.0.0.1"]
    site = SITE.replace('servers: ["${APP}"]', f'servers: ["app.test:{port}"], resolve: 1s') + "  timeouts: {connect: 300ms}\n"
    with name_server(addresses) as names, ExitStack() as first:
        by = first.enter_context(origin(f"127.0.0.1:{port}")).address
        # The machine's own name servers know no name of ours.
        ours = f"nameserver test 127.0.0.1:{names}\n    timeout resolve 200ms"
        with edited(on, tmp_path, site, "parse-resolv-conf", ours) as shop:

            def answering() -> str:
                # A request that meets a connection which is just closed is refused, for the client to repeat.
                with suppress(httpx.RemoteProtocolError):
                    answer = shop.ask()
                    return str(answer.json()["by"]) if answer.status_code == 200 else ""
                return ""

            until(lambda: answering() == by, "the first address")
            addresses.append("127.0.0.3")
            with origin(f"127.0.0.3:{port}") as second:
                first.close()  # as a container is that was replaced
                until(lambda: answering() == second.address, "the second address")


@proves("admin_unix", proxies=ONLY)
def test_admin_on_a_unix_socket(on: Installed, app: Origin, tmp_path: Path) -> None:
    site = f'targets: [{{proxy: haproxy, admin: "unix:{tmp_path}/admin.sock"}}]{SITE}'
    with stack(on, tmp_path, app.address, site), socket.socket(socket.AF_UNIX) as client:
        # It is renamed into its place after the edge's port listens.
        until(lambda: listens(f"{tmp_path}/admin.sock"), "the admin socket")
        client.connect(f"{tmp_path}/admin.sock")
        assert (tmp_path / "admin.sock").stat().st_mode & 0o777 == 0o600
        client.sendall(b"show servers state\n")
        client.settimeout(DEADLINE)
        assert re.search(rb"\d app \d s1 127.0.0.1", client.recv(65536))


@pytest.mark.parametrize("http2", [True, False])
@proves("request_body_limit", proxies=ONLY)
def test_a_body_of_unknown_length_is_bounded(on: Installed, stacks: Stacks, http2: bool) -> None:
    shop = stacks.get(on, f"{SITE}  limits: {{request_body: 20KiB}}\n")

    def pieces(size: int) -> Iterator[bytes]:
        yield b"x" * 1000
        time.sleep(0.1)  # the head alone comes first, or HAProxy would know the whole
        yield b"x" * (size - 1000)

    assert shop.ask(method="POST", content=pieces(20 * 1024), http2=http2).json()["size"] == 20 * 1024
    for method, size in (("POST", 20 * 1024 + 2), ("GET", 20 * 1024 + 2), ("POST", 30_000)):
        try:
            status = shop.ask(method=method, content=pieces(size), http2=http2).status_code
        except httpx.RemoteProtocolError:
            # 2.6 ends an HTTP/1.1 connection without its 413.
            assert (http2, on.version < Version.parse("3.0")) == (False, True)
            status = 413
        assert status == 413
    assert shop.ask(method="POST", content=b"x" * (20 * 1024 + 1), http2=http2).status_code == 413


@proves("request_header_limit", proxies=ONLY)
def test_a_shorter_head_on_one_route(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"{SITE}  routes:\n  - {{path: /short, upstream: app, limits: {{request_headers: 2KiB}}}}\n")
    assert [shop.ask(path, headers=[("x-long", "x" * 3000)]).status_code for path in ("/short", "/")] == [431, 200]


@proves("redirect_rest", proxies=ONLY)
def test_a_redirect_leads_to_no_other_host(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"{SITE}  routes:\n  - {{path: /old/, redirect: {{to: /, keep_rest: true}}}}\n")
    found = raw_answer(shop, "GET /old//evil.test/x HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n").lower()
    assert b"location: /evil.test/x\r\n" in found


HOSTILE_VALUE = r"""a \"b\" 'c' $HOME %[env(HOME)] %% {d} #e \\n"""
HOSTILE_ROUTES = r"""  headers: {request: {set: {X-A: "VALUE"}}, response: {set: {X-B: "VALUE"}}}
  routes:
  - {path: "/a'b(c)$d*+,;%20/", upstream: app, replace_prefix: "/e'f$%25("}
  - {path: "/r'$%22/", redirect: {to: "/s'$%22%[env(HOME)]", keep_rest: true}}
  - {regex: "^/it's[(]\\$%[0-9]+(?:a|b){2}$", respond: {status: 299, body: "VALUE"}}
  - {match: {path: /x, headers: {X-Y: "-f } || { always_true"}}, respond: {status: 298}}
""".replace("VALUE", HOSTILE_VALUE)


@proves("headers_set", "replace_prefix", "redirect_rest", "match_regex", "match_headers", proxies=ONLY)
def test_hostile_texts_of_a_site_mean_themselves(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"{SITE}{HOSTILE_ROUTES}")
    meant = r"""a "b" 'c' $HOME %[env(HOME)] %% {d} #e \n"""
    paths = ("/a'b(c)$d*+,;%20/x/y?z=1", "/abcd/x", "/r'$%22/q?w=1", "/it's($%12ab", "/it's($%12ac")
    said = [raw_answer(shop, f"GET {path} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n").decode() for path in paths]
    assert '"path": "/e\'f$%25(/x/y", "query": "z=1"' in said[0]
    assert json.dumps(["x-a", meant]) in said[0]
    assert '"path": "/abcd/x"' in said[1]
    assert "location: /s'$%22%[env(HOME)]/q?w=1\r\n" in said[2]
    assert said[3].startswith("HTTP/1.1 299")
    assert said[3].endswith(meant)
    assert said[4].startswith("HTTP/1.1 200")
    assert all(f"x-b: {meant}\r\n" in one for one in said)
    assert [shop.ask("/x", headers=[("x-y", value)]).status_code for value in ("-f } || { always_true", "other")] == [298, 200]
