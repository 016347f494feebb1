"""What every proxy does with what is rendered for it: the proofs that the tables name.

A test runs on each installed version of each proxy whose table has the capability; nothing here names a proxy.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from proxyconf.facts.table import tables
from proxyconf.proxies.registry import names
from tests.interop.hop import (
    DEADLINE,
    SITE,
    Installed,
    Origin,
    Stack,
    Stacks,
    fields_of,
    free_port,
    installed,
    origin,
    proves,
    stack,
    until,
)  # fmt: skip

TRUSTING = f'trust: {{trusted_proxies: ["127.0.0.9"]}}{SITE}'
LIMITED = f"{SITE}  limits: {{request_body: 1MiB, request_headers: 16KiB}}\n"


@pytest.mark.parametrize("name", names())
def test_there_is_a_current_and_an_older_version(name: str) -> None:
    if "LASTHOP_PROOFS" not in os.environ and len(installed(name)) < 2:
        pytest.skip(f"a current and an older {name}: make proofs, or python -m tools.proxies {name}")
    versions = sorted(one.version for one in installed(name))
    assert (versions[0], versions[-1]) == (tables()[name].oldest, tables()[name].newest)


# The hop.


def together(shop: Stack, count: int) -> list[httpx.Response]:
    """Ask `count` times at once, each from a client of its own."""
    answers: list[httpx.Response] = []

    def ask() -> None:
        # One client each: a client shared by threads loses reads to EAGAIN in httpcore.
        with shop.client() as client:
            answers.append(client.get("/slow", **shop.named("shop.test", {})))

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


@proves("h2c_upstream", "http2_edge", "tls_files")
def test_http2_at_the_edge_and_h2c_on_the_hop(on: Installed, stacks: Stacks) -> None:
    answers = together(stacks.get(on), 20)
    assert [answer.status_code for answer in answers] == [200] * 20
    assert {answer.http_version for answer in answers} == {"HTTP/2"}
    assert {answer.json()["version"] for answer in answers} == {"2"}


@proves("h2c_upstream", "h2c_multiplexed")
def test_many_requests_share_one_connection(on: Installed, stacks: Stacks) -> None:
    answers = together(stacks.get(on), 20)
    assert len({tuple(answer.json()["client"]) for answer in answers}) <= 4


@proves("http1_upstream", "http2_edge", "tls_files")
def test_http1_upstream(on: Installed, stacks: Stacks) -> None:
    answer = stacks.get(on, SITE.replace("protocol: h2c", "protocol: http1")).ask()
    assert (answer.http_version, answer.json()["version"]) == ("HTTP/2", "1.1")


@proves("unix_upstream")
def test_a_unix_socket(on: Installed, tmp_path: Path) -> None:
    with origin(f"unix:{tmp_path}/app.sock") as app, stack(on, tmp_path, app.address) as running:
        assert running.ask().status_code == 200
        assert len(app.seen) == 1


# Who the client is.

SPOOFED = [
    ("x-forwarded-for", "7.7.7.7, 8.8.8.8"), ("x-forwarded-proto", "gopher"), ("x-forwarded-host", "evil.test"),
    ("x-forwarded-port", "1"), ("x-forwarded-prefix", "/evil"), ("x-forwarded-user", "root"),
    ("x-real-ip", "7.7.7.7"), ("forwarded", "for=7.7.7.7"),
    ("x_forwarded_for", "7.7.7.7"), ("x-forwarded_for", "7.7.7.7"), ("x_real_ip", "7.7.7.7"),
    ("x_forwarded_proto", "gopher"),
]  # fmt: skip
SAID_BY_PROXIES = ("x-forwarded", "x_forwarded", "forwarded", "x-real", "x_real")


@pytest.mark.parametrize("http2", [True, False])
@proves("forwarded_set")
def test_a_client_cannot_speak_for_itself(on: Installed, stacks: Stacks, http2: bool) -> None:
    shop = stacks.get(on)
    answer = shop.ask(headers=SPOOFED, http2=http2)
    assert fields_of(answer, *SAID_BY_PROXIES) == {
        "x-forwarded-for": ["127.0.0.1"], "x-forwarded-proto": ["https"],
        "x-forwarded-host": [f"shop.test:{shop.port}"],
    }  # fmt: skip


@proves("underscore_fields_dropped")
def test_fields_with_underscores_are_dropped(on: Installed, stacks: Stacks) -> None:
    seen = fields_of(stacks.get(on).ask(headers=[("x_own", "1"), ("x-other", "1")]))
    assert "x-other" in seen
    assert "x_own" not in seen


@proves("forwarded_set")
def test_a_client_cannot_remove_what_the_proxy_says(on: Installed, stacks: Stacks) -> None:
    answer = stacks.get(on).ask(headers=[("connection", "close, x-forwarded-for, x-forwarded-proto")], http2=False)
    if answer.status_code == 400:
        return  # refused as a whole
    seen = fields_of(answer, "x-forwarded")
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["x-forwarded-proto"] == ["https"]


@proves("h2c_upstream")
def test_host_target_and_fields_arrive_as_sent(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on)
    answer = shop.ask("/a/b?c=d%20", headers=[("x-own", "1"), ("accept-encoding", "br")])
    seen = fields_of(answer)
    hosts = {value for name in (":authority", "host") for value in seen.get(name, [])}
    assert hosts == {f"shop.test:{shop.port}"}
    assert (seen["x-own"], seen["accept-encoding"]) == (["1"], ["br"])
    assert (answer.json()["path"], answer.json()["query"]) == ("/a/b", "c=d%20")


@proves("trusted_proxies", "forwarded_for_alone")
def test_a_trusted_proxy_speaks_for_the_client(on: Installed, stacks: Stacks) -> None:
    said = [("x-forwarded-for", "7.7.7.7, 8.8.8.8"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "www.test")]
    answer = stacks.get(on, TRUSTING).ask(headers=[*said, *SPOOFED[3:]], local="127.0.0.9")
    assert fields_of(answer, *SAID_BY_PROXIES) == {
        "x-forwarded-for": ["8.8.8.8"], "x-forwarded-proto": ["http"], "x-forwarded-host": ["www.test"],
    }  # fmt: skip


@pytest.mark.parametrize(("local", "headers"), [("127.0.0.1", SPOOFED), ("127.0.0.9", [])])
@proves("trusted_proxies")
def test_others_do_not_where_a_proxy_is_trusted(
    on: Installed, stacks: Stacks, local: str, headers: list[tuple[str, str]]
) -> None:
    shop = stacks.get(on, TRUSTING)
    answer = shop.ask(headers=headers, local=local)
    assert fields_of(answer, *SAID_BY_PROXIES) == {
        "x-forwarded-for": [local], "x-forwarded-proto": ["https"], "x-forwarded-host": [f"shop.test:{shop.port}"],
    }  # fmt: skip


# The edge.


@proves("unknown_host")
def test_an_unknown_host_is_421(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on)
    assert shop.ask(host="other.test").status_code == 421
    with shop.client() as client:
        answer = client.get("/", headers={"host": "other.test"}, extensions={"sni_hostname": "shop.test"})
    assert answer.status_code == 421


@proves("any_host")
def test_one_site_for_every_name(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, SITE.replace("[shop.test]", "any"))
    assert [shop.ask(host=host).status_code for host in ("shop.test", "other.test")] == [200, 200]


@proves("https_redirect")
def test_cleartext_is_redirected(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on)
    known, unknown = (shop.ask_cleartext("/a?b=c", host) for host in ("shop.test", "evil.test"))
    assert known.status_code in on.permanent
    assert known.headers["location"] == f"https://shop.test:{shop.port}/a?b=c"
    assert unknown.status_code == 421


@proves("https_redirect", "trusted_proxies")
def test_who_had_tls_at_a_trusted_proxy_is_not_sent_round_again(on: Installed, stacks: Stacks) -> None:
    site = f'trust: {{trusted_proxies: ["127.0.0.1"]}}{SITE}'
    shop = stacks.get(on, site)
    answers = [shop.ask_cleartext(headers=[("x-forwarded-proto", proto)]) for proto in ("https", "http")]
    assert answers[0].status_code == 200
    assert answers[1].status_code in on.permanent


# Bounds.


@proves("request_body_limit")
def test_the_longest_request_body(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, LIMITED)
    assert shop.ask(method="POST", content=b"x" * 2**20).json()["size"] == 2**20
    # Over HTTP/1.1: httpx waits for window that an answer over HTTP/2 does not need any more.
    assert shop.ask(method="POST", content=b"x" * (2**20 + 1), http2=False).status_code == 413


@proves("request_body_limit", "request_body_limit_streamed")
def test_the_longest_request_body_of_unknown_length(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, LIMITED)

    def pieces() -> Iterator[bytes]:
        yield from [b"x" * 2**16] * 17

    try:
        status = shop.ask(method="POST", content=pieces(), http2=False).status_code
    except httpx.TransportError:  # the connection ended while the body was still sent
        status = 413
    assert status == 413


@proves("request_header_limit")
def test_the_longest_request_head(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, LIMITED)
    assert shop.ask(headers=[("x-long", "x" * 12_000)]).status_code == 200
    assert shop.ask(headers=[("x-long", "x" * 40_000)], http2=False).status_code in (400, 431)


@proves("timeout_connect")
def test_a_server_that_cannot_be_reached_is_an_error_of_the_gateway(on: Installed, tmp_path: Path) -> None:
    site = f"{SITE}  timeouts: {{connect: 300ms}}\n"
    with stack(on, tmp_path, f"127.0.0.1:{free_port()}", site) as running:
        assert running.ask().status_code in (502, 503)


@proves("response_head_timeout", "gateway_timeout")
def test_a_hanging_application_is_504(on: Installed, stacks: Stacks) -> None:
    assert stacks.get(on, f"{SITE}  timeouts: {{request: 1s}}\n").ask("/hang").status_code == 504


@proves("timeout_client_idle")
def test_an_idle_client_is_closed(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"{SITE}  timeouts: {{client_idle: 1s}}\n")
    with shop.connection() as client:
        client.sendall(f"GET / HTTP/1.1\r\nHost: shop.test:{shop.port}\r\n\r\n".encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 200")
        started = time.monotonic()
        while client.recv(65536):
            pass  # the rest of the answer, then the end
        assert time.monotonic() - started < DEADLINE


@proves("stream_idle")
def test_a_silent_upload_is_cut(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"{SITE}  timeouts: {{stream_idle: 1s}}\n")
    with shop.connection() as client:
        head = f"POST / HTTP/1.1\r\nHost: shop.test:{shop.port}\r\nTransfer-Encoding: chunked\r\n\r\n"
        client.sendall(f"{head}1\r\nx\r\n".encode())
        with suppress(ConnectionResetError):
            assert not client.recv(65536).startswith(b"HTTP/1.1 2")


# Streams.


@proves("client_gone")
def test_a_client_that_leaves_resets_the_request(on: Installed, app: Origin, stacks: Stacks) -> None:
    before = app.resets
    with pytest.raises(httpx.ReadTimeout):
        stacks.get(on).ask("/hang", timeout=httpx.Timeout(DEADLINE, read=1))
    until(lambda: app.resets == before + 1, "the application's http.disconnect")


@proves("streaming")
def test_an_event_is_not_held_back(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on)
    with shop.client() as client, client.stream("GET", "/events", **shop.named("shop.test", {})) as answer:
        assert next(answer.iter_raw()) == b"data: first\n\n"


@proves("early_hints", "h2c_upstream")
def test_103_arrives_at_the_client(on: Installed, stacks: Stacks) -> None:
    shop = stacks.get(on, f"{SITE}  early_hints: pass\n")
    request = f"GET /hints HTTP/1.1\r\nHost: shop.test:{shop.port}\r\nSec-Fetch-Mode: navigate\r\nConnection: close\r\n\r\n"
    with shop.connection() as client:
        client.sendall(request.encode())
        said = b""
        while piece := client.recv(65536):
            said += piece
    first, _, rest = said.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 103")
    assert b"</style.css>; rel=preload" in first
    assert rest.startswith(b"HTTP/1.1 200")


HANDSHAKE = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"),
             ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]  # fmt: skip
MASKED_HELLO = bytes([0x81, 0x85, 1, 2, 3, 4]) + bytes(char ^ mask for char, mask in zip(b"hello", b"\1\2\3\4\1", strict=True))


def echo(shop: Stack, path: str = "/ws", fields: list[tuple[str, str]] | None = None) -> bytes:
    """Shake hands over HTTP/1.1, send "hello" and return the frame that comes back."""
    head = "".join(f"{name}: {value}\r\n" for name, value in [("host", f"shop.test:{shop.port}"), *HANDSHAKE, *(fields or [])])
    with shop.connection() as client:
        client.sendall(f"GET {path} HTTP/1.1\r\n{head}\r\n".encode())
        said = b""
        while b"\r\n\r\n" not in said:
            piece = client.recv(65536)
            assert piece, said
            said += piece
        answer, _, rest = said.partition(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101"), answer
        assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in answer  # the handshake's proof for that key (RFC 6455, section 1.3)
        client.sendall(MASKED_HELLO)
        while len(rest) < 7:
            piece = client.recv(65536)
            assert piece, rest
            rest += piece
    return rest


@proves("websocket_split", "h2c_upstream")
def test_websocket_beside_an_h2c_hop(on: Installed, stacks: Stacks) -> None:
    assert echo(stacks.get(on)) == b"\x81\x05hello"


@proves("websocket_http1")
def test_websocket_to_http1(on: Installed, stacks: Stacks) -> None:
    assert echo(stacks.get(on, SITE.replace("protocol: h2c", "protocol: http1"))) == b"\x81\x05hello"


@pytest.mark.parametrize("protocol", ["h2c", "HTTP/2.0, h2c", "tls/1.2"])
@proves("http1_upstream")
def test_no_other_protocol_is_upgraded_to(on: Installed, stacks: Stacks, protocol: str) -> None:
    shop = stacks.get(on, SITE.replace("protocol: h2c", "protocol: http1"))
    settings = [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", protocol), ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA")]
    answer = shop.ask(http2=False, headers=settings)
    # HAProxy and Envoy refuse some; nobody passes one on.
    assert answer.status_code in (200, 400, 403)
    assert answer.status_code != 200 or "upgrade" not in fields_of(answer)


@proves("websocket_over_h2")
def test_websocket_over_the_h2c_hop(on: Installed, app: Origin, stacks: Stacks) -> None:
    assert echo(stacks.get(on, SITE.replace("protocol: h2c", "protocol: h2c, websocket: over_h2"))) == b"\x81\x05hello"
    assert app.seen[-1]["http_version"] == "2"
