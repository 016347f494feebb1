"""Frames read: the corpus, whole and in pieces, and wsproto as the oracle; frames written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import wsproto.events
from hypothesis import given
from hypothesis import strategies as st
from wsproto.connection import Connection, ConnectionType
from wsproto.frame_protocol import FrameProtocol

from appserver.ws import codec
from tests.support.plain import plain
from tests.support.websocket import BINARY, CLOSE, PING, PONG, TEXT, frame
from tests.unit.ws.corpus import CASES, unfold

LATE = plain("appserver.ws.codec")
BUILDS = {"built": codec, "plain": LATE}
NAMES = {TEXT: "text", BINARY: "binary", PING: "ping", PONG: "pong"}


@pytest.fixture(params=BUILDS)
def build(request: pytest.FixtureRequest) -> Any:
    return BUILDS[request.param]


def outcome(build: Any, pieces: Iterable[bytes], limit: int = 1_000) -> list[str]:
    """What a reader finds, in the corpus's words."""
    reader = build.FrameReader(limit)
    found: list[str] = []
    for piece in pieces:
        at = 0
        while at < len(piece) and not reader.code:
            at = reader.read(piece, at)
            assert 0 <= at <= len(piece)
            if reader.kind == CLOSE:
                return [*found, f"close:{reader.close_code}"]
            if reader.kind in (TEXT, BINARY):
                payload = reader.payload.encode() if reader.kind == TEXT else reader.payload
                assert type(payload) is bytes
                found.append(f"{NAMES[reader.kind]}:{payload.hex()}")
            elif reader.kind:
                found.append(NAMES[reader.kind])
        if reader.code:
            assert reader.reason
            assert not reader.kind
            return [*found, f"fails:{reader.code}"]
    return found


@pytest.mark.parametrize("name", CASES)
def test_a_case_in_one_piece(build: Any, name: str) -> None:
    wanted, data = CASES[name]
    assert outcome(build, [data]) == [unfold(word) for word in wanted]


@pytest.mark.parametrize("name", CASES)
def test_a_case_split_at_every_byte(name: str) -> None:
    wanted, data = CASES[name]
    whole = [unfold(word) for word in wanted]
    # Of a case of kilobytes: every byte of its ends, and some between.
    cuts = range(1, len(data)) if len(data) < 2_000 else sorted({*range(1, 40), *range(40, len(data), 97), *range(len(data) - 40, len(data))})
    for cut in cuts:
        assert outcome(codec, [data[:cut], data[cut:]]) == whole, cut
    assert outcome(codec, [bytes([byte]) for byte in data]) == whole


def test_a_fault_is_known_from_its_header() -> None:
    # Nothing is allocated for what was announced, and nothing is waited for.
    reader = codec.FrameReader(1_000)
    reader.read(bytes.fromhex("82ff7fffffffffffffff00000000"), 0)
    assert reader.code == 1009
    reader = codec.FrameReader(1_000)
    reader.read(bytes.fromhex("83"), 0)
    assert reader.code == 0
    reader.read(bytes.fromhex("80"), 0)
    assert reader.code == 1002


def test_invalid_text_is_known_before_its_frame_ends() -> None:
    reader = codec.FrameReader(1_000)
    data = frame(TEXT, "κόσμε".encode() + b"\xf4\x90" + b"x" * 20)
    assert reader.read(data[:20], 0) == 20
    assert reader.code == 1007


PAYLOADS = st.binary(max_size=300) | st.sampled_from([b"", b"\xce", b"\xba", "κόσμε".encode(), bytes(125), bytes(126), bytes(65_536)])
FRAMES = st.builds(
    frame,
    st.sampled_from([0, TEXT, BINARY, CLOSE, PING, PONG, 3, 11]),
    PAYLOADS,
    final=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 0, 0, 1, 2, 4]),
    mask=st.none() | st.binary(min_size=4, max_size=4),
)
SANE = st.builds(
    frame, st.sampled_from([0, TEXT, BINARY, PING, PONG, CLOSE]), PAYLOADS | st.text().map(str.encode), final=st.booleans(),
    mask=st.binary(min_size=4, max_size=4),
)  # fmt: skip


def oracle(data: bytes) -> list[str]:
    """What wsproto, an independent server, makes of it."""
    server = Connection(ConnectionType.SERVER)
    server.receive_data(data)
    found: list[str] = []
    text, binary = "", b""
    for event in server.events():
        if isinstance(event, wsproto.events.TextMessage):
            text += event.data
            if event.message_finished:
                found.append(f"text:{text.encode().hex()}")
                text = ""
        elif isinstance(event, wsproto.events.BytesMessage):
            binary += bytes(event.data)
            if event.message_finished:
                found.append(f"binary:{binary.hex()}")
                binary = b""
        elif isinstance(event, wsproto.events.Ping | wsproto.events.Pong):
            found.append("ping" if isinstance(event, wsproto.events.Ping) else "pong")
        elif isinstance(event, wsproto.events.CloseConnection):
            return [*found, f"close:{int(event.code)}"]
    return found


@given(st.lists(FRAMES | SANE, max_size=6).map(b"".join), st.lists(st.integers(0, 2_000), max_size=4))
def test_wsproto_says_the_same(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[a:b] for a, b in zip(places, places[1:], strict=False)]
    # It tells of a fault as of a Close with that code.
    ours = [word.replace("fails", "close") for word in outcome(codec, pieces, 1_000_000)]
    assert ours == oracle(data)


@given(st.binary(max_size=200), st.binary(min_size=4, max_size=4), st.integers(0, 40), st.integers(0, 7))
def test_masking_is_the_same_in_both_speeds(data: bytes, key: bytes, at: int, offset: int) -> None:
    at = min(at, len(data))
    wanted = bytes(byte ^ key[(offset + n) & 3] for n, byte in enumerate(data[at:]))
    before = bytes(data)
    for build in (codec, plain("appserver.ws.masking")):
        assert bytes(build.unmask(data, at, len(data), key, offset)) == wanted
    assert data == before


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_000])
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_a_frame_is_written_as_wsproto_reads_it(build: Any, opcode: int, size: int) -> None:
    data = build.write_frame(opcode, b"x" * size, False)
    client = FrameProtocol(client=True, extensions=[])
    client.receive_bytes(data)
    payload = b""
    for received in client.received_frames():
        piece = received.payload
        assert not isinstance(piece, tuple)
        payload += piece.encode() if isinstance(piece, str) else bytes(piece)
        assert received.opcode == opcode
    assert payload == b"x" * size


def test_work_is_linear_in_what_is_sent() -> None:
    # As many reads as pieces, each of which is looked at once: no read returns before the end of its piece.
    reader = codec.FrameReader(1_000_000)
    opening = frame(BINARY, b"x", final=False)
    assert reader.read(opening, 0) == len(opening)
    piece = frame(0, b"x", final=False)
    for _ in range(10_000):
        assert reader.read(piece, 0) == len(piece)
        assert not reader.code
    reader.read(frame(0, b"end"), 0)
    assert reader.payload == b"x" * 10_001 + b"end"
