"""The opening handshake: what is one, what is answered to what is none, and what accepts it."""

from __future__ import annotations

from typing import Any

import pytest

from appserver.contract import Fields, Request
from appserver.errors import BadRequest, InvalidMessage, RequestRefused, UpgradeRequired
from appserver.ws.deflate import DeflateSettings, negotiate
from appserver.ws.handshake import Handshake, accepted, judge, refusal_fields

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
H1: Fields = [
    (b"host", b"a"), (b"connection", b"keep-alive, Upgrade"), (b"upgrade", b"websocket"), (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", KEY),
]  # fmt: skip
H2: Fields = [(b"host", b"a"), (b"sec-websocket-version", b"13")]


def asked(version: str = "1.1", fields: Fields | None = None, **values: Any) -> Request:
    request = Request()
    request.version = version
    request.protocol = b"websocket"
    request.method = "CONNECT" if version == "2" else "GET"
    request.ends = version != "2"
    request.fields = (H2 if version == "2" else H1) if fields is None else fields
    for name, value in values.items():
        setattr(request, name, value)
    return request


def changed(fields: Fields, name: bytes, *values: bytes) -> Fields:
    return [pair for pair in fields if pair[0] != name] + [(name, value) for value in values]


def test_a_handshake_of_rfc_6455() -> None:
    fields = [*H1, (b"sec-websocket-protocol", b"chat, v2"), (b"sec-websocket-protocol", b"v3"), (b"sec-websocket-extensions", b"a"), (b"sec-websocket-extensions", b"b")]
    assert judge(asked(fields=fields)) == Handshake(KEY, ["chat", "v2", "v3"], "a, b")


def test_a_handshake_of_rfc_8441_needs_no_key() -> None:
    assert judge(asked("2")) == Handshake(b"", [], "")


REFUSED = {
    "http/1.0": (asked("1.0"), BadRequest, "HTTP/1.0"),
    "post": (asked(method="POST"), BadRequest, "not a GET"),
    "body": (asked(ends=False), BadRequest, "with a body"),
    "no connection": (asked(fields=changed(H1, b"connection")), BadRequest, "Connection: upgrade"),
    "another connection": (asked(fields=changed(H1, b"connection", b"keep-alive", b"upgraded")), BadRequest, "Connection: upgrade"),
    "no version": (asked(fields=changed(H1, b"sec-websocket-version")), UpgradeRequired, r"version \(none\)"),
    "version 12": (asked(fields=changed(H1, b"sec-websocket-version", b"12")), UpgradeRequired, "version 12"),
    "two versions": (asked(fields=changed(H1, b"sec-websocket-version", b"13", b"8")), UpgradeRequired, "version 13, 8"),
    "no key": (asked(fields=changed(H1, b"sec-websocket-key")), BadRequest, "one Sec-WebSocket-Key"),
    "two keys": (asked(fields=changed(H1, b"sec-websocket-key", KEY, KEY)), BadRequest, "one Sec-WebSocket-Key"),
    "short key": (asked(fields=changed(H1, b"sec-websocket-key", b"c2hvcnQ=")), BadRequest, "16 bytes"),
    "key that is no base64": (asked(fields=changed(H1, b"sec-websocket-key", b"!" * 24)), BadRequest, "16 bytes"),
    "key that is no ASCII": (asked(fields=changed(H1, b"sec-websocket-key", b"\xff" * 24)), BadRequest, "16 bytes"),
    "subprotocol that is no token": (asked(fields=[*H1, (b"sec-websocket-protocol", b"\x80\xff")]), BadRequest, "list of tokens"),
    "empty subprotocol": (asked(fields=[*H1, (b"sec-websocket-protocol", b"a,,b")]), BadRequest, "list of tokens"),
    "h2 without version": (asked("2", fields=H2[:1]), BadRequest, "version"),
    "h2 that ends": (asked("2", ends=True), BadRequest, "ends its stream"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_handshake(name: str) -> None:
    request, error, reason = REFUSED[name]
    with pytest.raises(error, match=reason):
        judge(request)


@pytest.mark.parametrize(
    ("request_", "error", "fields"),
    [
        (asked(), UpgradeRequired("x"), [(b"sec-websocket-version", b"13"), (b"upgrade", b"websocket")]),
        (asked(), BadRequest("x"), []),
    ],
)
def test_a_refusal_says_what_is_served(request_: Request, error: RequestRefused, fields: Fields) -> None:
    assert refusal_fields(request_, error) == fields


def test_the_example_of_rfc_6455() -> None:
    request = asked()
    status, fields = accepted(request, judge(request), None, None, [])
    assert status == 101
    assert fields == [(b"upgrade", b"websocket"), (b"sec-websocket-accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")]


def test_all_that_an_application_can_say() -> None:
    own = [(b"set-cookie", b"a=b"), (b"content-length", b"0"), (b"connection", b"close")]
    agreement = negotiate("permessage-deflate", DeflateSettings(takeover=True))
    for request, status, first in ((asked(), 101, 2), (asked("2"), 200, 0)):
        found = accepted(request, Handshake(KEY, ["chat", "v2"], ""), "v2", agreement, own)
        assert found[0] == status
        assert found[1][first:] == [
            (b"set-cookie", b"a=b"), (b"sec-websocket-protocol", b"v2"), (b"sec-websocket-extensions", b"permessage-deflate"),
        ]  # fmt: skip


@pytest.mark.parametrize("subprotocol", ["", "v3", "Chat", "chat\r\nx: y"])
def test_a_subprotocol_that_was_not_offered(subprotocol: str) -> None:
    with pytest.raises(InvalidMessage, match="not offered by the client; it offered: chat"):
        accepted(asked(), Handshake(KEY, ["chat"], ""), subprotocol, None, [])


@pytest.mark.parametrize("name", [b"sec-websocket-accept", b"sec-websocket-protocol", b"sec-websocket-extensions"])
def test_fields_that_are_the_handshake_s_own(name: bytes) -> None:
    with pytest.raises(InvalidMessage, match=name.decode()):
        accepted(asked(), Handshake(KEY, [], ""), None, None, [(name, b"x")])
