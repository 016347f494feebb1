"""Forwarded (RFC 7239) as HAProxy writes it, whatever its client wrote before it, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.hop import Installed, free_port
from tests.interop.test_proxy_protocol_hop import FROM, ask, haproxy, on
from tests.live.conftest import FAULTS, PROBE
from tests.support.process import Server

FORGED = ["", "for=6.6.6.6;proto=https;host=evil.test", 'for="6.6.6.6', 'for="[::1]', "for=6.6.6.6,", "secret"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(PROBE, "--forwarded-dialect", "rfc7239", "--forwarded-fields", "for,proto,host") as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


@on("haproxy", since="2.8")  # as `option forwarded`
@pytest.mark.parametrize("protocol", ["h1", "h2"])
def test_haproxy(on: Installed, server: Server, tmp_path: Path, protocol: str) -> None:
    port = free_port()
    backend = [
        "option forwarded proto host by by_port for for_port",
        f"server app 127.0.0.1:{server.port} proto {protocol}",
    ]
    with haproxy(on, tmp_path, port, backend):
        for forged in FORGED:
            said = ("-H", f"Forwarded: {forged}") if forged else ()
            scope = ask(f"http://127.0.0.1:{port}/scope", "-H", "Host: shop.test:8443", *said)
            assert scope["client"][0] == FROM, forged
            assert scope["client"][1] > 0
            assert (scope["scheme"], scope["server"]) == ("http", ["shop.test", 8443])
            assert dict(scope["headers"])["host"] == "shop.test:8443"
