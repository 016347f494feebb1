"""permessage-deflate: what is agreed to, messages both ways against wsproto, and what must not be inflated."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import FrameProtocol

from appserver.ws.codec import FrameReader, write_frame
from appserver.ws.deflate import Agreement, BadDeflate, Deflater, DeflateSettings, Inflater, negotiate
from tests.support.websocket import BINARY, TEXT, frame

DEFAULT = DeflateSettings()
WIDE = DeflateSettings(takeover=True, window_bits=15)
NEITHER = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

AGREED = [
    # RFC 7692 7.1: what is offered, our settings, what we answer
    ("permessage-deflate", DEFAULT, NEITHER),
    ("permessage-deflate", WIDE, "permessage-deflate"),
    ("permessage-deflate; client_max_window_bits", DEFAULT, f"{NEITHER}; client_max_window_bits=12"),
    ("permessage-deflate; client_max_window_bits=10", DEFAULT, f"{NEITHER}; client_max_window_bits=10"),
    ("permessage-deflate; client_max_window_bits", WIDE, "permessage-deflate; client_max_window_bits=15"),
    ("permessage-deflate; server_max_window_bits=10", WIDE, "permessage-deflate; server_max_window_bits=10"),
    ("permessage-deflate; server_max_window_bits=15", DEFAULT, f"{NEITHER}; server_max_window_bits=12"),
    ("permessage-deflate; server_no_context_takeover", WIDE, "permessage-deflate; server_no_context_takeover"),
    ("permessage-deflate; client_no_context_takeover", WIDE, "permessage-deflate; client_no_context_takeover"),
    ('Permessage-Deflate;client_max_window_bits="9"', WIDE, "permessage-deflate; client_max_window_bits=9"),
    ("x-webkit-deflate-frame, permessage-deflate", WIDE, "permessage-deflate"),
    # The first offer that can be kept; zlib has no window of 8 bits.
    ("permessage-deflate; server_max_window_bits=8, permessage-deflate", WIDE, "permessage-deflate"),
    ("permessage-deflate; server_max_window_bits=8", WIDE, None),
    ("permessage-deflate; server_max_window_bits", WIDE, None),
    ("permessage-deflate; server_max_window_bits=16", WIDE, None),
    ("permessage-deflate; server_max_window_bits=09", WIDE, None),
    ("permessage-deflate; client_max_window_bits=7", WIDE, None),
    ("permessage-deflate; client_max_window_bits; client_max_window_bits", WIDE, None),
    ("permessage-deflate; server_no_context_takeover=1", WIDE, None),
    ("permessage-deflate; mode=fast", WIDE, None),
    ("permessage-bzip2", WIDE, None),
    ("", WIDE, None),
    (";;,,=", WIDE, None),
]


@pytest.mark.parametrize(("offered", "settings", "answer"), AGREED)
def test_what_is_agreed_to(offered: str, settings: DeflateSettings, answer: str | None) -> None:
    agreement = negotiate(offered, settings)
    assert (agreement.field.decode() if agreement else None) == answer


def agree(takeover: bool, bits: int = 12) -> tuple[Agreement, PerMessageDeflate]:
    """Return our side and an independent client's of one agreement."""
    client = PerMessageDeflate(client_max_window_bits=15)
    offer = client.offer()
    assert isinstance(offer, str)
    agreement = negotiate(f"permessage-deflate; {offer}", DeflateSettings(takeover, bits))
    assert agreement is not None
    client.finalize(agreement.field.decode())
    return agreement, client


MESSAGES = st.lists(st.binary(max_size=300) | st.sampled_from([b"a" * 70_000, bytes(range(256)) * 300]), min_size=1, max_size=4)


@given(MESSAGES, st.booleans(), st.integers(9, 15))
def test_a_client_reads_what_we_compress(messages: list[bytes], takeover: bool, bits: int) -> None:
    agreement, client = agree(takeover, bits)
    deflater, protocol = Deflater(agreement, 6), FrameProtocol(client=True, extensions=[client])
    for message in messages:
        if not message:
            continue  # the session sends short messages as they are
        protocol.receive_bytes(write_frame(BINARY, deflater.deflate(message), True))
        assert b"".join(bytes(piece.payload) for piece in protocol.received_frames() if not isinstance(piece.payload, str | tuple)) == message


