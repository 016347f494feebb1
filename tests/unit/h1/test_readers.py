"""Heads and chunks against llhttp and h11, and against themselves cut anywhere.

Ours is the strictest of the three: what it takes, both others take, and read the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import h11
import httptools
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appserver.accepted import Peer
from appserver.h1.body import BodyReader
from appserver.h1.chunks import ChunkReader
from appserver.h1.head import HeadReader
from appserver.http.limits import Limits
from tests.unit.h1.corpus import load

LIMITS = Limits(8_190, 100, 16_384, 65_536, 100_000)
PEER = Peer(("192.0.2.7", 4711), ("192.0.2.1", 80), "http")
CASES = [case.data for name in ("served.txt", "refused.txt", "smuggled.txt") for case in load(name) if len(case.data) < 3_000]

Fields = list[tuple[bytes, bytes]]


@dataclass
class Message:
    """What a parser made of the bytes of one request."""

    method: bytes = b""
    target: bytes = b""
    fields: Fields = field(default_factory=list)
    body: bytes = b""
    trailers: Fields = field(default_factory=list)
    rest: int = 0


def ours(data: bytes, pieces: list[int]) -> tuple[Message | None, int, str]:
    """Return (the first request, if it is whole, status, reason), fed in pieces of the given sizes."""
    head = HeadReader(LIMITS, PEER)
    body = BodyReader(ChunkReader(LIMITS))
    message = Message()
    kept, at = b"", 0
    for size in [*pieces, len(data)]:
        kept, at = kept + data[at : at + size], at + size
        taken = 0
        if head.request is None:
            taken = head.read(kept, 0)
            if head.status:
                return None, head.status, head.reason
            if head.request is None:
                kept = kept[taken:]
                continue
            request = head.request
            message.method, message.target = request.method.encode(), request.target
            message.fields = list(request.fields)
            body.begin(head.is_chunked, 0 if request.ends else request.length)
        if not body.is_done and taken < len(kept):
            taken = body.read(kept, taken, True)
            message.body += body.taken
            if body.status:
                return None, body.status, body.reason
        kept = kept[taken:]
        if body.is_done:
            message.trailers = list(body.trailers)
            message.rest = len(data) - at + len(kept) if at < len(data) else len(kept)
            return message, 0, ""
    return None, 0, ""


class Oracle:
    """llhttp, as httptools ships it: strict by default."""

    def __init__(self) -> None:
        self.message = Message()
        self.in_head = True
        self.done = False

    def on_message_begin(self) -> None:
        assert not self.message.method

    def on_url(self, url: bytes) -> None:
        self.message.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        (self.message.fields if self.in_head else self.message.trailers).append((name.lower(), value.strip(b" \t")))

    def on_headers_complete(self) -> None:
        self.in_head = False

    def on_body(self, body: bytes) -> None:
        self.message.body += body

    def on_message_complete(self) -> None:
        self.done = True


def llhttp(data: bytes) -> Message | None:
    """Return the request that `data` is, exactly and no more."""
    oracle = Oracle()
    parser = httptools.HttpRequestParser(oracle)
    try:
        parser.feed_data(data)
        oracle.message.method = parser.get_method()
    except httptools.HttpParserUpgrade as upgrade:
        oracle.message.method = parser.get_method()
        oracle.message.rest = len(data) - upgrade.args[0]
    except httptools.HttpParserError:
        return None
    return oracle.message if oracle.done else None


def by_h11(data: bytes) -> Message | None:
    """Return the request that `data` is, exactly and no more."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1_000_000)
    message = Message()
    try:
        server.receive_data(data)
        while True:
            event = server.next_event()
            if isinstance(event, h11.Request):
                message.method, message.target = event.method, event.target
                message.fields = [(name, value) for name, value in event.headers]
            elif isinstance(event, h11.Data):
                message.body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                message.trailers = [(name, value) for name, value in event.headers]
                message.rest = len(server.trailing_data[0])
                return message
            else:
                return None
    except h11.RemoteProtocolError:
        return None


def plain(fields: Fields) -> Fields:
    """Return fields without what the judge moves, joins or drops, and h11 lowers: their order among themselves is kept."""
    changed = (b"host", b"cookie", b"http2-settings", b"transfer-encoding")
    return [(name, value) for name, value in fields if name not in changed and b"_" not in name]


