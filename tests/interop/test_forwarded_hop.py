"""Forwarded (RFC 7239) as HAProxy writes it, whatever its client wrote before it, over HTTP/1.1 and HTTP/2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from proxyconf.facts.table import Version
from tests.interop.hop import Installed, free_port, installed
from tests.interop.test_proxy_protocol_hop import FROM, ask, running
from tests.live.conftest import FAULTS, PROBE
from tests.support.process import Server

FORGED = ["", "for=6.6.6.6;proto=https;host=evil.test", 'for="6.6.6.6', 'for="[::1]', "for=6.6.6.6,", "secret"]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(PROBE, "--forwarded-dialect", "rfc7239", "--forwarded-fields", "for,proto,host") as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


# `option forwarded` came with 2.8.
NOBODY = [pytest.param(None, marks=pytest.mark.skip(reason="no HAProxy 2.8 or newer is in build/proxies"))]


@pytest.mark.parametrize("on", [one for one in installed("haproxy") if one.version >= Version.parse("2.8")] or NOBODY, ids=str)
@pytest.mark.parametrize("protocol", ["h1", "h2"])
def test_haproxy(on: Installed, server: Server, tmp_path: Path, protocol: str) -> None:
    port = free_port()
    (tmp_path / "haproxy.cfg").write_text(f"""
defaults
  mode http
  timeout connect 5s
  timeout client 20s
  timeout server 20s
frontend in
  bind 127.0.0.1:{port}
  default_backend app
backend app
  option forwarded proto host by by_port for for_port
  server app 127.0.0.1:{server.port} proto {protocol}
""")
    with running([on.program, "-db", "-f", str(tmp_path / "haproxy.cfg")], port):
        for forged in FORGED:
            said = ("-H", f"Forwarded: {forged}") if forged else ()
            scope = ask(f"http://127.0.0.1:{port}/scope", "-H", "Host: shop.test:8443", *said)
            assert scope["client"][0] == FROM, forged
            assert scope["client"][1] > 0
            assert (scope["scheme"], scope["server"]) == ("http", ["shop.test", 8443])
            assert dict(scope["headers"])["host"] == "shop.test:8443"
