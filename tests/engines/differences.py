"""Where the engines differ on purpose or by nature: the one allow-list, each entry with its reason.

`TESTS` are tests of this directory that an engine does not pass (strictly: one that passes is an error).
`VERDICTS` are outcomes that `test_agreement` takes as the same.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.support.frames import FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR, STREAM_CLOSED

__all__ = ["TESTS", "VERDICTS", "Verdict"]

TESTS: dict[tuple[str, str], str] = {
    ("kernel", "test_the_end_needs_no_window"): (
        "nghttp2 holds an empty DATA frame back while the window is empty; RFC 9113 6.9 allows it to be sent (MAY)"
    ),
}


class Verdict(NamedTuple):
    """How a connection ended for each engine; -1: it did not."""

    pure: int
    kernel: int
    reason: str


VERDICTS: tuple[Verdict, ...] = (
    Verdict(-1, FLOW_CONTROL_ERROR, "nghttp2 since 1.67 ends the connection whose stream window overflows; "
            "RFC 9113 6.9.1 wants the stream reset"),
    Verdict(FLOW_CONTROL_ERROR, -1, "nghttp2 resets the streams that a SETTINGS frame overflows; "
            "RFC 9113 6.9.2 wants a connection error"),
    Verdict(PROTOCOL_ERROR, -1, "nghttp2 since 1.65 ignores a stream that depends on itself, as priorities are gone; "
            "h2spec still asks for the error of RFC 7540 5.3.1"),
    Verdict(FRAME_SIZE_ERROR, PROTOCOL_ERROR, "a padded frame without its pad length: too small to RFC 9113 4.2, "
            "wrongly padded to nghttp2"),
    Verdict(-1, STREAM_CLOSED, "a frame after END_STREAM on a stream that we reset: RFC 9113 5.1 asks us to ignore what "
            "follows our RST_STREAM, the kernel may still know that the peer had ended it"),
)