# Where one verdict for both protocols makes us take more: llhttp knows a table of methods, and neither takes a byte
# above 0x7e in a target.
KNOWN_METHODS = {b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"TRACE"}


def agree(data: bytes, pieces: list[int]) -> Message | None:
    """Ours refuses or is not done, or all three agree."""
    message, status, _ = ours(data, pieces)
    if message is None:
        return None
    assert not status
    whole = data[: len(data) - message.rest].lstrip(b"\r\n")
    if not all(0x20 < byte < 0x7F for byte in message.target):
        return message
    if message.method in KNOWN_METHODS:
        other = llhttp(whole)
        assert other is not None, "llhttp refuses it"
        upgrade = any(name == b"upgrade" for name, _ in message.fields)
        compare(message, other, body=not upgrade)
    other = by_h11(whole)
    assert other is not None, "h11 refuses it"
    compare(message, other)
    return message


def compare(message: Message, other: Message, body: bool = True) -> None:
    assert message.method == other.method
    if other.target[:1] in (b"/", b"*"):
        assert message.target == other.target
    assert plain(message.fields) == plain(other.fields)
    if body:
        assert message.body == other.body
        assert other.rest == 0
        protected = {name for name, _ in other.trailers} - {name for name, _ in message.trailers}
        assert plain(message.trailers) == [pair for pair in plain(other.trailers) if pair[0] not in protected]


@pytest.mark.parametrize("data", CASES)
def test_the_corpora(data: bytes) -> None:
    agree(data, [])


@pytest.mark.parametrize("data", [case.data for case in load("served.txt") if len(case.data) < 3_000])
def test_what_is_served_is_read(data: bytes) -> None:
    message = agree(data, [])
    assert message is not None


