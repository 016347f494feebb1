"""The load generator's WebSocket: it shakes hands, answers pings, and compares each message with what it sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from appserver.ws.codec import FrameReader, write_frame
from bench.recorder import Make, Record
from tests.unit.bench.recording import Generator, serving


def websocket_server(change: Callable[[bytes], bytes]) -> Make:
    """Return what answers a handshake, and each message with what `change` makes of its frame's payload."""

    class Echo:
        def __init__(self) -> None:
            self.reader: FrameReader | None = None

        def receive(self, data: bytes) -> bytes:
            if self.reader is None:
                assert b"Upgrade: websocket" in data
                assert data.endswith(b"\r\n\r\n")
                self.reader = FrameReader(1_000_000)
                # A ping is no answer, and has to be answered.
                return b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + write_frame(9, b"ping", False)
            said, at = b"", 0
            while at < len(data):
                at = self.reader.read(data, at)
                assert not self.reader.code
                if self.reader.kind == 2:
                    said += write_frame(2, change(self.reader.payload), False)
            return said

    return lambda is_http2: Echo()  # type: ignore[return-value] # what a recorder does, and no more


@pytest.mark.parametrize(
    ("change", "wrong"), [(bytes, 0), (lambda data: data[:-1], 40), (lambda data: data[:-1] + b"!", 40)], ids=["right", "short", "other"]
)
@pytest.mark.parametrize("size", [64, 125, 126, 16_384, 70_000])
def test_messages_come_back(generator: Generator, change: Callable[[bytes], bytes], wrong: int, size: int) -> None:
    with serving(Record(), websocket_server(change)) as port:
        figures = generator.figures(port, "--protocol=ws", "--connections=4", "--requests=40", f"--post={size}", f"--answer={size}")
    assert (figures["ok"], figures["failed"]) == (40 - wrong, wrong)
