"""Upgrade: h2c: a request without a body that is switched to HTTP/2, and all the others, which are served as they came."""

from __future__ import annotations

import pytest

from appserver.http.upgrade import SWITCHING
from tests.unit.h1.talk import GET, OK, OK_CLOSE, Talk, never

SETTINGS = b"HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
PAYLOAD = bytes.fromhex("000300000064 000402000000 000200000000")
UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + SETTINGS


def ask(fields: bytes = UPGRADE, line: bytes = b"GET /x HTTP/1.1", behind: bytes = b"") -> bytes:
    return line + b"\r\nHost: a\r\n" + fields + b"\r\n" + behind


def test_a_request_is_handed_over_with_its_settings() -> None:
    talk = Talk(never, h2c_upgrade=True).say(ask())

    assert talk.heard == SWITCHING
    assert (talk.calls, talk.transport.closed) == ([], False)
    ((request, settings),) = talk.registry.upgraded
    assert (request.method, request.target, request.ends, settings) == ("GET", b"/x", True, PAYLOAD)
    assert b"http2-settings" not in dict(request.fields)


def test_it_may_come_behind_others_and_byte_by_byte() -> None:
    talk = Talk(h2c_upgrade=True).say(GET + GET + ask())
    assert talk.heard == OK + OK + SWITCHING

    talk = Talk(h2c_upgrade=True).say(*[bytes([byte]) for byte in GET + ask()])
    assert talk.heard == OK + SWITCHING
    assert len(talk.registry.upgraded) == 1


def test_what_is_handed_over_is_touched_no_more() -> None:
    talk = Talk(h2c_upgrade=True).say(ask())
    talk.connection.data_received(GET)
    talk.connection.drain()
    talk.connection.tick(1e9)
    talk.turn()

    assert (talk.heard, talk.calls, talk.transport.closed, talk.registry.forgotten) == (SWITCHING, [], False, [])


@pytest.mark.parametrize(
    "fields",
    [
        b"Upgrade: h2c\r\n",
        b"Upgrade: h2c\r\n" + SETTINGS,
        b"Connection: Upgrade\r\nUpgrade: h2c\r\n" + SETTINGS,
        b"Connection: HTTP2-Settings\r\nUpgrade: h2c\r\n" + SETTINGS,
        b"Connection: Upgrade, HTTP2-Settings\r\n" + SETTINGS,
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
        UPGRADE + SETTINGS,
        UPGRADE.replace(b"h2c", b"h2"),
        UPGRADE.replace(b"h2c", b"h2c-14"),
        UPGRADE.replace(b"AAAAAIAAAAA", b"AAAAAIAAAA="),
        UPGRADE.replace(SETTINGS, b"HTTP2_Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"),
        UPGRADE.replace(SETTINGS, b"HTTP2-Settings: \r\n"),
        UPGRADE.replace(SETTINGS, b"HTTP2-Settings: AAT_____\r\n"),
    ],
)
def test_an_offer_that_is_not_whole_is_ignored(fields: bytes) -> None:
    talk = Talk(h2c_upgrade=True).say(ask(fields), GET)

    assert talk.heard == OK + OK
    assert (len(talk.calls), talk.registry.upgraded) == (2, [])


def test_where_it_is_off_it_is_ignored() -> None:
    talk = Talk(websocket=True).say(ask(), GET)

    assert talk.heard == OK + OK
    assert talk.calls[0].request.protocol is None


@pytest.mark.parametrize(
    "body", [b"Content-Length: 2\r\n\r\nhi", b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"], ids=["length", "chunked"]
)
def test_with_a_body_it_is_ignored(body: bytes) -> None:
    talk = Talk(h2c_upgrade=True).say(ask(UPGRADE + body[: body.index(b"\r\n\r\n") + 2], b"POST /x HTTP/1.1"), body.partition(b"\r\n\r\n")[2])

    assert (talk.heard, talk.calls[0].body, talk.registry.upgraded) == (OK, b"hi", [])


def test_of_http_1_0_it_is_ignored() -> None:
    talk = Talk(h2c_upgrade=True).say(ask(line=b"GET /x HTTP/1.0"))

    assert (talk.heard, talk.registry.upgraded) == (OK_CLOSE, [])


@pytest.mark.parametrize("behind", [GET, b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"])
def test_who_does_not_wait_for_the_answer_is_served_as_it_asked(behind: bytes) -> None:
    """What a client pipelines is HTTP/1.1 to everybody on the way: no byte of it may become a frame."""
    talk = Talk(h2c_upgrade=True).say(ask(behind=behind))

    assert talk.heard.startswith(OK)
    assert talk.registry.upgraded == []


def test_a_websocket_is_preferred() -> None:
    fields = UPGRADE.replace(b"h2c", b"h2c, websocket")
    assert Talk(never, websocket=True, h2c_upgrade=True).say(ask(fields)).calls[0].request.protocol == b"websocket"
    assert Talk(never, h2c_upgrade=True).say(ask(fields)).heard == SWITCHING


def test_a_connection_that_drains_or_cannot_write_is_not_switched() -> None:
    draining = Talk(h2c_upgrade=True)
    draining.connection.drain()
    assert draining.say(ask()).heard == OK_CLOSE

    stuck = Talk(h2c_upgrade=True)
    stuck.connection.pause_writing()
    assert stuck.say(ask()).heard == OK