WORDS = [
    b"GET / HTTP/1.1\r\n", b"POST /x HTTP/1.1\r\n", b"Host: a\r\n", b"\r\n", b"\r", b"\n", b"Content-Length: 3\r\n", b"\t",
    b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"Upgrade: h2c\r\n", b"X-Y:\r\n", b"X:  z \r\n", b"\r\n\r\n",
    b"0\r\n\r\n", b"3\r\nabc\r\n", b"3;x=y\r\nabc\r\n", b"abc", b" ", b":", b";", b"\x00", b"\xff", b"HTTP/1.0", b"f", b"0",
]  # fmt: skip
TEXT = st.lists(st.sampled_from(WORDS) | st.binary(max_size=6), max_size=20).map(b"".join)
CUTS = st.lists(st.integers(0, 60), max_size=12)
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A corpus case with a piece replaced."""
    data = draw(st.sampled_from(CASES))
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 8)))
    return data[:start] + draw(st.binary(max_size=3) | st.sampled_from(WORDS)) + data[end:]


TOKEN = st.text("!#$%&'*+-.^_`|~0123456789abcXYZ", min_size=1, max_size=20).map(str.encode)
VALUE = st.binary(max_size=40)
HEADS = st.builds(
    lambda method, target, fields: b"%s /%s HTTP/1.1\r\nHost: a\r\n%s\r\n" % (method, target, b"".join(fields)),
    st.sampled_from([b"GET", b"POST", b"PUT"]) | TOKEN,
    st.binary(max_size=30),
    st.lists(st.builds(lambda name, blank, value: name + b":" + blank + value + b"\r\n", TOKEN, st.sampled_from([b"", b" ", b"\t "]), VALUE), max_size=6),
)
CHUNK = st.builds(
    lambda size, extension, data: b"%x%s\r\n%s\r\n" % (len(data) if size < 0 else size, extension, data),
    st.just(-1) | st.integers(0, 20),
    st.sampled_from([b"", b";a", b";a=b", b';a="b c"', b"; a", b";", b";a=", b";a=b;c", b";\x00", b";a\rb", b' ;a="\\""']),
    st.binary(max_size=20),
)
BODIES = st.lists(CHUNK, max_size=6).map(lambda chunks: CHUNKED + b"".join(chunks))


@settings(max_examples=500, deadline=None)
@given(mutated() | TEXT | HEADS | BODIES | BODIES.map(lambda data: data + b"0\r\n\r\n"), CUTS)
@example(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", [60, 1, 1, 1])
@example(CHUNKED + b"5;=b\r\r\n", [])
def test_ours_refuses_or_all_agree(data: bytes, cuts: list[int]) -> None:
    whole = ours(data, [])
    assert ours(data, cuts) == whole, "cut elsewhere it is read otherwise"
    assert ours(data, [1] * len(data)) == whole
    agree(data, cuts)


@given(st.lists(st.binary(min_size=1, max_size=300) | st.just(b"\r\n" * 2_000), max_size=8), CUTS)
def test_any_data_in_any_chunks_is_read_back(pieces: list[bytes], cuts: list[int]) -> None:
    data = CHUNKED + b"".join(b"%X\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    message = agree(data, cuts)
    assert message is not None
    assert message.body == b"".join(pieces)


def test_a_chunk_is_skipped_by_its_length_whatever_it_holds() -> None:
    """1 MiB of CRLF is one piece, as 1 MiB of zeros is."""
    for data in (b"\r\n" * 524_288, bytes(1_048_576)):
        reader = ChunkReader(Limits(0, 10, 1_000, 1_000, 0))
        assert reader.read(b"100000\r\n" + data, 0) == 1_048_584
        assert len(reader.pieces) == 1
        assert reader.take() == data


def test_a_name_is_one_object_for_all_requests() -> None:
    first, second = HeadReader(LIMITS, PEER), HeadReader(LIMITS, PEER)
    names: list[bytes] = []
    for reader in (first, second, first):
        reader.read(b"GET / HTTP/1.1\r\nHost: a\r\nUser-Agent: b%d\r\n\r\n" % len(names), 0)
        assert reader.request is not None
        names.append(reader.request.fields[1][0])
        reader.next()
    assert names == [b"user-agent"] * 3
    assert names[0] is names[1] is names[2]


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        (b"Accept: text/html", True), (b"X-Own: text/html", True), (b"Cookie: a=b-c-d-e", False), (b"Authorization: Basic x", False),
        (b"Proxy-Authorization: Basic x", False), (b"Set-Cookie: a=bcdefghij", False), (b"Accept: " + b"x" * 300, False),
    ],
)  # fmt: skip
def test_a_line_that_repeats_is_one_object_unless_it_is_secret_or_long(line: bytes, kept: bool) -> None:
    values = [pair[1] for pair in last_of(HeadReader(LIMITS, PEER), [line] * 4)]
    assert values == [line.partition(b": ")[2]] * 4
    assert (values[1] is values[2] is values[3]) is kept


def last_of(reader: HeadReader, lines: list[bytes]) -> Fields:
    """Return the last field of each of some heads that end with these lines."""
    found = []
    for line in lines:
        reader.read(b"GET / HTTP/1.1\r\nHost: a\r\n%s\r\n\r\n" % line, 0)
        assert reader.request is not None
        found.append(reader.request.fields[-1])
        reader.next()
    return found


def test_what_varies_is_compared_no_more_but_learned_again() -> None:
    reader = HeadReader(LIMITS, PEER)
    lines = [b"X-Request-Id: %d" % number for number in range(5_000, 5_003)] + [b"X-Request-Id: same"] * 600
    values = [pair[1] for pair in last_of(reader, lines)]
    assert values == [line.partition(b": ")[2] for line in lines]
    assert values[10] is not values[11]
    assert values[-1] is values[-2]


@given(st.lists(st.lists(st.sampled_from([b"A: 1", b"A: 2", b"a: 1", b"B: 1", b"X-Own: 1", b"x-own: 1", b"X-Own:1 ", b"C:", b"Accept: x"]), max_size=5), max_size=12))
def test_what_is_kept_of_the_last_head_changes_nothing(heads: list[list[bytes]]) -> None:
    reader = HeadReader(LIMITS, PEER)
    for lines in heads:
        data = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"
        alone = HeadReader(LIMITS, PEER)
        assert reader.read(data, 0) == alone.read(data, 0) == len(data)
        assert reader.request is not None
        assert alone.request is not None
        assert reader.request.fields == alone.request.fields
        assert alone.request.fields[1:] == [(line.partition(b":")[0].lower(), line.partition(b":")[2].strip()) for line in lines]
        reader.next()


def test_a_head_of_many_names() -> None:
    reader = HeadReader(LIMITS, PEER)
    for start in range(0, 900, 90):
        names = b"".join(b"x-%d: %d\r\n" % (number, number) for number in range(start, start + 90))
        reader.read(b"GET / HTTP/1.1\r\nHost: a\r\n" + names + b"\r\n", 0)
        assert reader.request is not None
        assert reader.request.fields[1:] == [(b"x-%d" % number, b"%d" % number) for number in range(start, start + 90)]
        reader.next()


# What is cut is not looked at twice: in bytes that are sent again another byte is not seen by the scan


def test_a_request_line_that_is_cut_is_scanned_once() -> None:
    head = HeadReader(LIMITS, PEER)
    assert head.read(b"GET /aaaa", 0) == 0
    assert head.read(b"GET / \x00aa", 0) == 0
    assert not head.status
    assert head.read(b"GET /aaaa HTTP/1.1\r\nHost: a\r\n\r\n", 0) == 31
    assert head.request is not None
    assert head.request.target == b"/aaaa"


@pytest.mark.parametrize(
    ("first", "again", "rest"),
    [
        (b"abcd", b"a d", b"ef: 1\r\n"),
        (b"abcd: ", b"a\x00cd:x", b"1\r\n"),
        (b"abcd: 1234", b"abcd: 1\x004", b"5\r\n"),
        (b"abcd: 1234\r", b"abcd: 1\r34\r", b"\n"),
    ],
    ids=["name", "blanks", "value", "end"],
)
def test_a_field_line_that_is_cut_is_scanned_once(first: bytes, again: bytes, rest: bytes) -> None:
    line = b"GET / HTTP/1.1\r\n"
    head = HeadReader(LIMITS, PEER)
    assert head.read(line + first, 0) == len(line)
    assert head.read(again, 0) == 0
    assert not head.status
    # As it was sent it is taken whole.
    end = first + rest + b"Host: a\r\n\r\n"
    assert head.read(end, 0) == len(end)
    assert head.request is not None
    name, _, value = (first + rest).strip().partition(b":")
    assert head.request.fields == [(b"host", b"a"), (name, value.strip())]


def test_a_line_that_is_cut_leaves_no_mark_on_the_next() -> None:
    head = HeadReader(LIMITS, PEER)
    for target in (b"/a-long-one", b"/", b"/b"):
        data = b"GET %s HTTP/1.1\r\nX-Long-Name: a long value\r\nY: 1\r\nHost: a\r\n\r\n" % target
        kept = b""
        for byte in data:
            kept += bytes([byte])
            kept = kept[head.read(kept, 0) :]
        assert head.request is not None
        assert head.request.target == target
        assert head.request.fields == [(b"host", b"a"), (b"x-long-name", b"a long value"), (b"y", b"1")]
        head.next()


@pytest.mark.parametrize(
    ("line", "status", "method", "target", "version"),
    [
        (b"GET /a?b HTTP/2.0", 505, "GET", b"/a?b", "2.0"),
        (b"GET /a HTTP/1.2", 505, "GET", b"/a", "1.2"),
        (b"CONNECT a.test:443 HTTP/1.1", 501, "CONNECT", b"", "1.1"),
        (b"GET /a FTP/1.1", 400, "GET", b"/a", "1.1"),
        (b"GET /a", 400, "GET", b"/a", "1.1"),
        (b"GET /a\x01b HTTP/1.1", 400, "GET", b"/a", "1.1"),
        (b"GET /" + b"a" * 9_000, 414, "GET", b"/" + b"a" * 8_187, "1.1"),
        (b"G@T / HTTP/1.1", 400, "", b"", "1.1"),
    ],
    ids=lambda value: value[:20].decode() if isinstance(value, bytes) else str(value),
)
def test_what_was_read_of_a_refused_line_is_known(line: bytes, status: int, method: str, target: bytes, version: str) -> None:
    head = HeadReader(LIMITS, PEER)
    head.read(line + b"\r\nHost: a\r\n\r\n", 0)
    known = head.refused()
    assert head.status == status
    assert (known.method, known.target, known.version) == (method, target, version)
    assert known.authority == (b"a.test:443" if method == "CONNECT" else b"")
