"""An answer given before the upload has ended reaches the client through each proxy whose hop can be h2c.

Caddy's part is in test_early_answers, beside the clients without a proxy.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.interop.hop import SITE, Installed, Stack, proves, stack, until
from tests.interop.test_early_answers import APP, EXPECTED, SIZES, curl
from tests.live.conftest import FAULTS
from tests.support.process import Server, best

HOPS = ("haproxy", "envoy")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(APP, "--h2-engine", best()) as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


@pytest.fixture(scope="module")
def shops(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shops]:
    with ExitStack() as exits:
        yield Shops(server, tmp_path_factory, exits)


class Shops:
    """Each proxy once before the server."""

    def __init__(self, server: Server, factory: pytest.TempPathFactory, exits: ExitStack) -> None:
        self._address = server.url.partition("//")[2]
        self._factory, self._exits = factory, exits
        self._running: dict[Installed, Stack] = {}

    def get(self, on: Installed) -> Stack:
        if on not in self._running:
            folder = self._factory.mktemp(on.proxy)
            self._running[on] = self._exits.enter_context(stack(on, folder, self._address, SITE))
        return self._running[on]


def upload(shop: Stack, path: str, size: int, version: str) -> str:
    """Upload through the TLS listener; return what curl saw."""
    names = ("--cacert", str(Path(shop.folder) / "cert.pem"), "--resolve", f"shop.test:{shop.port}:127.0.0.1")
    return curl(f"https://shop.test:{shop.port}{path}", size, version, *names)


def arrives(shop: Stack, path: str, size: int, version: str) -> bool:
    """A client that still sends may see the proxy's own reset of its connection before the answer (Caddy does so, too)."""
    try:
        return upload(shop, path, size, version) == EXPECTED
    except AssertionError as error:
        if "reset" not in str(error).lower():
            raise
        return False


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("path", ["/now", "/first"])
@proves("h2c_upstream", proxies=HOPS)
def test_to_an_http1_client(on: Installed, shops: Shops, path: str, size: int) -> None:
    until(lambda: arrives(shops.get(on), path, size, "--http1.1"), f"an answer through {on}")


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("path", ["/now", "/first"])
@proves("h2c_upstream", proxies=("haproxy",))
def test_to_an_http2_client(on: Installed, shops: Shops, path: str, size: int) -> None:
    until(lambda: arrives(shops.get(on), path, size, "--http2"), f"an answer through {on}")
