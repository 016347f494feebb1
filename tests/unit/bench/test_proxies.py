"""The comparison of a rendered and a minimal configuration: what is compared, and what is said about it."""

from __future__ import annotations

import pytest

from bench.proxies.__main__ import line, options
from bench.proxies.contest import Result, minimal

PORTS = {"EDGE_PORT": "1", "APP_PORT": "2"}


@pytest.mark.parametrize("name", ["caddy", "envoy", "haproxy", "nginx"])
def test_a_minimal_configuration_has_its_ports(name: str) -> None:
    [text] = minimal(name, PORTS).values()
    assert "127.0.0.1" in text
    assert "${" not in text


def test_a_proxy_without_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(["squid"])
    assert "no minimal configuration of squid; there are caddy" in capsys.readouterr().err


@pytest.mark.parametrize(("cpu", "said"), [(1.05, ""), (1.2, "over the bar")])
def test_the_bar(cpu: float, said: str) -> None:
    row = line("nginx", Result(1000.0, 1e-6, 0), Result(900.0, cpu * 1e-6, 0))
    assert row.split()[:4] == ["nginx", "900", "1000", "0.90"]
    assert row.endswith(said)
    assert ("over" in row) == bool(said)
