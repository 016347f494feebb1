"""The stack's life: a server that fails, a configuration that is loaded again, a stop."""

from __future__ import annotations

import asyncio
import hashlib
import signal
import time
from collections import Counter
from dataclasses import dataclass, field

from proxyconf.verify.answer import Answer, seeded_blocks
from proxyconf.verify.edge.http1 import connect_http1
from proxyconf.verify.edge.http2 import connect_http2
from proxyconf.verify.edge.link import Edge, EdgeError
from proxyconf.verify.edge.response import Response
from proxyconf.verify.probes.probe import Context, Observation, Probe, asking
from proxyconf.verify.subject import Feature

__all__ = ["PROBES"]

ROUNDS = 30
LONG = 20  # tenths of a second
LOAD_CLIENTS, LOAD_SECONDS, PAUSE = 6, 2.5, 0.01
UPLOADS, DOWNLOADS, PARTS = 40, 20, 30
HALF = 131_072
# Some servers end by the signal itself once everything is done; service managers take that for clean, too.
CLEAN = (0, -signal.SIGTERM)


async def ejection(context: Context) -> Observation:
    """Let one of two servers fail its health checks, then be well again."""
    good, bad = context.subject.origins[:2]
    before = await _share(context)
    await context.origin.fail_health(bad, True)
    without = await context.until(lambda: _share(context), lambda now: bad not in now, context.subject.health_seconds)
    await context.origin.fail_health(bad, False)
    again = await context.until(lambda: _share(context), lambda now: bad in now, context.subject.health_seconds)
    shares = [(now[good], now[bad]) for now in (before, without, again)]
    observed = Observation(" then ".join(f"{a}:{b}" for a, b in shares), {"shares": shares})
    observed.expect(bad in before, "the second server got nothing before it failed")
    observed.expect(bad not in without, "a failing server still gets requests")
    return observed.expect(bad in again, "a server that is well again gets nothing")


async def _share(context: Context) -> Counter[str]:
    seen = [(await context.ask(context.protocols[0])).seen().listener for _ in range(ROUNDS)]
    return Counter(seen)


@dataclass
class Load:
    """Clients that ask without a break, and what came of it."""

    edge: Edge
    path: str
    answered: int = 0
    retried: int = 0  # the edge said that it had not begun them, or closed an idle connection
    failed: list[str] = field(default_factory=list)
    over: bool = False

    async def run(self, protocol: str, probe: str) -> None:
        """Ask until told to end; a connection that ends is made again."""
        while not self.over:
            try:
                await (self._http1(probe) if protocol == "h1" else self._http2(probe))
            except EdgeError as error:
                self.failed.append(str(error))

    async def _http1(self, probe: str) -> None:
        async with connect_http1(self.edge) as client:
            number = 0
            while not self.over:
                response = await client.request("GET", self.path, asking(probe))
                if number and not response.status:
                    self.retried += 1
                    return
                self._count(response)
                if not response.whole or response.value("connection") == "close":
                    return
                number += 1
                await asyncio.sleep(PAUSE)

    async def _http2(self, probe: str) -> None:
        async with connect_http2(self.edge) as client:
            while not self.over and not client.ended and client.goaway.code is None:
                stream = await client.open("GET", self.path, asking(probe), end=True)
                response = await stream.response()
                if stream.is_unprocessed:
                    self.retried += 1
                else:
                    self._count(response)
                await asyncio.sleep(PAUSE)

    def _count(self, response: Response) -> None:
        if 200 <= response.status < 500 and response.whole:
            self.answered += 1
        else:
            self.failed.append(f"{response.protocol} {response.outcome}")


async def reload(context: Context) -> Observation:
    """Load the configuration again under load; a long response runs through it."""
    load, probe = Load(context.edge, context.at("/")), context.new_id("reload")
    workers = [asyncio.create_task(load.run(context.protocols[i % len(context.protocols)], f"{probe}-{i}"))
               for i in range(LOAD_CLIENTS)]  # fmt: skip
    answer = Answer(pieces=("x",) * LONG, pause=0.1)
    long = asyncio.create_task(context.ask(context.protocols[-1], answer, probe=probe)) if context.has_origin else None
    began = time.monotonic()
    await asyncio.sleep(0.5)
    await context.stack.reload()
    await asyncio.sleep(max(0.5, LOAD_SECONDS - (time.monotonic() - began)))
    load.over = True
    await asyncio.gather(*workers)
    facts: dict[str, object] = {"answered": load.answered, "retried": load.retried, "failed": len(load.failed)}
    observed = Observation(f"{load.answered} answered, {load.retried} to be repeated, {len(load.failed)} lost", facts)
    observed.expect(not load.failed, f"lost: {'; '.join(sorted(set(load.failed)))}")
    if long is not None:
        response = await long
        facts["long"] = response.outcome
        observed.text += f"; a response of {LONG / 10:g} s: {response.outcome}"
        observed.expect(response.body == b"x" * LONG and response.whole, "a long response was broken off")
    return observed


