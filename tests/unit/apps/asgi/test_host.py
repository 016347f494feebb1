"""What requests of one worker share: the scope of ASGI 3 (spec version 2.5), Date, reports."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import pytest

import appserver.apps.asgi.host as module
from appserver.accepted import Peer
from appserver.apps.asgi.host import Host
from appserver.errors import BodyTooShort
from appserver.events import Event
from tests.support.asgi import make_request
from tests.support.clock import ClockLoop
from tests.support.events import EventLog
from tests.support.plain import plain

# Every key of the HTTP connection scope, and what may be its value.
SCOPE: dict[str, type | tuple[type, ...]] = {
    "type": str,
    "asgi": dict,
    "http_version": str,
    "method": str,
    "scheme": str,
    "path": str,
    "raw_path": bytes,
    "query_string": bytes,
    "root_path": str,
    "headers": list,
    "client": (tuple, type(None)),
    "server": (tuple, type(None)),
    "extensions": dict,
}


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Never runs here."""


def host(loop: ClockLoop, **options: Any) -> Host:
    return Host(app, loop, **options)


def test_the_scope(loop: ClockLoop) -> None:
    request = make_request(
        method="POST", path="/café/x", raw_path=b"/caf%C3%A9/x", query=b"a=1&b", fields=[(b"host", b"example.com")],
        version="2",
    )

    assert host(loop).scope(request) == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.5"},
        "http_version": "2",
        "method": "POST",
        "scheme": "http",
        "path": "/café/x",
        "raw_path": b"/caf%C3%A9/x",
        "query_string": b"a=1&b",
        "root_path": "",
        "headers": [(b"host", b"example.com")],
        "client": ("192.0.2.1", 4711),
        "server": ("192.0.2.2", 80),
        "extensions": {"http.response.early_hint": {}, "http.response.trailers": {}},
    }


@pytest.mark.parametrize("version", ["1.0", "1.1", "2"])
@pytest.mark.parametrize(
    "peer",
    [
        Peer(("192.0.2.1", 1), ("192.0.2.2", 80), "http"),
        Peer(("2001:db8::1", 1), ("2001:db8::2", 443), "https"),
        Peer(None, ("/run/app.sock", None), "http"),
        Peer(None, None, "http"),
    ],
)
def test_each_key_has_the_type_that_asgi_gives_it(loop: ClockLoop, version: str, peer: Peer) -> None:
    scope = host(loop).scope(make_request(version=version, peer=peer, client=peer.client, scheme=peer.scheme))

    assert scope.keys() == SCOPE.keys()
    for key, kind in SCOPE.items():
        assert isinstance(scope[key], kind), key
    assert scope["http_version"] == version
    assert scope["client"] == peer.client
    assert scope["server"] == peer.server
    assert scope["scheme"] == peer.scheme
    assert scope["method"] == scope["method"].upper()


def test_what_a_trusted_proxy_forwarded(loop: ClockLoop) -> None:
    shared = host(loop)
    request = make_request(client=("203.0.113.9", 0), scheme="https")
    scope = shared.scope(request)
    own = shared.scope(make_request(peer=request.peer, client=request.peer.client))  # type: ignore[union-attr]  # has one

    assert (scope["client"], scope["scheme"]) == (("203.0.113.9", 0), "https")
    assert (own["client"], own["scheme"]) == (("192.0.2.1", 4711), "http")


def test_requests_of_a_connection_do_not_see_each_other(loop: ClockLoop) -> None:
    shared, peer = host(loop), Peer(("192.0.2.1", 1), ("192.0.2.2", 80), "http")
    first = shared.scope(make_request(peer=peer, fields=[(b"a", b"1")]))
    first["path"] = "/changed"
    first["user"] = "somebody"
    second = shared.scope(make_request(peer=peer, method="PUT"))

    assert second["path"] == "/"
    assert "user" not in second
    assert second["method"] == "PUT"
    assert second["headers"] == []
    assert first["headers"] == [(b"a", b"1")]


def test_state_is_a_copy_for_each_request(loop: ClockLoop) -> None:
    shared = host(loop)
    pool = object()
    shared.state = {"pool": pool}
    first, second = shared.scope(make_request()), shared.scope(make_request())
    first["state"]["user"] = "somebody"

    assert first["state"]["pool"] is second["state"]["pool"] is pool
    assert second["state"] == shared.state == {"pool": pool}


def test_without_lifespan_there_is_no_state(loop: ClockLoop) -> None:
    assert "state" not in host(loop).scope(make_request())


def test_root_path_is_part_of_path_and_not_of_raw_path(loop: ClockLoop) -> None:
    scope = host(loop, root_path="/mounted").scope(make_request(path="/x", raw_path=b"/x"))

    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/mounted", "/mounted/x", b"/x")


# Date


def test_date_is_renewed_by_a_tick(loop: ClockLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    source = plain(module.__name__)
    monkeypatch.setattr(source, "http_date", lambda seconds: "Tue, 03 Nov 2026 06:02:18 GMT")
    shared = source.Host(app, loop)
    assert shared.date == (b"date", b"Tue, 03 Nov 2026 06:02:18 GMT")
    monkeypatch.setattr(source, "http_date", lambda seconds: "Tue, 03 Nov 2026 06:02:19 GMT")

    shared.tick()

    assert shared.date == (b"date", b"Tue, 03 Nov 2026 06:02:19 GMT")


def test_date_is_an_imf_fixdate(loop: ClockLoop) -> None:
    date = host(loop).date
    assert date is not None
    assert date[1].endswith(b" GMT")
    assert parsedate_to_datetime(date[1].decode()).tzinfo is not None


def test_date_may_be_switched_off(loop: ClockLoop) -> None:
    shared = host(loop, dated=False)
    shared.tick()

    assert shared.date is None


def test_server_is_a_field_only_if_it_is_named(loop: ClockLoop) -> None:
    assert host(loop).server is None
    assert host(loop, server="lasthop").server == (b"server", b"lasthop")


# Reports


def test_a_report_names_the_request(loop: ClockLoop, log: EventLog) -> None:
    error = LookupError("why")
    host(loop).report(make_request(method="PATCH", path="/a b"), error)

    values = log.only(Event.APPLICATION_FAILED)
    assert (values["method"], values["path"]) == ("PATCH", "/a b")
    assert log.error() is error


def test_broken_asgi_is_a_sentence_and_no_traceback(loop: ClockLoop, log: EventLog) -> None:
    host(loop).report(make_request(), BodyTooShort("three bytes are missing"))

    assert "three bytes are missing" in log.texts[0]
    assert log.error() is None
    log.only(Event.APPLICATION_BROKE_ASGI)
