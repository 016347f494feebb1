"""What the demo proves: one function per row, which returns what it observed or raises `Disproved`."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from examples.demo.app import blocks
from tools.demo.clients import curl_version, outside, stranger
from tools.demo.stack import Stack, accepts

__all__ = ["ROWS", "Disproved", "Row"]

CLIENT, STRANGER, FORGED = "127.0.0.2", "127.0.0.3", "203.0.113.9"
PARALLEL, CLIENTS, MOST_CONNECTIONS = 100, 10, 4
MIB = 1024 * 1024
BODY = 20 * 1_000_000
UPLOADS, DOWNLOADS, PARTS = 40, 20, 30


class Disproved(Exception):
    """The row does not hold; the message is what was observed instead."""


@dataclass(frozen=True)
class Row:
    """One claim and the function that tries it."""

    claim: str
    prove: Callable[[Stack], Awaitable[str]]


def demand(condition: bool, observed: str) -> str:
    """Return `observed`, as a proof or as a counter-example."""
    if not condition:
        raise Disproved(observed)
    return observed


async def scope_seen(client: httpx.AsyncClient, **headers: str) -> dict[str, Any]:
    """Ask the application what it sees of one request."""
    response = await client.get("/scope", headers=headers)
    demand(response.status_code == 200, f"GET /scope: {response.status_code}")
    seen: dict[str, Any] = response.json()
    return seen


# The protocols.


async def edge(stack: Stack) -> str:
    """The edge agrees on HTTP/2 by ALPN, with httpx and with curl."""
    async with outside(stack) as client, client.stream("GET", "/scope") as response:
        tls = response.extensions["network_stream"].get_extra_info("ssl_object")
        assert isinstance(tls, ssl.SSLObject)
        alpn, version, kind = tls.selected_alpn_protocol(), response.http_version, tls.version()
    curl = await asyncio.to_thread(curl_version, stack)
    observed = f"ALPN {alpn}, {version} in {kind}" + (f"; curl: HTTP/{curl}" if curl is not None else "")
    return demand(alpn == "h2" and version == "HTTP/2" and curl in ("2", None), observed)


async def hop(stack: Stack) -> str:
    """Behind the edge the application is asked over HTTP/2, also for a client that speaks HTTP/1.1."""
    versions = []
    for http1 in (False, True):
        async with outside(stack, http1=http1) as client:
            versions.append((await scope_seen(client))["http_version"])
    observed = f'scope["http_version"] is "{versions[0]}"; "{versions[1]}" for an HTTP/1.1 client'
    return demand(versions == ["2", "2"], observed)


async def multiplexing(stack: Stack) -> str:
    """Many requests wait in the application at once, on few connections."""
    clients = [outside(stack) for _ in range(CLIENTS)]
    path = f"/barrier?size={PARALLEL}"
    try:
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(clients[i % CLIENTS].get(path) for i in range(PARALLEL)))
    except TimeoutError:
        raise Disproved(f"{PARALLEL} requests were never in the application at once") from None
    finally:
        await asyncio.gather(*(client.aclose() for client in clients))
    statuses = {answer.status_code for answer in answers}
    demand(statuses == {200}, f"statuses {sorted(statuses)}")
    counts = {answer.json()["connections"] for answer in answers}
    observed = f"{PARALLEL} at once from {CLIENTS} clients, on {max(counts)} connection(s) counted by the server"
    return demand(0 < max(counts) <= MOST_CONNECTIONS, observed)


# Who the client is.


async def client_address(stack: Stack) -> str:
    """The application sees the outer client, not the proxy."""
    async with outside(stack, CLIENT) as client:
        seen = await scope_seen(client)
    observed = f"client {(seen['client'] or ['none'])[0]}, scheme {seen['scheme']}"
    return demand(seen["client"] is not None and (seen["client"][0], seen["scheme"]) == (CLIENT, "https"), observed)


async def forged_fields(stack: Stack) -> str:
    """Forwarding fields that a client sends through the proxy change nothing."""
    forged = {
        "X-Forwarded-For": FORGED,
        "X-Forwarded-Proto": "http",
        "X-Real-IP": FORGED,
        "Forwarded": f"for={FORGED};proto=http",
    }
    async with outside(stack, CLIENT) as client:
        honest = await scope_seen(client)
        seen = await scope_seen(client, **forged)
    same = [(tell["client"] or ["none"])[0] for tell in (honest, seen)]
    observed = f"sent X-Forwarded-For: {FORGED}; client stays {same[1]}, scheme {seen['scheme']}"
    return demand(same[0] == same[1] != FORGED and seen["scheme"] == honest["scheme"], observed)


async def forged_past_proxy(stack: Stack) -> str:
    """A peer that is not the proxy may not speak for a client."""
    async with stranger(stack, STRANGER) as client:
        seen = await scope_seen(client, **{"X-Forwarded-For": FORGED, "X-Forwarded-Proto": "https"})
    observed = f"h2c from {STRANGER}: client {(seen['client'] or ['none'])[0]}, scheme {seen['scheme']}"
    return demand(seen["client"] is not None and (seen["client"][0], seen["scheme"]) == (STRANGER, "http"), observed)


# Bodies.


async def upload(stack: Stack) -> str:
    """A large request body arrives whole."""
    sha = hashlib.sha256()

    async def body() -> AsyncIterator[bytes]:
        for block in blocks("up", BODY):
            sha.update(block)
            yield block

    async with outside(stack) as client:
        answer = (await client.post("/digest", content=body())).json()
    observed = f"{answer['size']:,} bytes, sha256 {answer['sha256'][:16]}"
    return demand((answer["size"], answer["sha256"]) == (BODY, sha.hexdigest()), observed)


async def download(stack: Stack) -> str:
    """A large response body arrives whole."""
    expected, sha, size = hashlib.sha256(), hashlib.sha256(), 0
    for block in blocks("down", BODY):
        expected.update(block)
    async with outside(stack) as client, client.stream("GET", f"/bytes?size={BODY}&seed=down") as response:
        async for chunk in response.aiter_raw():
            size += len(chunk)
            sha.update(chunk)
    observed = f"{size:,} bytes, sha256 {sha.hexdigest()[:16]}"
    return demand((size, sha.digest()) == (BODY, expected.digest()), observed)


async def event_stream(stack: Stack) -> str:
    """Events arrive one by one: the application sends the next only when this one was acknowledged."""
    arrived: list[str] = []
    session = f"/events?session={stack.https_port}&count=5"
    async with outside(stack) as client:
        try:
            async with asyncio.timeout(10), client.stream("GET", session) as response:
                async for line in response.aiter_lines():
                    if line.startswith("data: "):
                        arrived.append(line.removeprefix("data: "))
                        await client.post(f"/events/ack?session={stack.https_port}")
        except TimeoutError:
            raise Disproved(f"{len(arrived)} of 5 events, then silence: the stream is buffered") from None
    observed = f"{len(arrived)} events, each acknowledged before the next was sent"
    return demand(arrived == [f"event {number}" for number in range(5)], observed)


# The end.


async def graceful_stop(stack: Stack) -> str:
    """SIGTERM in the middle of uploads and downloads: all of them are finished, then the process ends."""
    server = stack.server
    assert server is not None
    signalled = asyncio.Event()
    clients = [outside(stack) for _ in range(CLIENTS)]
    tasks = [
        *(asyncio.create_task(half_upload(clients[i % CLIENTS], f"u{i}", signalled)) for i in range(UPLOADS)),
        *(asyncio.create_task(slow_download(clients[i % CLIENTS], f"d{i}")) for i in range(DOWNLOADS)),
    ]
    try:
        await all_half_done(clients[0])
        server.popen.terminate()
        await until_refused(stack.app_port)
        signalled.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        answered = time.monotonic()
        code = await asyncio.to_thread(server.popen.wait, 35)
        lingered = time.monotonic() - answered
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*(client.aclose() for client in clients))
    lost = [outcome for outcome in outcomes if outcome is not None]
    why = f" (first: {lost[0]!r})" if lost else ""
    observed = (
        f"{len(tasks) - len(lost)} of {len(tasks)} in flight finished after SIGTERM{why}, "
        f"exit code {code}, {lingered:.1f} s after the last"
    )
    return demand(not lost and code == 0, observed)


async def half_upload(client: httpx.AsyncClient, seed: str, signalled: asyncio.Event) -> None:
    """Send half a body, wait for the signal, send the rest; the answer must be its digest."""
    sha = hashlib.sha256()

    async def body() -> AsyncIterator[bytes]:
        for number, block in enumerate(blocks(seed, MIB // 4)):
            if number == 2:
                await signalled.wait()
            sha.update(block)
            yield block

    response = await client.post("/digest", content=body())
    demand(response.status_code == 200, f"{seed}: status {response.status_code}")
    demand(response.json() == {"size": MIB // 4, "sha256": sha.hexdigest()}, f"{seed}: another body arrived")


async def slow_download(client: httpx.AsyncClient, seed: str) -> None:
    """Read a response that takes longer than the way to the signal; it must be whole."""
    response = await client.get(f"/drip?parts={PARTS}&seed={seed}")
    demand(response.status_code == 200, f"{seed}: status {response.status_code}")
    demand(response.content == b"".join(blocks(seed, PARTS * 65_536)), f"{seed}: not the whole body")


async def all_half_done(client: httpx.AsyncClient) -> None:
    """Return once the application has begun every upload and download and finished none."""
    deadline = time.monotonic() + 10
    wanted = {"digest": UPLOADS, "drip": DOWNLOADS}
    while (seen := (await client.get("/inflight")).json()) != wanted:
        demand(time.monotonic() < deadline, f"in flight {seen}, not {wanted}")
        await asyncio.sleep(0.01)


async def until_refused(port: int) -> None:
    """Return once the server takes no new connection, or after two seconds."""
    deadline = time.monotonic() + 2
    while accepts(port) and time.monotonic() < deadline:
        await asyncio.sleep(0.01)


ROWS = (
    Row("HTTP/2 at the edge", edge),
    Row("h2c on the hop, as the application sees it", hop),
    Row(f"{PARALLEL} requests in parallel on at most {MOST_CONNECTIONS} connections", multiplexing),
    Row("client address and scheme are right", client_address),
    Row("forged forwarding fields from outside are not believed", forged_fields),
    Row("forged forwarding fields past the proxy are not believed", forged_past_proxy),
    Row("20 MB up", upload),
    Row("20 MB down", download),
    Row("server-sent events arrive one by one", event_stream),
    Row("a graceful stop under load loses nothing", graceful_stop),  # last: it ends the server
)
