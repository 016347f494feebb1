"""The comparison of a rendered and a minimal configuration: what is compared, and what is said about it."""

from __future__ import annotations

import pytest

from bench.proxies.__main__ import line, options
from bench.proxies.contest import Result, Run, by_hand

PORTS = {"EDGE_PORT": "1", "APP_PORT": "2"}


@pytest.mark.parametrize("folder", ["bare", "minimal"])
@pytest.mark.parametrize("name", ["apache", "caddy", "envoy", "haproxy", "nginx", "traefik"])
def test_a_configuration_by_hand_has_its_ports(name: str, folder: str) -> None:
    files = by_hand(folder, name, PORTS)
    assert len(files) == (2 if name == "traefik" else 1)
    assert all("127.0.0.1" in text and "${" not in text for text in files.values())


def test_a_proxy_that_nobody_knows_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        options(["squid"])
    assert "no proxy squid; there are apache, caddy" in capsys.readouterr().err


def _result(*cpu: float) -> Result:
    return Result(tuple(Run(1000.0 / each, each * 1e-6, 0) for each in cpu))


@pytest.mark.parametrize(("cpu", "said"), [(1.05, ""), (1.2, "over the bar")])
def test_the_bar(cpu: float, said: str) -> None:
    row = line("nginx", {"bare": _result(0.5), "minimal": _result(1.0), "rendered": _result(cpu)})
    assert row.split()[:2] == ["nginx", "h2c"]
    assert row.endswith(said)
    assert ("over" in row) == bool(said)


def test_a_ratio_is_of_the_same_round() -> None:
    # The second round was run while the machine did something else: slower for both.
    assert _result(1.0, 5.5, 1.1).cost_beside(_result(1.0, 5.0, 1.0)) == pytest.approx(1.1)
    assert _result(2.0, 4.0, 8.0).rate_beside(_result(1.0, 2.0, 4.0)) == pytest.approx(0.5)
