"""Ports for programs that have to be told where to listen."""

from __future__ import annotations

import itertools
import os
import socket

__all__ = ["free_port"]

# Below what Linux gives to those who ask for any port, so that none of them takes one before its program is up.
FIRST, PORTS_PER_WORKER, WORKERS = 16_000, 2_000, 8


def _ports() -> range:
    """Return the ports of this worker of pytest-xdist: two that run at once never return the same."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    first = FIRST + worker * PORTS_PER_WORKER
    return range(first, first + PORTS_PER_WORKER)


def _from_here(ports: range) -> itertools.cycle[int]:
    # Two runs on one machine begin at different places.
    begin = os.getpid() * 101 % len(ports)
    return itertools.cycle([*ports[begin:], *ports[:begin]])


_CANDIDATES = _from_here(_ports())


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody uses now, and that was not returned a while ago."""
    for port in itertools.islice(_CANDIDATES, PORTS_PER_WORKER):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError(f"every port of {_ports()} is in use")
