"""What every proxy does with several servers, and with servers that fail."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config

from tests.interop.hop import (
    DEADLINE,
    SITE,
    Installed,
    Origin,
    Stack,
    certificate,
    free_port,
    listens,
    origin,
    proves,
    stack,
    until,
)
from tests.interop.test_proxies import together


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Origin, Origin]]:
    """Return two applications."""
    with ExitStack() as exits:
        first, second = (exits.enter_context(origin(f"127.0.0.1:{free_port()}")) for _ in range(2))
        yield first, second


def two(pair: tuple[Origin, Origin], options: str, servers: str = '"{0}", "{1}"') -> str:
    """Return the site with two servers and options of their upstream."""
    listed = servers.format(*(app.address for app in pair))
    return SITE.replace('servers: ["${APP}"]', f"servers: [{listed}], {options}")


def counted(shop: Stack, times: int = 24, **more: Any) -> Counter[str]:
    """Return how often each server answered."""
    return Counter(shop.ask("/", **more).json()["by"] for _ in range(times))


@contextmanager
def tls_origin(folder: Path) -> Iterator[str]:
    """Serve an Origin over TLS as localhost."""
    app, stop, loop = Origin("localhost"), asyncio.Event(), asyncio.new_event_loop()
    config, port = Config(), free_port()
    config.bind, config.errorlog, config.graceful_timeout = [f"127.0.0.1:{port}"], None, 0.2
    config.certfile, config.keyfile = str(folder / "cert.pem"), str(folder / "key.pem")
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(app, config, shutdown_trigger=stop.wait)), daemon=True)
    thread.start()
    until(lambda: listens(("127.0.0.1", port)), "hypercorn")
    try:
        yield f"localhost:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(DEADLINE)
        if not thread.is_alive():
            loop.close()


@proves("h2_upstream")
def test_a_certificate_of_another_name_is_refused(on: Installed, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("localhost", "other.test")]
    for folder in folders:
        folder.mkdir(mode=0o755)
        certificate(folder, folder.name)
    with tls_origin(folders[0]) as named, tls_origin(folders[1]) as other:
        options = (f"{{protocol: h2, servers: ['{at}'], tls: {{ca: {folder}/cert.pem}}}}" for at, folder in zip((named, other), folders, strict=True))
        upstreams = f"upstreams: {{app: {next(options)}, other: {next(options)}}}"
        site = SITE.replace('upstreams: {app: {protocol: h2c, servers: ["${APP}"]}}', upstreams)
        with stack(on, tmp_path, "", f"{site}  routes: [{{path: /other, upstream: other}}]\n") as shop:
            answer = shop.ask()
            assert (answer.status_code, answer.json()["version"]) == (200, "2")
            assert shop.ask("/other").status_code in (500, 502, 503)


@pytest.mark.parametrize("policy", ["round_robin", "least_conn", "random"])
@proves("h2c_upstream")
def test_requests_are_spread(on: Installed, pair: tuple[Origin, Origin], tmp_path: Path, policy: str) -> None:
    if policy != "round_robin" and not on.can(f"lb_{policy}"):
        return  # then it is refused, by the table
    with stack(on, tmp_path, "", two(pair, f"load_balancing: {policy}")) as shop:
        found = counted(shop, 40)
    assert len(found) == 2


def is_asked(app: Origin, path: str) -> bool:
    """Whether a request for a path has come to a server."""
    return any(scope["path"] == path for scope in app.seen)


@proves("lb_least_conn")
def test_the_server_with_the_fewest_requests(on: Installed, pair: tuple[Origin, Origin], tmp_path: Path) -> None:
    for app in pair:
        app.seen.clear()
    with stack(on, tmp_path, "", two(pair, "load_balancing: least_conn")) as shop, shop.client() as client, shop.connection() as busy:
        busy.sendall(f"GET /hang HTTP/1.1\r\nHost: shop.test:{shop.port}\r\n\r\n".encode())
        until(lambda: any(is_asked(app, "/hang") for app in pair), "the request that hangs")
        idle = next(app for app in pair if not is_asked(app, "/hang"))
        found = Counter(client.get("/", **shop.named("shop.test", {})).json()["by"] for _ in range(200))
    # In turn it would be 100. Some compare two servers drawn by lot, which may be the same one twice: 150.
    assert found[idle.address] > 120


@proves("lb_random")
def test_by_chance(on: Installed, pair: tuple[Origin, Origin], tmp_path: Path) -> None:
    with stack(on, tmp_path, "", two(pair, "load_balancing: random")) as shop:
        assert len(counted(shop, 60)) == 2


@proves("lb_hash")
def test_the_same_key_goes_to_the_same_server(on: Installed, pair: tuple[Origin, Origin], tmp_path: Path) -> None:
    with stack(on, tmp_path, "", two(pair, "load_balancing: {hash: {key: client_ip}}")) as shop:
        # Addresses far apart: a checksum spreads neighbours badly.
        by = [counted(shop, 3, local=f"127.{number * 9}.{number * 53 % 256}.{number}") for number in range(2, 26)]
    assert all(len(found) == 1 for found in by)
    assert len({next(iter(found)) for found in by}) == 2


@proves("weights")
def test_weights(on: Installed, pair: tuple[Origin, Origin], tmp_path: Path) -> None:
    servers = '{{address: "{0}", weight: 3}}, "{1}"'
    with stack(on, tmp_path, "", two(pair, "load_balancing: round_robin", servers)) as shop:
        found = counted(shop, 40)
    assert found[pair[0].address] == pytest.approx(30, abs=4)


@proves("sticky_cookie")
def test_a_client_stays_with_its_server(on: Installed, pair: tuple[Origin, Origin], tmp_path: Path) -> None:
    with stack(on, tmp_path, "", two(pair, "sticky: {cookie: {name: srv}}")) as shop:
        first = shop.ask()
        assert "srv" in first.cookies
        assert "secure" in first.headers["set-cookie"].lower()
        kept = counted(shop, 8, headers=[("cookie", f"srv={first.cookies['srv']}")])
    assert kept == {first.json()["by"]: 8}


@proves("health_check_http")
def test_a_server_that_answers_badly_is_left_out(on: Installed, pair: tuple[Origin, Origin], tmp_path: Path) -> None:
    check = "health_check: {path: /healthz, interval: 200ms, timeout: 1s, healthy_threshold: 1, unhealthy_threshold: 1}"

    async def ill(scope: dict[str, object], receive: object, send: object) -> None:
        if scope["type"] != "http":
            return
        status = 500 if scope["path"] == "/healthz" else 200
        await send({"type": "http.response.start", "status": status, "headers": []})  # type: ignore[operator]  # ASGI
        await send({"type": "http.response.body", "body": b'{"by": "ill"}'})  # type: ignore[operator]  # ASGI

    with (
        origin(f"127.0.0.1:{free_port()}", ill) as broken,
        stack(on, tmp_path, "", two((pair[0], broken), check)) as shop,
    ):
        until(lambda: set(counted(shop, 6)) == {pair[0].address}, "the ill server's exclusion")


@proves("health_check_tcp")
def test_a_server_that_takes_no_connection_is_left_out(on: Installed, pair: tuple[Origin, Origin], tmp_path: Path) -> None:
    check = "health_check: {tcp: true, interval: 200ms, timeout: 1s, healthy_threshold: 1, unhealthy_threshold: 1}"
    servers = f'"{{0}}", "127.0.0.1:{free_port()}"'
    with stack(on, tmp_path, "", two(pair, check, servers)) as shop:
        until(lambda: [shop.ask().status_code for _ in range(6)] == [200] * 6, "the dead server's exclusion")


@contextmanager
def always(answer: bytes) -> Iterator[tuple[str, list[int]]]:
    """Run a server that answers so and hangs up; yield its address and how often that was."""
    times, done = [0], threading.Event()

    def serve_all(server: socket.socket) -> None:
        while not done.is_set():
            with suppress(TimeoutError, ConnectionError):
                connection = server.accept()[0]
                with connection:
                    connection.settimeout(DEADLINE)
                    # A check of the proxy's own only connects.
                    if connection.recv(65536):
                        times[0] += 1
                        connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)
        thread = threading.Thread(target=serve_all, args=(server,), daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}", times
        finally:
            done.set()
            thread.join(2 * DEADLINE)


@proves("outlier_detection", "http1_upstream")
def test_a_failing_server_is_left_out_for_a_while(on: Installed, pair: tuple[Origin, Origin], tmp_path: Path) -> None:
    count = 1 if on.proxy == "apache" else 2  # Apache knows no other number
    options = f"load_balancing: round_robin, outlier_detection: {{consecutive_5xx: {count}, ejection_time: 1h}}"
    # nginx counts what is no answer, and no 5xx of the app.
    end = b"" if on.proxy == "nginx" else b"gth: 0\r\nConnection: close\r\n\r\n"
    with always(b"HTTP/1.1 500 Broken\r\nContent-Len" + end) as (address, times):
        site = two(pair, options, f'"{{0}}", "{address}"').replace("protocol: h2c", "protocol: http1")
        with stack(on, tmp_path, "", site) as shop:
            for _ in range(20):
                shop.ask()
            before, began = times[0], time.monotonic()
            statuses = [shop.ask().status_code for _ in range(20)]
            # HAProxy tries its port within five seconds.
            while on.proxy == "haproxy" and time.monotonic() < began + 6:
                statuses.append(shop.ask().status_code)
    assert (set(statuses), times[0] - before) == ({200}, 0)
    assert before >= count


@proves("retries")
def test_what_was_not_sent_is_tried_at_another_server(on: Installed, pair: tuple[Origin, Origin], tmp_path: Path) -> None:
    servers = f'"{{0}}", "127.0.0.1:{free_port()}"'
    with stack(on, tmp_path, "", two(pair, "retries: {attempts: 2}", servers)) as shop:
        assert [shop.ask(method="POST", content=b"x").status_code for _ in range(12)] == [200] * 12


@proves("max_connections", "http1_upstream")
def test_connections_are_bounded_and_requests_still_answered(on: Installed, tmp_path: Path) -> None:
    site = SITE.replace('servers: ["${APP}"]', 'servers: ["${APP}"], connections: {max: 2}').replace("protocol: h2c", "protocol: http1")
    with origin(f"127.0.0.1:{free_port()}") as app, stack(on, tmp_path, app.address, site) as shop:
        statuses = [answer.status_code for answer in together(shop, 12)]
    # Each of Envoy's workers may open one connection whatever the others have.
    most = 2 + (os.cpu_count() or 1) - 1 if on.proxy == "envoy" else 2
    assert 2 <= app.most_at_once <= most < 12
    assert statuses.count(200) >= 2
    # nginx has no queue in its free version: who finds no connection is refused.
    assert set(statuses) <= ({200, 502} if on.proxy == "nginx" else {200})
