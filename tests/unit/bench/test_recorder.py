"""The recorder reads what it is sent: representations as in RFC 7541, appendix C, and whole conversations."""

from __future__ import annotations

import pytest
from hpack import Encoder
from hypothesis import given
from hypothesis import strategies as st

from bench.apps import HELLO
from bench.recorder import Http1Recorder, Http2Recorder, Record, answer, frame, representations

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, SETTINGS_ACK = frame(4, 0, 0), frame(4, 1, 0)

EXAMPLES = {
    "C.2.1": ("400a637573746f6d2d6b65790d637573746f6d2d686561646572", ["incremental name"]),
    "C.2.2": ("040c2f73616d706c652f70617468", ["without"]),
    "C.2.3": ("100870617373776f726406736563726574", ["never name"]),
    "C.2.4": ("82", ["indexed"]),
    "C.3.1": ("828684410f7777772e6578616d706c652e636f6d", ["indexed", "indexed", "indexed", "incremental"]),
    "C.4.1": ("828684418cf1e3c2e5f23a6ba0ab90f4ff", ["indexed", "indexed", "indexed", "incremental huffman"]),
    "an update": ("3fe11f82", ["update", "indexed"]),
}


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_representation_is_told_apart(example: str) -> None:
    block, expected = EXAMPLES[example]
    assert representations(bytes.fromhex(block)) == expected


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=300), st.binary(max_size=300), st.booleans()), max_size=8))
def test_every_field_of_an_encoder_has_one(fields: list[tuple[bytes, bytes, bool]]) -> None:
    assert len(representations(Encoder().encode([(name, value) for name, value, _ in fields]))) == len(fields)


def test_http2_is_recorded_and_answered() -> None:
    record = Record()
    recorder = Http2Recorder(record)
    head = Encoder().encode([(":method", "GET"), (":path", "/a"), ("cookie", "b")])
    sent = PREFACE + SETTINGS + frame(1, 4 | 1, 1, head)
    assert recorder.receive(sent[:30]) == SETTINGS
    assert recorder.receive(sent[30:]) == SETTINGS_ACK + answer(1)
    assert (record.requests, record.names) == (1, [":method", ":path", "cookie"])
    assert record.summary()["fields"]["cookie"] == {
        "distinct": 1, "written": {"incremental huffman": 1}, "example": "b",
    }


def test_http2_bodies_are_counted_and_answered_at_their_end() -> None:
    record = Record()
    recorder = Http2Recorder(record)
    recorder.receive(PREFACE)
    assert recorder.receive(frame(1, 4, 1, Encoder().encode([(":method", "POST")]))) == b""
    assert recorder.receive(frame(0, 0, 1, b"four")) == b""
    assert recorder.receive(frame(0, 1, 1, b"")) == answer(1)
    assert record.body == 4


def test_http1_is_recorded_and_answered_one_by_one() -> None:
    record = Record()
    recorder = Http1Recorder(record)
    assert recorder.receive(b"GET /a HTTP/1.1\r\nHost: x\r\n") == b""
    both = recorder.receive(b"\r\nPOST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc")
    assert both.count(HELLO) == 2
    assert (record.requests, record.body, record.values[":path"]) == (2, 3, {"/a", "/b"})
