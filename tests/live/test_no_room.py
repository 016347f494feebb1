"""No descriptor is left: who connects waits, which costs nothing and is said seldom; with room it goes on."""

from __future__ import annotations

import os
import resource
import time
from pathlib import Path

import pytest

from tests.live.conftest import PROBE
from tests.support.clients import Http1
from tests.support.process import Server, until

CLIENTS = 30
ROOM = 10
WATCHED = 2.0
SECONDS = 15.0


def cpu(pid: int) -> float:
    """Return the seconds of a process, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answered(client: Http1, seconds: float) -> bool:
    client.sock.settimeout(seconds)
    try:
        return client.answer().body == b"hello"
    except TimeoutError:
        return False


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_descriptors_run_out_and_come_back(loop: str) -> None:
    with Server(PROBE, "--loop", loop) as server:
        first = Http1(server.connect())
        assert first.ask("GET", "/hello").body == b"hello"  # a loop opens more with its first connection
        used = len(server.descriptors())
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (used + ROOM, 4096))
        clients = [Http1(server.connect()) for _ in range(CLIENTS)]
        for client in clients:
            client.request("GET", "/hello")
        served = clients[:ROOM]
        assert [client.answer().body for client in served] == [b"hello"] * ROOM
        until(lambda: "accept on" in server.said, "it is said")

        before, said, began = cpu(server.pid), server.said.count("accept on"), time.monotonic()
        while time.monotonic() < began + WATCHED:
            # Who is served is served on.
            assert served[0].ask("GET", "/hello").body == b"hello"
            time.sleep(0.1)
        assert cpu(server.pid) - before < 0.1 * WATCHED
        assert server.said.count("accept on") - said <= time.monotonic() - began + 1
        assert "Too many open files" in server.said
        assert "ulimit -n" in server.said

        # Room by a client that leaves, then by a higher limit: either way the others' turn comes.
        served[0].close()
        assert answered(clients[ROOM], SECONDS)
        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (4096, 4096))
        assert [answered(client, SECONDS) for client in clients[ROOM + 1 :]] == [True] * (CLIENTS - ROOM - 1)
        said = server.said.count("accept on")
        with Http1(server.connect()) as late:
            assert late.ask("GET", "/hello").body == b"hello"
        assert server.said.count("accept on") == said
        for client in (first, *clients):
            client.close()
        assert server.stop() == 0
    assert "CRITICAL" not in server.said
    assert "Traceback" not in server.said
