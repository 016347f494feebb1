"""The opening handshake: an HTTP/1.1 upgrade (RFC 6455 4.2) or an extended CONNECT (RFC 8441 5) judged, and accepted."""

from __future__ import annotations

import base64
import binascii
from typing import NamedTuple

from appserver.contract import Fields, Request
from appserver.errors import BadRequest, InvalidMessage, RequestRefused, UpgradeRequired
from appserver.http.grammar import is_token
from appserver.ws.deflate import Agreement

__all__ = ["PROTOCOL", "VERSION_FIELD", "Handshake", "accepted", "judge", "refusal_fields"]

PROTOCOL = b"websocket"
"""`Request.protocol` of a handshake."""
VERSION_FIELD = (b"sec-websocket-version", b"13")
UPGRADE_FIELD = (b"upgrade", b"websocket")
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
HTTP2 = "2"
# Each of these stands for the handshake itself: what an application answers must not.
OURS = (b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-protocol", b"sec-websocket-version")


class Handshake(NamedTuple):
    """What a client asks for. `key` is empty over HTTP/2, which needs none."""

    key: bytes
    subprotocols: list[str]
    extensions: str


def judge(request: Request) -> Handshake:
    """Return what a request for a WebSocket asks for; raises RequestRefused for one that is none."""
    keys: list[bytes] = []
    versions: list[bytes] = []
    extensions: list[bytes] = []
    subprotocols: list[str] = []
    for name, value in request.fields:
        if name == b"sec-websocket-key":
            keys.append(value)
        elif name == b"sec-websocket-version":
            versions.append(value)
        elif name == b"sec-websocket-protocol":
            subprotocols += _subprotocols(value)
        elif name == b"sec-websocket-extensions":
            extensions.append(value)
    if request.version != HTTP2:
        _judge_upgrade(request)
    elif request.ends:
        raise BadRequest("a WebSocket handshake that ends its stream")
    if versions != [b"13"]:
        raise _wrong_version(request, versions)
    if request.version != HTTP2:
        _judge_key(keys)
    return Handshake(keys[0] if keys else b"", subprotocols, b", ".join(extensions).decode("latin-1"))


def _judge_upgrade(request: Request) -> None:
    if request.version != "1.1":
        raise BadRequest("a WebSocket handshake of HTTP/1.0: a proxy may have to be told to speak HTTP/1.1 (nginx: proxy_http_version)")
    if request.method != "GET":
        raise BadRequest("a WebSocket handshake that is not a GET")
    if not request.ends:
        raise BadRequest("a WebSocket handshake with a body")
    options = b",".join(value for name, value in request.fields if name == b"connection").lower().split(b",")
    if b"upgrade" not in [option.strip(b" \t") for option in options]:
        raise BadRequest("a WebSocket handshake without Connection: upgrade: a proxy may have to be told to pass it on")


def _subprotocols(value: bytes) -> list[str]:
    names = [name.strip(b" \t") for name in value.split(b",")]
    if not all(is_token(name) for name in names):
        raise BadRequest("a Sec-WebSocket-Protocol that is no list of tokens")
    return [name.decode("ascii") for name in names]


def _wrong_version(request: Request, versions: list[bytes]) -> RequestRefused:
    reason = f"a WebSocket handshake of version {b', '.join(versions)[:40].decode('latin-1') or '(none)'}; 13 is served"
    return UpgradeRequired(reason) if request.version != HTTP2 else BadRequest(reason)


def _judge_key(keys: list[bytes]) -> None:
    if len(keys) != 1:
        raise BadRequest("a WebSocket handshake needs one Sec-WebSocket-Key")
    try:
        nonce = binascii.a2b_base64(keys[0], strict_mode=True)
    except binascii.Error:
        nonce = b""
    if len(nonce) != 16:
        raise BadRequest("a Sec-WebSocket-Key that is not 16 bytes in base64")


def accepted(
    request: Request, handshake: Handshake, subprotocol: str | None, agreement: Agreement | None, fields: Fields
) -> tuple[int, Fields]:
    """Return status and fields that accept a handshake, with the application's own `fields`, which were judged.

    Raises InvalidMessage for a subprotocol that the client did not offer, and for fields that are the handshake's.
    """
    for name, _ in fields:
        if name in OURS:
            way_out = "it has a key of its own" if name == b"sec-websocket-protocol" else "the server sends it"
            raise InvalidMessage(f"{name.decode('ascii')} among the headers of websocket.accept: {way_out}")
    answer = [pair for pair in fields if pair[0] not in (b"content-length", b"connection")]
    if subprotocol is not None:
        if subprotocol not in handshake.subprotocols:
            offered = ", ".join(handshake.subprotocols) or "none"
            raise InvalidMessage(f"subprotocol {subprotocol!r} was not offered by the client; it offered: {offered}")
        answer.append((b"sec-websocket-protocol", subprotocol.encode("ascii")))
    if agreement is not None:
        answer.append((b"sec-websocket-extensions", agreement.field))
    if request.version == HTTP2:
        return 200, answer
    import hashlib  # and with it OpenSSL, which only these pay for

    # Not for security: it shows that the handshake was understood (RFC 6455 1.3).
    digest = hashlib.sha1(handshake.key + GUID, usedforsecurity=False).digest()
    return 101, [UPGRADE_FIELD, (b"sec-websocket-accept", base64.b64encode(digest)), *answer]


def refusal_fields(request: Request, error: RequestRefused) -> Fields:
    """Return the fields that a refused handshake's answer has besides the usual ones (RFC 6455 4.4, RFC 9110 15.5.22)."""
    if not isinstance(error, UpgradeRequired):
        return []
    return [VERSION_FIELD] if request.version == HTTP2 else [VERSION_FIELD, UPGRADE_FIELD]
