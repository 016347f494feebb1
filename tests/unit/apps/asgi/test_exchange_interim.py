"""Exchange, `http.response.early_hint` and `http.response.informational`: interim responses, and where none is sent."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

import pytest

from appserver.accepted import Peer
from appserver.errors import InvalidMessage
from tests.support.asgi import Talk, body, hint, informational, make_request, start
from tests.support.plain import plain

Converse = Callable[..., Talk]
MAX_INTERIM: int = plain("appserver.http.answer").MAX_INTERIM
SILENT = Peer(None, None, "http", early_hints=False)


def test_hints_before_the_head(converse: Converse) -> None:
    talk = converse()
    talk.send(hint(b"</a.css>; rel=preload", bytearray(b"</b.js>")))
    talk.send(hint())
    talk.send(start())

    links = [(b"link", b"</a.css>; rel=preload"), (b"link", b"</b.js>")]
    assert talk.said == [("inform", 103, links), ("inform", 103, []), ("respond", 200, [], False)]


@pytest.mark.parametrize("status", [102, 103, 104, 199, HTTPStatus.EARLY_HINTS])
def test_any_interim_status(converse: Converse, status: int) -> None:
    talk = converse()
    talk.send(informational(status, [(b"X-Step", b"1"), (b"link", b" </a.css> ")]))
    talk.send(start())

    assert talk.said[0] == ("inform", int(status), [(b"x-step", b"1"), (b"link", b"</a.css>")])


@pytest.mark.parametrize("status", [101, 99, 200, 1000, -1, True, None, "103", 103.0, 1 << 80])
def test_a_status_that_is_not_interim(converse: Converse, status: object) -> None:
    talk = converse()
    with pytest.raises(InvalidMessage, match="an interim response status is 100 to 199 and not 101, not "):
        talk.send(informational(status))
    talk.send(start())

    assert talk.said == [("respond", 200, [], False)]


@pytest.mark.parametrize("headers", [[(b"a", b"\n")], [(b"", b"x")], [("a", "b")], [(b"content-length", b"x")]])
@pytest.mark.parametrize("peer", [make_request().peer, SILENT])
def test_fields_that_must_not_be_sent(converse: Converse, headers: list[Any], peer: Peer) -> None:
    # A mistake shows everywhere, also where nothing would have been sent.
    talk = converse(peer=peer)
    with pytest.raises(InvalidMessage):
        talk.send(informational(103, headers))

    assert talk.said == []


@pytest.mark.parametrize("links", [b"</a.css>", "</a.css>", ["</a.css>"], [None], [b"a\r\nb"]])
def test_links_that_must_not_be_sent(converse: Converse, links: Any) -> None:
    talk = converse()
    with pytest.raises(InvalidMessage):
        talk.send({"type": "http.response.early_hint", "links": links})

    assert talk.said == []


def test_an_interim_response_has_neither_length_nor_framing(converse: Converse) -> None:
    talk = converse(version="1.1")
    fields = [(b"content-length", b"5"), (b"transfer-encoding", b"chunked"), (b"connection", b"close"), (b"a", b"1")]
    talk.send(informational(103, fields))

    assert talk.said == [("inform", 103, [(b"a", b"1")])]


def test_messages_may_be_all_defaults(converse: Converse) -> None:
    talk = converse()
    talk.send({"type": "http.response.early_hint"})
    talk.send({"type": "http.response.informational", "status": 102})

    assert talk.said == [("inform", 103, []), ("inform", 102, [])]


def test_a_hint_after_start_is_for_the_wire_to_place(converse: Converse) -> None:
    # As h2corn wants it; the wire sends it before the head, or drops it once that has left.
    talk = converse()
    talk.send(start())
    talk.send(hint(b"</a.css>"))
    talk.send(body(b"x", more=True))
    talk.send(informational(102))
    talk.send(body(b"y"))

    assert [call[:2] for call in talk.said] == [
        ("respond", 200), ("inform", 103), ("write", b"x"), ("inform", 102), ("write", b"y")
    ]  # fmt: skip


@pytest.mark.parametrize("values", [{"version": "1.0"}, {"peer": SILENT}])
@pytest.mark.parametrize("message", [hint(b"</a.css>"), informational(102)])
def test_where_hints_cannot_be_carried_they_are_dropped(
    converse: Converse, values: dict[str, Any], message: dict[str, Any]
) -> None:
    talk = converse(**values)
    talk.send(message)
    talk.send(start())
    talk.send(message)
    talk.send(body(b"x"))

    assert talk.said == [("respond", 200, [], False), ("write", b"x", True)]


@pytest.mark.parametrize("peer", [make_request().peer, SILENT])
def test_100_is_for_who_waits_for_it(converse: Converse, peer: Peer) -> None:
    # RFC 9110 10.1.1. That is no hint: it is sent whatever is said of those, and once.
    talk = converse(method="POST", ends=False, expects=True, peer=peer)
    talk.send(informational(100, [(b"a", b"1")]))
    talk.send(informational(100))
    talk.receiving()

    assert talk.said == [("inform", 100, [])]
    other = converse(peer=peer)
    other.send(informational(100))
    assert other.said == []


def test_a_head_that_is_the_response_leaves_nothing_to_precede(converse: Converse) -> None:
    talk = converse(method="HEAD")
    talk.send(start())
    talk.send(hint(b"</a.css>"))

    assert talk.said == [("respond", 200, [], True)]


def test_hints_have_a_bound(converse: Converse) -> None:
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        for _ in range(MAX_INTERIM):
            await send(hint())
        with pytest.raises(InvalidMessage, match=f"more than {MAX_INTERIM} interim responses to one request"):
            await send(hint())
        await send(start())
        await send(body(b"x"))

    talk = converse(app)
    talk.loop.turn()

    assert [call[0] for call in talk.said] == ["inform"] * MAX_INTERIM + ["respond", "write"]


def test_who_only_hints_lets_the_loop_go_on(converse: Converse) -> None:
    talk = converse()
    waiting = [talk.exchange.send(hint()) for _ in range(MAX_INTERIM)]
    steps = [next(iter(each.__await__()), "done") for each in waiting]

    assert "done" in steps
    assert None in steps  # a bare yield to the loop
    for each in waiting:
        each.close()