@given(MESSAGES, st.booleans(), st.lists(st.integers(0, 80_000), max_size=3))
def test_we_read_what_a_client_compresses(messages: list[bytes], takeover: bool, cuts: list[int]) -> None:
    agreement, client = agree(takeover)
    protocol = FrameProtocol(client=True, extensions=[client])
    reader = FrameReader(100_000, Inflater(agreement))
    for message in messages:
        data = bytes(protocol.send_data(message, fin=True))
        places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
        for a, b in zip(places, places[1:], strict=False):
            if a < b:
                assert reader.read(data[a:b], 0) == b - a
        assert (reader.code, reader.kind, reader.payload) == (0, BINARY, message)


def test_a_client_s_fragments_are_one_stream() -> None:
    agreement, _ = agree(takeover=False)
    compressed = deflated(b"Hello " * 20)
    reader = FrameReader(1_000, Inflater(agreement))
    reader.read(frame(TEXT, compressed[:3], final=False, rsv=4), 0)
    reader.read(frame(9, b"between"), 0)
    reader.read(frame(0, compressed[3:], final=False), 0)
    reader.read(frame(0, b""), 0)
    assert reader.payload == "Hello " * 20


def deflated(message: bytes, flush: int = zlib.Z_SYNC_FLUSH) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = compressor.compress(message) + compressor.flush(flush)
    return data[:-4] if flush == zlib.Z_SYNC_FLUSH else data


LIMIT = 1_000_000


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1, LIMIT + 2, 64 * LIMIT])
@pytest.mark.parametrize("pieces", [1, 7])
def test_a_bomb_is_bounded_to_the_byte(size: int, pieces: int) -> None:
    agreement, _ = agree(takeover=False)
    reader = FrameReader(LIMIT, Inflater(agreement))
    data = frame(BINARY, deflated(bytes(size)), rsv=4)
    step = len(data) // pieces + 1
    for at in range(0, len(data), step):
        reader.read(data[at : at + step], 0)
        if reader.code:
            break
    if size > LIMIT:
        assert (reader.code, reader.kind) == (1009, 0)
    else:
        assert (reader.code, len(reader.payload)) == (0, size)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"\xff\xff\xff", 1007),  # no deflate
        (deflated(b"x", zlib.Z_FINISH), 0),  # RFC 7692 7.2.3.4: a last block is allowed
        (deflated(b"x", zlib.Z_FINISH) + b"\x00", 0),
        (deflated(b"x", zlib.Z_FINISH) + deflated(b"more"), 1007),
        (deflated(b"\xc3\x28"), 1007),  # inflated, no UTF-8
        (b"\x00", 0),  # RFC 7692 7.2.3.6: an empty message
    ],
)
def test_what_is_inflated(payload: bytes, code: int) -> None:
    agreement, _ = agree(takeover=True)
    reader = FrameReader(1_000, Inflater(agreement))
    data = frame(TEXT, payload, rsv=4)
    for at in range(len(data)):
        reader.read(data[at : at + 1], 0)
    assert reader.code == code
    if not code:
        # Another message is read after it.
        reader.read(frame(TEXT, deflated(b"next"), rsv=4), 0)
        assert reader.payload == "next"


def test_compressed_bytes_are_bounded_as_well() -> None:
    agreement, _ = agree(takeover=False)
    reader = FrameReader(1_000, Inflater(agreement))
    reader.read(bytes.fromhex("c2ff7fffffffffffffff00000000"), 0)
    assert reader.code == 1009


def test_nothing_is_kept_between_messages_without_takeover() -> None:
    agreement, _ = agree(takeover=False)
    deflater, inflater = Deflater(agreement, 6), Inflater(agreement)
    inflater.inflate(deflater.deflate(b"x" * 1_000), 2_000)
    inflater.end(2_000)
    assert (deflater._compressor, inflater._inflater) == (None, None)


def test_bad_deflate_is_an_error_of_its_own() -> None:
    agreement, _ = agree(takeover=False)
    with pytest.raises(BadDeflate, match="not compressed"):
        Inflater(agreement).inflate(b"\xff\xff\xff", 10)


def test_a_reserved_bit_is_for_the_first_data_frame_only() -> None:
    agreement, _ = agree(takeover=False)
    for data in (frame(9, rsv=4), frame(TEXT, b"", final=False, rsv=4) + frame(0, b"", rsv=4)):
        reader = FrameReader(1_000, Inflater(agreement))
        at = 0
        while at < len(data) and not reader.code:
            at = reader.read(data, at)
        assert reader.code == 1002
