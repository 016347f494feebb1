"""Where the engines differ on purpose or by nature: the one allow-list, each entry with its reason.

`TESTS` are tests of this directory that an engine does not pass (strictly: one that passes is an error).
`VERDICTS` are outcomes that `test_agreement` takes as the same.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.engines.script import Script
from tests.support.frames import FLOW_CONTROL_ERROR, STREAM_CLOSED

__all__ = ["TESTS", "VERDICTS", "Verdict"]

TESTS: dict[tuple[str, str], str] = {}


class Verdict(NamedTuple):
    """One engine ended the connection with `code` where the other went on, given one of `moves`."""

    engine: str
    code: int
    moves: frozenset[str]
    reason: str

    def explains(self, script: Script, codes: dict[str, int]) -> bool:
        """Tell whether this is why connections ended with different codes."""
        return codes[self.engine] == self.code and any(script.has(move) for move in self.moves)


VERDICTS: tuple[Verdict, ...] = (
    Verdict(
        "kernel", FLOW_CONTROL_ERROR, frozenset({"overflow"}),
        "nghttp2 since 1.67 ends the connection whose stream window overflows; RFC 9113 6.9.1 wants the stream reset",
    ),
    Verdict(
        "pure", FLOW_CONTROL_ERROR, frozenset({"settings"}),
        "nghttp2 resets the streams that a SETTINGS frame overflows; RFC 9113 6.9.2 wants a connection error",
    ),
    Verdict(
        "kernel", STREAM_CLOSED, frozenset({"late"}),
        "a frame on a stream that its client had ended and that we have reset: RFC 9113 5.1 asks to ignore what "
        "follows our RST_STREAM, which pure does; nghttp2 knows no reset of ours before RST_STREAM is sent",
    ),
)
