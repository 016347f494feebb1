"""The 505 of a listener that speaks HTTP/2 only: a whole response, whatever came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from appserver.accepted import Peer
from appserver.http.answer import AnswerContext
from appserver.worker.refusal import refusal

PEER = Peer(("192.0.2.1", 4711), ("192.0.2.2", 80), "http")
WORDS = st.binary(max_size=20) | st.sampled_from([b"GET", b"HEAD", b"/", b"HTTP/1.1", b"HTTP/", b"\r\n", b" "])


@given(st.lists(WORDS, max_size=6).map(b" ".join) | st.binary())
def test_whatever_came_the_answer_is_whole(first: bytes) -> None:
    head, separator, body = refusal(AnswerContext(), PEER, first).partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    fields = dict(line.split(b": ", 1) for line in lines)

    assert status == b"HTTP/1.1 505 HTTP Version Not Supported"
    assert separator
    assert fields[b"connection"] == b"close"
    assert int(fields[b"content-length"]) == len(body) or (body == b"" and first.startswith(b"HEAD "))
