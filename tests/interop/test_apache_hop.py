"""What only Apache is like, run."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h2.config
import h2.connection
import h2.events
import httpx
import pytest

from proxyconf.verify.outcome import Verdict
from proxyconf.verify.subject import Feature
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
    origin,
    proves,
    stack,
    until,
)
from tests.interop.test_proxies import HANDSHAKE, LIMITED, MASKED_HELLO, echo, together
from tests.interop.test_proxies_probes import SITE as PROBED
from tests.interop.test_proxies_probes import probed
from tests.interop.test_proxies_routes import site

BRIEF = f"{SITE}  timeouts: {{request: 600ms}}\n"  # Apache makes a second of it, once read as 600
GRPC = SITE.replace("protocol: h2c", "protocol: grpc")
HINTS_OFF = PROBED.replace("limits:", "early_hints: off, limits:")


@proves("grpc_upstream", proxies=("apache",))
def test_one_call_at_a_time_on_a_connection(on: Installed, stacks: Stacks) -> None:
    """What the table says `never` of: twenty at once are on as many connections."""
    answers = together(stacks.get(on, GRPC), 20)
    assert len({tuple(answer.json()["client"]) for answer in answers}) > 4


@proves("grpc_upstream", proxies=("apache",))
def test_why_h2c_is_refused(on: Installed, tmp_path: Path) -> None:
    """mod_proxy_http2 shows a broken response as whole, and sends a failed request again; gRPC has a status, and bodies."""

    async def breaks_off(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        asked.append(scope["path"])
        if scope["path"] == "/hang":
            await asyncio.sleep(3)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ConnectionResetError

    asked: list[str] = []
    with origin(f"127.0.0.1:{free_port()}", breaks_off) as own, stack(on, tmp_path, own.address, f"{GRPC}  timeouts: {{request: 600ms}}\n") as shop:
        assert shop.ask(http2=False).content.startswith(b"half")
        assert shop.ask("/hang").status_code == 503
    assert asked == ["/", "/hang", "/hang"]


@proves("http2_edge", proxies=("apache",))
def test_a_new_client_has_few_requests_at_once(on: Installed, tmp_path: Path) -> None:
    """What the table says `never` of: mod_http2 begins with six, and lets in more as time goes."""

    async def ask(shop: Stack) -> list[int]:
        transport = httpx.AsyncHTTPTransport(verify=shop.tls(), http2=True)
        async with httpx.AsyncClient(transport=transport, base_url=f"https://127.0.0.1:{shop.port}", timeout=DEADLINE) as client:
            asked = [client.get("/slow", **shop.named("shop.test", {})) for _ in range(30)]
            return [answer.status_code for answer in await asyncio.gather(*asked)]

    with origin(f"127.0.0.1:{free_port()}") as own, stack(on, tmp_path, own.address) as shop:
        assert asyncio.run(ask(shop)) == [200] * 30
        assert own.most_at_once < 30


@proves("websocket_split", proxies=("apache",))
def test_a_websocket_where_the_site_says_h2c(on: Installed, stacks: Stacks) -> None:
    said = SITE.replace("protocol: h2c", 'protocol: "h2c"')
    assert echo(stacks.get(on, f"policy: {{features: {{h2c_upstream: degrade}}}}{said}")) == b"\x81\x05hello"


@proves("grpc_upstream", proxies=("apache",))
def test_a_route_for_grpc_is_http2_where_the_site_says_h2c(on: Installed, stacks: Stacks) -> None:
    said = SITE.replace("protocol: h2c", 'protocol: "h2c"')
    routes = "  routes: [{match: {grpc: {service: shop.v1.Cart}}, upstream: app}]\n"
    shop = stacks.get(on, f"policy: {{features: {{h2c_upstream: degrade}}}}{said}{routes}")
    call = shop.ask("/shop.v1.Cart/Add", method="POST", headers=[("content-type", "application/grpc")], content=b"x")
    assert [call.json()["version"], shop.ask().json()["version"]] == ["2", "1.1"]


@proves("response_head_timeout", proxies=("apache",))
def test_a_hanging_application_is_an_error_of_the_gateway(on: Installed, stacks: Stacks) -> None:
    assert stacks.get(on, BRIEF).ask("/hang").status_code == 502


@pytest.mark.parametrize(("method", "content", "protocol"), [("GET", b"", "h2c"), ("POST", b"", "h2c"), ("POST", b"x", "h2c"), ("POST", b"x", "grpc")])
@proves("http1_upstream", "grpc_upstream", proxies=("apache",))
def test_what_was_sent_is_not_sent_again(on: Installed, tmp_path: Path, method: str, content: bytes, protocol: str) -> None:
    """With a body, mod_proxy_http2 alone would ask the next server."""
    with origin(f"127.0.0.1:{free_port()}") as first, origin(f"127.0.0.1:{free_port()}") as second:
        servers = f'servers: ["{first.address}", "{second.address}"]'
        site = BRIEF.replace('servers: ["${APP}"]', servers).replace("protocol: h2c", f"protocol: {protocol}")
        with stack(on, tmp_path, "", site) as shop:
            assert shop.ask("/hang", method=method, content=content).status_code in (502, 503)
        assert len(first.seen) + len(second.seen) == 1


@proves("streaming", proxies=("apache",))
def test_a_request_body_is_passed_on_as_it_comes(on: Installed, tmp_path: Path) -> None:
    """What mod_proxy_http does only if it is told to; the response waits for the end of the request all the same."""

    async def collects(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        more = True
        while more:
            event = await receive()
            got.append(event.get("body", b""))
            more = event.get("more_body", False)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"whole"})

    def pieces() -> Iterator[bytes]:
        yield b"first"
        until(lambda: b"".join(got) == b"first", "the first part")
        yield b"second"

    got: list[bytes] = []
    with origin(f"127.0.0.1:{free_port()}", collects) as own, stack(on, tmp_path, own.address) as shop:
        for http2 in (True, False):
            got.clear()
            assert shop.ask(method="POST", content=pieces(), http2=http2).content == b"whole"
            assert b"".join(got) == b"firstsecond"


@proves("response_trailers", proxies=("apache",))
def test_trailers_of_a_response(on: Installed) -> None:
    verdict, text = probed(on, "trailers", Feature.TRAILERS)
    assert verdict is Verdict.PASSED, text


@proves("early_hints", "http2_edge", proxies=("apache",))
def test_103_arrives_over_http2_too(on: Installed) -> None:
    verdict, text = probed(on, "early-hints")
    assert (verdict, text) == (Verdict.PASSED, "1 x 103 over h1, 1 x 103 over h2")


@proves("early_hints", "http2_edge", proxies=("apache",))
def test_early_hints_that_are_off(on: Installed) -> None:
    verdict, text = probed(on, "early-hints", site=HINTS_OFF)
    assert verdict is Verdict.SKIPPED, text
    verdict, text = probed(on, "early-hints", Feature.EARLY_HINTS, site=HINTS_OFF)
    assert text.startswith("0 x 103 over h1, 0 x 103 over h2")


@proves("http1_upstream", proxies=("apache",))
def test_a_client_that_leaves_is_not_noticed(on: Installed, tmp_path: Path) -> None:
    """What the table says `never` of."""
    with origin(f"127.0.0.1:{free_port()}") as own, stack(on, tmp_path, own.address) as shop:
        with pytest.raises(httpx.ReadTimeout):
            shop.ask("/hang", timeout=httpx.Timeout(DEADLINE, read=1))
        assert [shop.ask("/slow").status_code for _ in range(3)] == [200] * 3
        assert own.resets == 0


@proves("forwarded_set", proxies=("apache",))
def test_other_fields_with_underscores_pass(on: Installed, stacks: Stacks) -> None:
    """What the table says `never` of: Apache removes fields by their names."""
    assert fields_of(stacks.get(on).ask(headers=[("x_own", "1")]), "x_own") == {"x_own": ["1"]}


@proves("request_body_limit", proxies=("apache",))
def test_bodies_of_unknown_length_are_the_app_servers_to_bound(on: Installed, stacks: Stacks) -> None:
    """What the table says `never` of."""

    def pieces() -> Iterator[bytes]:
        yield from [b"x" * 2**16] * 17

    answer = stacks.get(on, LIMITED).ask(method="POST", content=pieces(), http2=False)
    assert answer.json()["size"] == 17 * 2**16


@proves("stream_idle", "http2_edge", proxies=("apache",))
def test_a_silent_upload_over_http2_is_cut(on: Installed, stacks: Stacks) -> None:
    shop, connection = stacks.get(on, f"{SITE}  timeouts: {{stream_idle: 1s}}\n"), h2.connection.H2Connection()
    with shop.connection("h2") as client:
        connection.initiate_connection()
        fields = [(":method", "POST"), (":scheme", "https"), (":path", "/"), (":authority", f"shop.test:{shop.port}")]
        connection.send_headers(1, fields)
        connection.send_data(1, b"x")
        client.sendall(connection.data_to_send())
        ended: list[h2.events.Event] = []
        while not ended and (piece := client.recv(65536)):
            ended = [one for one in connection.receive_data(piece) if isinstance(one, (h2.events.StreamReset, h2.events.ResponseReceived))]
            client.sendall(connection.data_to_send())
    statuses = [dict(one.headers)[b":status"] for one in ended if isinstance(one, h2.events.ResponseReceived) and one.headers]
    assert b"200" not in statuses


@proves("http1_upstream", proxies=("apache",))
def test_a_bare_line_feed_ends_no_chunk_extension(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on)
    with shop.connection() as client:
        head = f"POST / HTTP/1.1\r\nHost: shop.test:{shop.port}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.sendall(head.encode() + b"1;a\nb\r\n0\r\n\r\n")
        assert client.recv(65536).startswith(b"HTTP/1.1 400 ")


@proves("allow", proxies=("apache",))
def test_no_spelling_of_a_path_passes_the_door(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"{SITE}  routes:\n  - {{path: /admin, upstream: app, allow: [192.0.2.1]}}\n")
    spellings = ("/admin", "/admin/x", "/%61dmin", "//admin", "/./admin", "/x/../admin", "/admin%2Fx", "/x%2F..%2Fadmin", "/admin;a")
    said = {path: _raw(shop, path) for path in spellings}
    # An application may read a parameter as part of the name: that path is another one.
    assert said == {path: 200 if path == "/admin;a" else 403 for path in spellings}
    assert _raw(shop, f"https://shop.test:{shop.port}/admin") == 403


@proves("replace_prefix", proxies=("apache",))
def test_a_prefix_is_replaced_in_every_spelling(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("path: /in, upstream: app, replace_prefix: /out/v3", "path: /under/, upstream: app, replace_prefix: /below"))
    wanted = {
        "/in": "/out/v3", "/in/": "/out/v3/", "/in/a%20b": "/out/v3/a%20b", "/in%2Fa": "/out/v3%2Fa", "/inn": "/inn",
        "/%69n": "/out/v3", "/%69n/a%20b": "/out/v3/a%20b", "/under/": "/below/", "/under/a": "/below/a", "/under": "/under",
    }  # fmt: skip
    assert {path: shop.ask(path).json()["path"] for path in wanted} == wanted
    answers = [shop.ask(path).json() for path in ("/in?a=b%20c", "/%69n?a=b%20c")]
    assert [(answer["path"], answer["query"]) for answer in answers] == [("/out/v3", "a=b%20c")] * 2


@proves("static_files", proxies=("apache",))
def test_nobody_leaves_the_folder(on: Installed, app: Origin, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for folder in ("files", "files-x"):
        (tmp_path / folder).mkdir(mode=0o755)
    (tmp_path / "files/a").write_text("a")
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "files-x/secret").write_text("secret")
    routes = f"  routes:\n  - {{path: /m, static: {{root: '{tmp_path}/files'}}}}\n"
    with stack(on, tmp_path, app.address, SITE + routes) as shop:
        assert _raw(shop, "/m/a") == 200
        # 404 of the folder; 200 of the app, which echoes, where the path is another one.
        outside = {"/m//secret": 404, "/m/%2fetc/passwd": 404, "/m/..%5csecret": 404, "/m/a%00": 404, "/m/": 404, "/m": 404}
        others = ("/m/../secret", "/m/..%2fsecret", "/m/%2e%2e%2fsecret", "/m%2f..%2fsecret", "/m-x/secret", "/httpd.conf", "/.lasthop/files/0/a")
        before = len(app.seen)
        assert {path: _raw(shop, path) for path in outside} == outside
        assert len(app.seen) == before
        assert {path: _raw(shop, path) for path in others} == dict.fromkeys(others, 200)
        assert len(app.seen) == before + len(others)


def _raw(shop: Stack, target: str) -> int:
    """Ask for a target as it stands and return the status."""
    with shop.connection() as client:
        return _status(client, target, f"shop.test:{shop.port}")


def _status(client: ssl.SSLSocket, target: str, host: str) -> int:
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    said = b""
    while piece := client.recv(65536):
        said += piece
    return int(said.split()[1])


@proves("match_prefix", proxies=("apache",))
def test_names_of_upstreams_are_told_apart_by_case_too(on: Installed, app: Origin, tmp_path: Path) -> None:
    name = "a_Long-name" + "e" * 51
    with origin(f"127.0.0.1:{free_port()}") as other:
        more = f'{name}: {{protocol: http1, servers: ["{other.address}"]}}, {name.lower()}: {{protocol: http1, servers: ["{app.address}"]}}, app:'
        routes = f"  routes:\n  - {{path: /a, upstream: {name}}}\n  - {{path: /b, upstream: {name.lower()}}}\n"
        with stack(on, tmp_path, app.address, SITE.replace("{app:", f"{{{more}") + routes) as shop:
            assert [shop.ask(path).json()["by"] for path in ("/a", "/b", "/c")] == [other.address, app.address, app.address]


@proves("unknown_host", proxies=("apache",))
def test_a_wildcard_stands_for_one_label(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, SITE.replace("[shop.test]", '["*.shop.test", shop.test]'))
    statuses = [shop.ask(host=host).status_code for host in ("shop.test", "A.shop.test", "a.b.shop.test", "shop.test.evil.test")]
    assert statuses == [200, 200, 421, 421]


@proves("tls_files", "unknown_host", proxies=("apache",))
def test_a_connection_is_for_the_names_of_its_certificate(on: Installed, app: Origin, tmp_path: Path) -> None:
    folder = tmp_path / "stores"
    folder.mkdir()
    certificate(folder, "*.stores.test")
    pairs = f"hostnames: [shop.test]}}, {{cert: {folder}/cert.pem, key: {folder}/key.pem, hostnames: ['*.stores.test']}}]"
    text = SITE.replace('.key"}]', f'.key", {pairs}') + "- hostnames: ['*.stores.test']\n  upstream: app\n"
    with stack(on, tmp_path, app.address, text) as shop:
        context = shop.tls()
        context.load_verify_locations(folder / "cert.pem")
        asked = (("tea.stores.test", "tea.stores.test"), ("tea.stores.test", "a.stores.test"), ("shop.test", "a.stores.test"))
        statuses = []
        for name, host in asked:
            with (
                socket.create_connection(("127.0.0.1", shop.port), timeout=DEADLINE) as plain,
                context.wrap_socket(plain, server_hostname=name) as client,
            ):
                statuses.append(_status(client, "/", f"{host}:{shop.port}"))
    assert statuses == [200, 200, 421]


@proves("websocket_http1", proxies=("apache",))
def test_no_websocket_passes_where_none_is_let_through(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, site("path: /plain/, upstream: app, websocket: false"))
    for upgrade in ("websocket", "WebSocket"):
        handshake = [(name, upgrade if name == "upgrade" else value) for name, value in HANDSHAKE]
        assert shop.ask("/plain/a", headers=handshake, http2=False).status_code == 403
    assert shop.ask("/plain/a").status_code == 200
    assert echo(shop) == b"\x81\x05hello"


@proves("websocket_from_h2", proxies=("apache",))
def test_a_websocket_of_an_http2_client(on: Installed, stacks: Stacks) -> None:
    shop, connection = stacks.get(on), h2.connection.H2Connection(h2.config.H2Configuration(header_encoding=None))
    received, asked, status = b"", False, ""
    with shop.connection("h2") as client:
        connection.initiate_connection()
        client.sendall(connection.data_to_send())
        while len(received) < 7:
            piece = client.recv(65536)
            assert piece, "the connection ended before the answer"
            for event in connection.receive_data(piece):
                if isinstance(event, h2.events.RemoteSettingsChanged) and not asked:
                    assert 8 in event.changed_settings  # SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441, section 3)
                    asked = True
                    fields = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/ws"),
                              (":authority", f"shop.test:{shop.port}"), ("sec-websocket-version", "13")]  # fmt: skip
                    connection.send_headers(1, fields)
                elif isinstance(event, h2.events.ResponseReceived):
                    status = dict(event.headers)[b":status"].decode()
                    connection.send_data(1, MASKED_HELLO)
                elif isinstance(event, h2.events.DataReceived):
                    received += event.data
            client.sendall(connection.data_to_send())
    assert (status, received) == ("200", b"\x81\x05hello")


@proves("log_json", proxies=("apache",))
def test_whatever_a_client_says_the_log_is_json(on: Installed, stacks: Stacks) -> None:
    fields = "[client_ip, method, host, path, status, duration, user_agent, referer, request_id]"
    shop = stacks.get(on, f"logging: {{format: json, fields: {fields}}}{SITE}")
    hostile = ['a "b" \\ c', "caf\u00e9", "\\x41", "%{x}i"]
    with shop.client() as client:
        for at, text in enumerate(hostile):
            headers = [("user-agent", text.encode()), ("referer", text.encode()), (b"host", f"shop.test:{shop.port}")]
            client.get(f'/{at}?q="{at}"', headers=headers, extensions={"sni_hostname": "shop.test"})  # type: ignore[arg-type]  # bytes are taken
    log = shop.folder / "proxy.log"
    until(lambda: log.read_text().count('"user_agent"') >= len(hostile), "the lines")
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    agents = {line["path"][1]: line["user_agent"] for line in lines}
    assert agents == {"0": hostile[0], "1": "-", "2": hostile[2], "3": hostile[3]}
