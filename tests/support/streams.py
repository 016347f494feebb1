"""A `contract.Stream` that writes down what an application says, and objects where a wire would.

    ("inform", 103, fields)  ("prioritize", 1, -1)  ("respond", 200, fields, end)  ("write", b"...", end)  ("finish", trailers)  ("reset", 2)
"""

from __future__ import annotations

from typing import Any

from appserver.contract import Fields, Stream

__all__ = ["RecordingStream"]


class RecordingStream(Stream):
    """What was said in `said`, the credit given back in `granted`; `lose` makes it deaf, as a wire is."""

    def __init__(self) -> None:
        self.writable = True
        self.said: list[tuple[Any, ...]] = []
        self.granted = 0
        self.late: list[tuple[Any, ...]] = []
        self.lost = False
        self.full_after: int | None = None

    def lose(self) -> None:
        self.lost = True
        self.writable = True

    @property
    def body(self) -> bytes:
        return b"".join(call[1] for call in self.said if call[0] == "write")

    @property
    def ended(self) -> bool:
        """The response is whole, or given up."""
        return any(call[0] in ("finish", "reset") or (call[0] in ("respond", "write") and call[-1]) for call in self.said)

    @property
    def responded(self) -> bool:
        return any(call[0] == "respond" for call in self.said)

    def inform(self, status: int, fields: Fields) -> None:
        assert 100 <= status < 200
        self._say("inform", status, fields)

    def prioritize(self, urgency: int, incremental: int) -> None:
        assert not self.responded, "a priority after the head"
        self._say("prioritize", urgency, incremental)

    def respond(self, status: int, fields: Fields, end: bool) -> None:
        assert self.lost or not self.responded, "two responses"
        assert status == 101 or 200 <= status <= 999
        self._say("respond", status, list(fields), bool(end))

    def write(self, chunk: bytes, end: bool) -> None:
        assert self.lost or self.responded, "a body without a head"
        assert type(chunk) is bytes
        assert chunk or end, "nothing to write"
        self._say("write", chunk, bool(end))
        if self.full_after is not None and len(self.body) >= self.full_after:
            self.writable = False

    def finish(self, trailers: Fields) -> None:
        assert self.lost or self.responded, "trailers without a head"
        self._say("finish", list(trailers))

    def grant(self, size: int) -> None:
        assert size >= 0
        self.granted += size

    def reset(self, reason: int) -> None:
        self._say("reset", reason)

    def _say(self, *call: Any) -> None:
        if self.lost:
            self.late.append(call)
            return
        assert not self.ended, f"{call} after the end"
        self.said.append(call)