async def stop_of_proxy(context: Context) -> Observation:
    """Stop the proxy while a response and an upload are half done."""
    probe = context.new_id("stop")
    async with connect_http2(context.edge) as client:
        upload = await client.open("POST", context.at("/"), asking(f"{probe}-up"))
        await upload.send(b"first")
        download = await client.open("GET", context.at("/"), asking(probe, Answer(pieces=("x", "y"), step=probe)), end=True)
        await context.until(lambda: context.origin.waiting(probe), bool)
        stopping = asyncio.create_task(context.stack.stop_proxy())
        await asyncio.sleep(0.3)
        await upload.send(b"second", end=True)
        await context.origin.release(probe)
        up, down = await upload.response(), await download.response()
    code = await stopping
    size = up.seen().body_size if up.status == 200 else 0
    observed = Observation(f"upload {up.outcome}, download {down.outcome}, exit code {code}",
                           {"upload": up.outcome, "download": down.outcome, "exit": code})  # fmt: skip
    observed.expect(size == len(b"firstsecond"), "the upload was not finished")
    observed.expect(down.body == b"xy" and down.whole, "the download was not finished")
    return observed.expect(code == 0, "the exit code tells of a failure")


async def stop_of_server(context: Context) -> Observation:
    """Stop the app server in the middle of uploads and downloads."""
    probe, signalled = context.new_id("stop"), asyncio.Event()
    tasks = [
        *(asyncio.create_task(_half_upload(context, f"{probe}-up", f"u{i}", signalled)) for i in range(UPLOADS)),
        *(asyncio.create_task(_slow_download(context, f"{probe}-down")) for _ in range(DOWNLOADS)),
    ]
    await context.until(lambda: context.origin.seen(f"{probe}-up"), lambda now: sum(s.body_size > 0 for s in now) >= UPLOADS, 10)
    begun = await context.seen(f"{probe}-down", DOWNLOADS, 10)
    stopping = asyncio.create_task(context.stack.stop_server())
    await asyncio.sleep(0.5)
    signalled.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    answered = time.monotonic()
    code = await stopping
    lost = [outcome for outcome in outcomes if outcome is not None]
    observed = Observation(
        f"{len(tasks) - len(lost)} of {len(tasks)} in flight finished after SIGTERM, exit code {code}, "
        f"{time.monotonic() - answered:.1f} s after the last",
        {"in_flight": len(tasks), "lost": len(lost), "exit": code, "begun": len(begun)},
    )
    observed.expect(len(begun) == DOWNLOADS, "not all downloads had begun")
    observed.expect(not lost, f"the first loss: {lost[0] if lost else ''}")
    return observed.expect(code in CLEAN, "the exit code tells of a failure")


async def _half_upload(context: Context, probe: str, seed: str, signalled: asyncio.Event) -> None:
    data = b"".join(seeded_blocks(seed, 2 * HALF))
    async with connect_http2(context.edge) as client:
        stream = await client.open("POST", context.at("/"), asking(probe))
        await stream.send(data[:HALF])
        await signalled.wait()
        await stream.send(data[HALF:], end=True)
        response = await stream.response()
    if response.status != 200 or response.seen().body_sha256 != hashlib.sha256(data).hexdigest():
        raise EdgeError(f"upload {response.outcome}")


async def _slow_download(context: Context, probe: str) -> None:
    size = PARTS * 65_536
    async with connect_http2(context.edge) as client:
        response = await client.request("GET", context.at("/"), asking(probe, Answer(size=size, pause=0.05)))
    if response.body != b"".join(seeded_blocks(probe, size)):
        raise EdgeError(f"download {response.outcome}, {len(response.body):,} bytes")


ORIGIN = frozenset({Feature.ORIGIN})
STACK = frozenset({Feature.ORIGIN, Feature.HTTP2, Feature.STACK})
PROBES = (
    Probe("health-check", "a server that fails its health checks", "it gets no requests until it is well again",
          ORIGIN | {Feature.HEALTH_CHECK}, ejection, 60),
    Probe("reload", "a reload under load loses nothing", "every request is answered, a long response runs through",
          frozenset({Feature.STACK, Feature.HTTP2, Feature.RELOAD}), reload, 30),
    Probe("stop-server", "a graceful stop of the app server under load loses nothing",
          "what is in flight is finished after SIGTERM, and the exit is clean", STACK | {Feature.APP_SERVER}, stop_of_server, 60,
          disturbs=True),
    Probe("stop-proxy", "a graceful stop of the proxy", "what is in flight is finished, exit code 0",
          STACK | {Feature.GRACEFUL_STOP}, stop_of_proxy, 45, disturbs=True),
)  # fmt: skip
