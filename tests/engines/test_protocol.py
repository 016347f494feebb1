"""Frames that are wrong: what ends the connection, what resets a stream, what is ignored."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.engines.talk import Talk
from tests.support.frames import (
    ACK,
    CANCEL,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    ENABLE_PUSH,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GET,
    GOAWAY,
    HEADER_TABLE_SIZE,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    MAX_FRAME_SIZE,
    NO_RFC7540_PRIORITIES,
    PADDED,
    PING,
    POST,
    PREFACE,
    PRIORITIZED,
    PRIORITY,
    PRIORITY_UPDATE,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    Client,
    Goaway,
    Sent,
    changed,
    expect,
    frame,
)

OpenTalk = Callable[..., Talk]


def ended_with(frames: list[Sent]) -> int:
    """Return the code of the GOAWAY that ended a connection, or -1."""
    last = frames[-1] if frames else None
    return last.code if isinstance(last, Goaway) else -1


CLIENT = Client()
BROKEN: dict[str, tuple[bytes, int]] = {
    "DATA on stream 0": (frame(DATA, 0, 0, b"x"), PROTOCOL_ERROR),
    "DATA on an idle stream": (frame(DATA, 0, 1, b"x"), PROTOCOL_ERROR),
    "DATA on an even stream": (frame(DATA, 0, 2, b"x"), PROTOCOL_ERROR),
    "HEADERS on stream 0": (frame(HEADERS, END_HEADERS, 0, b"\x82"), PROTOCOL_ERROR),
    "HEADERS on an even stream": (CLIENT.raw_headers(2, b"\x82\x86\x84\x41\x01a", end=True), PROTOCOL_ERROR),
    "HEADERS of one frame too long": (frame(HEADERS, END_HEADERS, 1, b"", 16_385), FRAME_SIZE_ERROR),
    "HEADERS that depend on themselves, cut": (frame(HEADERS, END_HEADERS | PRIORITIZED, 1, b"ab"), FRAME_SIZE_ERROR),
    "padding longer than DATA": (CLIENT.raw_headers(1, b"\x82\x86\x84\x41\x01a")
                                 + frame(DATA, PADDED, 1, b"\x05abcd"), PROTOCOL_ERROR),
    "padding longer than HEADERS": (frame(HEADERS, END_HEADERS | PADDED, 1, b"\x05\x82\x86"), PROTOCOL_ERROR),
    "padding over the priority fields": (
        frame(HEADERS, END_HEADERS | PADDED | PRIORITIZED, 1, b"\x04" + bytes(8)), PROTOCOL_ERROR),
    "DATA without its pad length": (
        CLIENT.raw_headers(1, b"\x82\x86\x84\x41\x01a") + frame(DATA, PADDED, 1), FRAME_SIZE_ERROR),
    "DATA on an idle stream without its pad length": (frame(DATA, PADDED, 1), FRAME_SIZE_ERROR),
    "DATA of nothing but a pad length that is too long": (
        CLIENT.raw_headers(1, b"\x82\x86\x84\x41\x01a") + frame(DATA, PADDED, 1, b"\x01"), PROTOCOL_ERROR),
    "HEADERS without their pad length": (frame(HEADERS, END_HEADERS | PADDED, 1), FRAME_SIZE_ERROR),
    "trailers without their pad length": (
        CLIENT.raw_headers(1, b"\x82\x86\x84\x41\x01a") + frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1),
        FRAME_SIZE_ERROR),
    "padded HEADERS whose priority is cut": (
        frame(HEADERS, END_HEADERS | PADDED | PRIORITIZED, 1, bytes(5)), FRAME_SIZE_ERROR),
    "PRIORITY on stream 0": (frame(PRIORITY, 0, 0, bytes(5)), PROTOCOL_ERROR),
    "PRIORITY of four bytes": (frame(PRIORITY, 0, 1, bytes(4)), FRAME_SIZE_ERROR),
    "PRIORITY that depends on itself": (CLIENT.priority(1, 1), PROTOCOL_ERROR),
    "HEADERS that depend on themselves": (
        CLIENT.raw_headers(1, b"\x82\x86\x84\x41\x01a", priority=(1, 0)), PROTOCOL_ERROR),
    "PRIORITY_UPDATE on a stream": (frame(PRIORITY_UPDATE, 0, 1, b"\0\0\0\x01u=1"), PROTOCOL_ERROR),
    "PRIORITY_UPDATE for stream 0": (CLIENT.priority_update(0, b"u=1"), PROTOCOL_ERROR),
    "PRIORITY_UPDATE for a stream of ours": (CLIENT.priority_update(2, b"u=1"), PROTOCOL_ERROR),
    "PRIORITY_UPDATE of three bytes": (frame(PRIORITY_UPDATE, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
    "PRIORITY_UPDATE of nothing": (frame(PRIORITY_UPDATE, 0, 0), FRAME_SIZE_ERROR),
    "PRIORITY_UPDATE too long": (frame(PRIORITY_UPDATE, 0, 0, b"", 16_385), FRAME_SIZE_ERROR),
    "PRIORITY_UPDATE inside a header block": (
        frame(HEADERS, 0, 1, b"\x82") + CLIENT.priority_update(1, b"u=1"), PROTOCOL_ERROR),
    "RST_STREAM on stream 0": (frame(RST_STREAM, 0, 0, bytes(4)), PROTOCOL_ERROR),
    "RST_STREAM on an idle stream": (frame(RST_STREAM, 0, 1, bytes(4)), PROTOCOL_ERROR),
    "RST_STREAM on an even stream": (frame(RST_STREAM, 0, 2, bytes(4)), PROTOCOL_ERROR),
    "RST_STREAM of three bytes": (frame(RST_STREAM, 0, 1, bytes(3)), FRAME_SIZE_ERROR),
    "SETTINGS on a stream": (frame(SETTINGS, 0, 1), PROTOCOL_ERROR),
    "SETTINGS of five bytes": (frame(SETTINGS, 0, 0, bytes(5)), FRAME_SIZE_ERROR),
    "SETTINGS acknowledged with a payload": (frame(SETTINGS, ACK, 0, bytes(6)), FRAME_SIZE_ERROR),
    "SETTINGS acknowledged twice": (CLIENT.acknowledge(), PROTOCOL_ERROR),
    "ENABLE_PUSH 2": (CLIENT.settings({ENABLE_PUSH: 2}), PROTOCOL_ERROR),
    "INITIAL_WINDOW_SIZE 2**31": (CLIENT.settings({INITIAL_WINDOW_SIZE: 2**31}), FLOW_CONTROL_ERROR),
    "MAX_FRAME_SIZE 16383": (CLIENT.settings({MAX_FRAME_SIZE: 16_383}), PROTOCOL_ERROR),
    "MAX_FRAME_SIZE 2**24": (CLIENT.settings({MAX_FRAME_SIZE: 2**24}), PROTOCOL_ERROR),
    "SETTINGS of 33 entries": (frame(SETTINGS, 0, 0, b"\0\x01\0\0\x10\0" * 33), ENHANCE_YOUR_CALM),
    "NO_RFC7540_PRIORITIES after a first SETTINGS without": (CLIENT.settings({NO_RFC7540_PRIORITIES: 1}), PROTOCOL_ERROR),
    "NO_RFC7540_PRIORITIES 2": (CLIENT.settings({NO_RFC7540_PRIORITIES: 2}), PROTOCOL_ERROR),
    "PUSH_PROMISE": (frame(PUSH_PROMISE, END_HEADERS, 1, bytes(4)), PROTOCOL_ERROR),
    "PING on a stream": (frame(PING, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "PING of nine bytes": (frame(PING, 0, 0, bytes(9)), FRAME_SIZE_ERROR),
    "GOAWAY on a stream": (frame(GOAWAY, 0, 1, bytes(8)), PROTOCOL_ERROR),
    "GOAWAY of seven bytes": (frame(GOAWAY, 0, 0, bytes(7)), FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of three bytes": (frame(WINDOW_UPDATE, 0, 0, bytes(3)), FRAME_SIZE_ERROR),
    "WINDOW_UPDATE of nothing": (CLIENT.window(0, 0), PROTOCOL_ERROR),
    "WINDOW_UPDATE on an idle stream": (CLIENT.window(1, 1), PROTOCOL_ERROR),
    "WINDOW_UPDATE over 2**31-1": (CLIENT.window(0, 2**31 - 1), FLOW_CONTROL_ERROR),
    "CONTINUATION alone": (frame(CONTINUATION, END_HEADERS, 1, b"\x82"), PROTOCOL_ERROR),
    "CONTINUATION on stream 0": (frame(CONTINUATION, END_HEADERS, 0, b"\x82"), PROTOCOL_ERROR),
    "CONTINUATION of another stream": (
        frame(HEADERS, 0, 1, b"\x82") + frame(CONTINUATION, END_HEADERS, 3, b"\x86"), PROTOCOL_ERROR),
    "DATA inside a header block": (frame(HEADERS, 0, 1, b"\x82") + frame(DATA, 0, 1), PROTOCOL_ERROR),
    "PING inside a header block": (frame(HEADERS, 0, 1, b"\x82") + CLIENT.ping(), PROTOCOL_ERROR),
    "unknown frame inside a header block": (frame(HEADERS, 0, 1, b"\x82") + frame(0xFA, 0, 1, b"x"), PROTOCOL_ERROR),
    "HEADERS inside a header block": (
        frame(HEADERS, 0, 1, b"\x82") + frame(HEADERS, END_HEADERS, 3, b"\x82"), PROTOCOL_ERROR),
    "nine CONTINUATION frames": (
        CLIENT.raw_headers(1, b"\x82\x86\x84\x41\x01a", end=True, parts=10), ENHANCE_YOUR_CALM),
    "nine empty CONTINUATION frames": (
        frame(HEADERS, 0, 1, b"\x82") + frame(CONTINUATION, 0, 1) * 9, ENHANCE_YOUR_CALM),
    "an unknown frame too long": (frame(0xFA, 0, 0, b"", 16_385), FRAME_SIZE_ERROR),
    "DATA too long": (frame(DATA, 0, 1, b"", 16_385), FRAME_SIZE_ERROR),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_connection_is_ended(talk: Talk, name: str) -> None:
    data, code = BROKEN[name]
    assert ended_with(talk.ask(data)) == code
    assert talk.engine.ended
    # Nothing more is read.
    assert talk.ask(talk.client.headers(101, GET, end=True), talk.client.ping()) == []
    assert not any(call[1] == "begin" and call[3] == b"/" for call in talk.calls[1:])


def test_an_error_loses_the_open_requests(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST), talk.client.headers(3, GET, end=True), talk.client.window(0, 0))
    talk.heard()
    talk.engine.lose()
    assert sorted(talk.calls[2:]) == [(1, "lost"), (2, "lost")]
    talk.request().stream.respond(200, [], True)
    assert talk.heard() == []
    assert talk.engine.ended


HPACK: dict[str, bytes] = {
    "index 0": b"\x80",
    "index out of range": b"\xff\x20",
    "name index out of range": b"\x7f\x20\x01a",
    "an integer without end": b"\xff" + b"\xff" * 20,
    "an integer of many bytes": b"\xff" + b"\xff" * 9 + b"\x01",
    "a string longer than the block": b"\x00\x7f\x10a",
    "end of string in Huffman": b"\x00\x84\xff\xff\xff\xff\x01a",
    "Huffman padding of more than seven bits": b"\x00\x82\x1f\xff\x01a",
    "Huffman padding with zeros": b"\x00\x81\x18\x01a",
    "a table larger than allowed": b"\x3f\xe2\x1f\x82",
    "a table update in the middle": b"\x82\x20\x86\x84\x41\x01a",
    "an update at the end": b"\x82\x86\x84\x41\x01a\x20",
    "half a literal": b"\x82\x86\x84\x41",
}


@pytest.mark.parametrize("name", HPACK)
def test_a_compression_error_ends_the_connection(talk: Talk, name: str) -> None:
    assert ended_with(talk.ask(talk.client.raw_headers(1, HPACK[name], end=True))) == COMPRESSION_ERROR
    assert talk.engine.ended
    assert talk.calls == []


def test_a_table_update_in_front_is_allowed(talk: Talk) -> None:
    talk.say(talk.client.raw_headers(1, b"\x20\x3f\xe1\x1f\x82\x86\x84\x41\x01a", end=True))
    assert len(talk.requests) == 1


def test_a_compression_error_in_trailers_ends_the_connection(talk: Talk) -> None:
    assert ended_with(talk.ask(talk.client.headers(1, POST), talk.client.raw_headers(1, b"\x80", end=True))) == 9


# The preface


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"\x16\x03\x01" * 10])
def test_a_wrong_preface_ends_the_connection(open_talk: OpenTalk, data: bytes) -> None:
    talk = open_talk(greet=False)
    assert ended_with(talk.ask(data)) == PROTOCOL_ERROR
    assert talk.engine.ended


@pytest.mark.parametrize(
    "first",
    [CLIENT.acknowledge(), CLIENT.ping(), CLIENT.window(0, 1), CLIENT.raw_headers(1, b"\x82\x86\x84\x41\x01a", end=True)],
)
def test_settings_come_first(open_talk: OpenTalk, first: bytes) -> None:
    talk = open_talk(greet=False)
    assert ended_with(talk.ask(PREFACE, first)) == PROTOCOL_ERROR
    assert talk.engine.ended
    assert talk.calls == []


def test_the_preface_may_arrive_in_pieces(open_talk: OpenTalk) -> None:
    talk = open_talk(greet=False)
    data = talk.client.greet() + talk.client.headers(1, GET, end=True)
    for n in range(len(data)):
        talk.say(data[n : n + 1])
    assert len(talk.requests) == 1


# Streams that are over


def finish(talk: Talk, stream: int = 1) -> None:
    """Let a stream end on both sides."""
    talk.say(talk.client.headers(stream, GET, end=True))
    talk.requests[-1].stream.respond(200, [], True)
    assert talk.heard() == [expect.headers(stream, [(":status", "200")], end=True)]


def test_data_after_the_end_of_the_request_ends_the_connection(talk: Talk) -> None:
    assert ended_with(talk.ask(talk.client.headers(1, GET, end=True), talk.client.data(1, b"x"))) == STREAM_CLOSED
    assert talk.calls[0] == (1, "begin", "GET", b"/")
    assert (1, "body", b"x") not in talk.calls


def test_a_second_head_after_the_end_of_the_request_ends_the_connection(talk: Talk) -> None:
    head = talk.client.headers(1, GET, end=True)
    assert ended_with(talk.ask(head, talk.client.headers(1, GET, end=True))) == STREAM_CLOSED
    assert len(talk.requests) == 1


@pytest.mark.parametrize("late", ["data", "headers"])
def test_a_late_frame_on_a_finished_stream_reaches_nobody(talk: Talk, late: str) -> None:
    finish(talk)
    talk.ask(talk.client.data(1, b"x") if late == "data" else talk.client.headers(1, GET, end=True))
    assert len(talk.requests) == 1
    assert len(talk.calls) == 1


def test_late_window_updates_resets_and_priorities_are_ignored(talk: Talk) -> None:
    finish(talk)
    client = talk.client
    assert talk.ask(client.window(1, 100), client.reset(1), client.priority(1), client.ping(b"ping-pon")) == [
        expect.pong(b"ping-pon")
    ]
    assert not talk.engine.ended


def test_a_lower_stream_id_is_never_begun(talk: Talk) -> None:
    finish(talk, 5)
    talk.ask(talk.client.headers(3, GET, end=True))
    assert len(talk.requests) == 1


def test_the_last_stream_id_is_served(talk: Talk) -> None:
    finish(talk, 2**31 - 1)
    talk.ask(talk.client.headers(1, GET, end=True))
    assert len(talk.requests) == 1


def test_what_is_late_for_a_stream_we_reset_is_ignored(talk: Talk) -> None:
    talk.say(talk.client.headers(1, POST))
    talk.request().stream.reset(CANCEL)
    assert talk.heard() == [expect.reset(1, CANCEL)]
    client = talk.client
    late = [client.data(1, b"x"), client.headers(1, [("x-late", "1")], end=True), client.window(1, 1), client.reset(1)]
    assert talk.ask(*late) == []
    # Its block was decoded all the same.
    talk.say(client.headers(3, changed(GET, ("x-late", "1")), end=True))
    assert (b"x-late", b"1") in talk.requests[-1].request.fields


# What is ignored


IGNORED: dict[str, bytes] = {
    "PRIORITY on an idle stream": CLIENT.priority(1),
    "PRIORITY on a far stream": CLIENT.priority(12345, 3),
    "PRIORITY_UPDATE": frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1"),
    "PRIORITY_UPDATE on an idle stream": frame(PRIORITY_UPDATE, 0, 0, b"\0\0\0\x65i"),
    **{
        f"unknown type {kind:#x} of {size} bytes on stream {stream}": frame(kind, 0xFF, stream, bytes(size))
        for kind in (*range(0x0A, 0x10), 0xFA)
        for size in (0, 1, 9, 16_384)
        for stream in (0, 1)
    },
    "a PING that was answered": CLIENT.pong(),
    "unknown SETTINGS": CLIENT.settings({0xF000: 7, 0x10: 1}),
    "SETTINGS of nothing": CLIENT.settings({}),
    "ENABLE_PUSH 1": CLIENT.settings({ENABLE_PUSH: 1}),
}


@pytest.mark.parametrize("name", IGNORED)
def test_what_means_nothing_is_ignored(talk: Talk, name: str) -> None:
    said = talk.ask(IGNORED[name])
    assert said in ([], [expect.acknowledged()])
    talk.say(talk.client.headers(1, GET, end=True), IGNORED[name])
    talk.request().stream.respond(200, [], True)
    assert expect.headers(1, [(":status", "200")], end=True) in talk.heard()


def test_undefined_flags_are_ignored(talk: Talk) -> None:
    block = talk.client.block(POST)
    talk.say(frame(HEADERS, END_HEADERS | 0x80 | 0x40 | 0x10, 1, block), frame(DATA, END_STREAM | 0xF0, 1, b"x"))
    assert talk.calls == [(1, "begin", "POST", b"/up"), (1, "body", b"x"), (1, "end", [])]


def test_the_reserved_bit_of_a_stream_id_is_ignored(talk: Talk) -> None:
    talk.say(frame(HEADERS, END_HEADERS | END_STREAM, 1 | 0x8000_0000, talk.client.block(GET)))
    assert len(talk.requests) == 1


def test_eight_continuation_frames_are_allowed(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True, parts=9))
    talk.say(talk.client.headers(3, GET, end=True, parts=9))
    assert len(talk.requests) == 2


# PING, SETTINGS and too many streams


def test_pings_are_answered_in_order(talk: Talk) -> None:
    pings = [b"%08d" % n for n in range(5)]
    assert talk.ask(*(talk.client.ping(data) for data in pings)) == [expect.pong(data) for data in pings]


def test_settings_are_acknowledged(talk: Talk) -> None:
    assert talk.ask(talk.client.settings({HEADER_TABLE_SIZE: 0}), talk.client.settings({})) == [expect.acknowledged()] * 2


def test_a_huge_table_is_never_used(talk: Talk) -> None:
    talk.ask(talk.client.settings({HEADER_TABLE_SIZE: 2**32 - 1}))
    for n in range(40):
        talk.say(talk.client.headers(2 * n + 1, GET, end=True))
        talk.request(n + 1).stream.respond(200, [(b"x-%d" % n, b"v" * 400)], True)
    # The decoder of `heard` allows 4096 bytes: a larger update would be its error.
    assert len(talk.heard()) == 40


@pytest.mark.parametrize("told", [True, False])
def test_streams_beyond_the_limit_are_refused(open_talk: OpenTalk, told: bool) -> None:
    talk = open_talk(server={"max_concurrent_streams": 2}, greet=False)
    talk.heard()
    # Until it acknowledges SETTINGS a client cannot know, and afterwards it is no reason to end them all.
    talk.say(PREFACE, talk.client.settings({}), talk.client.acknowledge() if told else b"")
    said = talk.ask(*(talk.client.headers(n, changed(GET, ("x", "y")), end=True) for n in (1, 3, 5)))
    assert said == [expect.acknowledged(), expect.reset(5, REFUSED_STREAM)]
    assert len(talk.requests) == 2
    talk.request().stream.respond(200, [], True)
    talk.heard()
    talk.say(talk.client.headers(7, changed(GET, ("x", "y")), end=True))
    assert len(talk.requests) == 3


def test_a_stream_window_that_overflows_harms_no_more_than_the_connection(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True), talk.client.window(1, 2**31 - 1))
    said = talk.heard()
    # RFC 9113 6.9.1: the stream; nghttp2 since 1.67: the connection.
    assert said == [expect.reset(1, FLOW_CONTROL_ERROR)] or ended_with(said) == FLOW_CONTROL_ERROR
    talk.engine.lose()
    assert talk.calls[1:] == [(1, "lost")]
