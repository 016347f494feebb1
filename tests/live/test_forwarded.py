"""Forwarding fields as a proxy sends them, in the dialect of each listener, over both protocols."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.live.conftest import PROBE
from tests.support.clients import Http1, Http2
from tests.support.process import Server, best

SENT = [
    ("forwarded", 'for=6.6.6.6;host=evil.test, for="[2001:db8::7]:4711";proto=https;host="shop.test:8443"'), ("forwarded", "for=10.0.0.2"),
    ("x-forwarded-for", "192.0.2.7"), ("x-forwarded-host", "other.test"), ("x_forwarded_for", "192.0.2.8"),
]  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    config = tmp_path_factory.mktemp("forwarded") / "appserver.toml"
    config.write_text(
        '[forwarded]\ndialect = "rfc7239"\ntrust = ["127.0.0.1", "10.0.0.0/8"]\nfields = ["for", "proto", "host"]\n'
        '[[listener]]\nbind = "127.0.0.2:0"\nforwarded_dialect = "x-forwarded"\ntrust = ["127.0.0.0/8"]\n'
        '[[listener]]\nbind = "127.0.0.3:0"\ntrust = []\n'
    )
    with Server(PROBE, "--config", config, "--h2-engine", best()) as server:
        yield server
        assert server.stop() == 0


def scope_at(server: Server, host: str, protocol: Any) -> dict[str, Any]:
    (port,) = [int(address.rpartition(":")[2]) for address in server.addresses if f"//{host}:" in address]
    with protocol(socket.create_connection((host, port), timeout=10)) as client:
        found: dict[str, Any] = json.loads(client.ask("GET", "/scope", SENT).body)
        return found


@pytest.mark.parametrize("protocol", [Http1, Http2])
@pytest.mark.parametrize(
    ("host", "client", "effective", "seen"),
    [
        ("127.0.0.1", ["2001:db8::7", 4711], ["shop.test", 8443, "https"], {"forwarded"}),
        ("127.0.0.2", ["192.0.2.7", 0], ["other.test", 80, "http"], {"x-forwarded-for", "x-forwarded-host"}),
        ("127.0.0.3", None, None, set()),
    ],
)
def test_each_listener_reads_its_dialect(
    server: Server, protocol: Any, host: str, client: Any, effective: Any, seen: set[str]
) -> None:
    scope = scope_at(server, host, protocol)

    names = {name for name, _ in scope["headers"]}
    assert names & {"forwarded", "x-forwarded-for", "x-forwarded-host", "x_forwarded_for"} == seen
    if client is None:
        assert scope["client"][0] == "127.0.0.1"
        assert scope["server"][0] == host
    else:
        assert scope["client"] == client
        assert [*scope["server"], scope["scheme"]] == effective
        assert dict(scope["headers"])["host"].partition(":")[0] == effective[0]
