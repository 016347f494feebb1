"""The probes on the origin itself, no proxy between: what passes through shows, and what nobody guards against fails."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from proxyconf.verify.address import Address
from proxyconf.verify.answer import Answer
from proxyconf.verify.edge.http1 import connect_http1
from proxyconf.verify.edge.link import Edge
from proxyconf.verify.origin.control import Control, serve_control
from proxyconf.verify.origin.journal import Journal
from proxyconf.verify.origin.server import FEATURES, listen
from proxyconf.verify.outcome import Verdict
from proxyconf.verify.probes.catalogue import PROBES
from proxyconf.verify.probes.probe import Context, asking
from proxyconf.verify.runner import attempt
from proxyconf.verify.subject import Feature, Subject
from tests.support.ports import free_port

CLEARTEXT = frozenset(Feature) - {Feature.TLS, Feature.STACK}
BY_ID = {probe.id: probe for probe in PROBES}
PASSES = [
    "edge-http1", "hop-parallel", "host", "path", "early-hints", "unharmed-by-hints", "trailers", "request-trailers", "upload",
    "download", "events", "streamed-request", "client-leaves", "broken-off", "grpc", "grpc-error", "websocket", "websocket-http2",
]  # fmt: skip
# Nobody stands between: what a proxy must do is not done.
FAILS = ["client-address", "spoofing", "spoofing-underscore", "hop-by-hop", "scheme", "unknown-host", "smuggling-http2", "proxy-header"]


def probed(name: str) -> tuple[Verdict, str]:
    """Try one probe on a fresh origin, in this process."""

    async def run() -> tuple[Verdict, str]:
        with tempfile.TemporaryDirectory(prefix="pv-") as folder:
            journal, address, control = Journal("probe origin"), Address(f"127.0.0.1:{free_port()}"), Path(folder, "c")
            servers = [await listen(address, journal), await serve_control(journal, control, FEATURES, lambda: journal.open_connections)]
            edge = Edge("shop.test", address.host_and_port[1], tls=False)
            subject = Subject("nothing", "", edge, CLEARTEXT, origins=(address.text,), proxy_protocol=2, hop_connections=10)
            client = await Control.connect(control)
            try:
                result = await attempt(BY_ID[name], Context(subject, client))
            finally:
                await client.close()
                for server in servers:
                    server.close()
            return result.verdict, result.text

    return asyncio.run(run())


@pytest.mark.parametrize("name", PASSES)
def test_what_needs_no_proxy_holds(name: str) -> None:
    verdict, text = probed(name)
    assert verdict is Verdict.PASSED, text


@pytest.mark.parametrize("name", FAILS)
def test_what_a_proxy_must_do_fails_without_one(name: str) -> None:
    verdict, text = probed(name)
    assert verdict is Verdict.FAILED, text


def test_the_origin_notices_a_client_that_leaves_over_http1() -> None:
    async def run() -> str:
        journal, address = Journal("probe origin"), Address(f"127.0.0.1:{free_port()}")
        server = await listen(address, journal)
        edge = Edge("shop.test", address.host_and_port[1], tls=False)
        async with connect_http1(edge) as client:
            await client.send_head("GET", "/", asking("leaves", Answer(hold="gate")))
            await client.end()
            await until(lambda: bool(journal.gates["gate"].waiting))
        await until(lambda: bool(journal.of("leaves")[0].answered))
        server.close()
        return journal.of("leaves")[0].answered

    assert asyncio.run(run()) == "cut"


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something of this process, within a bound."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)
