"""Priorities on real sockets: a client's signals, and the application's, decide what comes first (RFC 9218)."""

from __future__ import annotations

import json

import pytest

from tests.live.conftest import Talk
from tests.live.test_http2_clients import Watcher
from tests.support.frames import GET, INITIAL_WINDOW_SIZE, Data, Pairs, changed

WINDOW = 65_535
SIZE = 204_800


def get(path: str, priority: str | None = None) -> Pairs:
    return changed(GET, path=path) if priority is None else changed(GET, ("priority", priority), path=path)


@pytest.mark.parametrize("signal", ["field", "frame before", "frame after"])
def test_what_is_urgent_overtakes_a_download(h2: Talk, signal: str) -> None:
    with h2.server.connect() as sock:
        client = Watcher(sock, {INITIAL_WINDOW_SIZE: 2**24})
        client.say(client.headers(1, get("/stream?parts=40&size=65536", "u=6"), end=True))
        client.until(lambda: client.size(1) == WINDOW)
        if signal == "frame before":
            client.say(client.priority_update(3, b"u=0"))
        client.say(client.headers(3, get(f"/stream?size={SIZE}", "u=0" if signal == "field" else "u=7"), end=True))
        if signal == "frame after":
            client.say(client.priority_update(3, b"u=0"))
        client.until(lambda: 3 in client.statuses())
        client.settle({})
        before = len(client.frames)
        client.say(client.window(0, SIZE + 100_000))
        client.until(lambda: client.size(1) > WINDOW)
        after = [sent.stream for sent in client.frames[before:] if isinstance(sent, Data)]
        assert client.size(3) == SIZE
        assert after[: after.index(1)] == [3] * after.index(1)


def test_an_application_is_told(h2: Talk) -> None:
    with h2.server.connect() as sock:
        client = Watcher(sock, {})
        client.say(client.priority_update(3, b"u=2"))
        client.say(client.headers(1, get("/scope", "u=1, i"), end=True), client.headers(3, get("/scope"), end=True, priority=(1, 99)))
        client.until_ended(1)
        client.until_ended(3)
        first, second = (json.loads(b"".join(client.pieces(stream)))["extensions"] for stream in (1, 3))
        assert first["http.request.priority"] == {"urgency": 1, "incremental": True}
        assert "http.response.priority" not in first
        assert second["http.request.priority"] == {"urgency": 2, "incremental": False}
        assert second["http.response.priority"] == {"weight": 100, "depends_on": 1}
