"""The scope of ASGI 3 (spec version 2.5): every key, and that no request sees another's."""

from __future__ import annotations

from typing import Any

import pytest

from appserver.accepted import Peer
from appserver.apps.asgi.scope import ScopeBuilder
from tests.support.asgi import make_request

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


def test_the_scope() -> None:
    request = make_request(
        method="POST", path="/café/x", raw_path=b"/caf%C3%A9/x", query=b"a=1&b", fields=[(b"host", b"example.com")],
        version="2",
    )

    assert ScopeBuilder().build(request) == {
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
        "extensions": {
            "http.request.trailers": {},
            "http.response.trailers": {},
            "http.response.early_hint": {},
            "http.response.informational": {},
            "http.response.pathsend": {},
            "http.response.zerocopysend": {},
        },
    }


def test_what_a_client_says_of_priorities() -> None:
    extensions = ScopeBuilder().build(make_request(priority=(1, True)))["extensions"]
    assert extensions["http.request.priority"] == {"urgency": 1, "incremental": True}
    assert "http.response.priority" not in extensions

    extensions = ScopeBuilder().build(make_request(dependency=(256, 3)))["extensions"]
    assert extensions["http.response.priority"] == {"weight": 256, "depends_on": 3}
    assert "http.request.priority" not in extensions


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
def test_each_key_has_the_type_that_asgi_gives_it(version: str, peer: Peer) -> None:
    scope = ScopeBuilder().build(make_request(version=version, peer=peer, client=peer.client, scheme=peer.scheme))

    assert scope.keys() == SCOPE.keys()
    for key, kind in SCOPE.items():
        assert isinstance(scope[key], kind), key
    assert scope["http_version"] == version
    assert scope["client"] == peer.client
    assert scope["server"] == peer.server
    assert scope["scheme"] == peer.scheme
    assert scope["method"] == scope["method"].upper()


@pytest.mark.parametrize(("version", "early_hints"), [("1.0", True), ("1.1", False), ("2", False)])
def test_hints_are_not_offered_where_they_cannot_be_sent(version: str, early_hints: bool) -> None:
    peer = Peer(None, None, "http", early_hints=early_hints)

    extensions = ScopeBuilder().build(make_request(version=version, peer=peer))["extensions"]

    assert not {"http.response.early_hint", "http.response.informational"} & set(extensions)
    assert {"http.request.trailers", "http.response.trailers"} < set(extensions)


def test_what_a_trusted_proxy_forwarded() -> None:
    shared = ScopeBuilder()
    request = make_request(client=("203.0.113.9", 0), scheme="https")
    scope = shared.build(request)
    own = shared.build(make_request(peer=request.peer, client=request.peer.client))  # type: ignore[union-attr]  # has one

    assert (scope["client"], scope["scheme"]) == (("203.0.113.9", 0), "https")
    assert (own["client"], own["scheme"]) == (("192.0.2.1", 4711), "http")


def test_the_server_is_the_one_that_the_client_has_asked_where_a_proxy_says_so() -> None:
    scopes = ScopeBuilder()

    assert scopes.build(make_request(server=("shop.test", 443)))["server"] == ("shop.test", 443)
    assert scopes.build(make_request())["server"] == ("192.0.2.2", 80)


def test_requests_of_a_connection_do_not_see_each_other() -> None:
    shared, peer = ScopeBuilder(), Peer(("192.0.2.1", 1), ("192.0.2.2", 80), "http")
    first = shared.build(make_request(peer=peer, fields=[(b"a", b"1")]))
    first["path"] = "/changed"
    first["user"] = "somebody"
    second = shared.build(make_request(peer=peer, method="PUT"))

    assert second["path"] == "/"
    assert "user" not in second
    assert second["method"] == "PUT"
    assert second["headers"] == []
    assert first["headers"] == [(b"a", b"1")]


def test_state_is_a_copy_for_each_request() -> None:
    shared = ScopeBuilder()
    pool = object()
    shared.state = {"pool": pool}
    first, second = shared.build(make_request()), shared.build(make_request())
    first["state"]["user"] = "somebody"

    assert first["state"]["pool"] is second["state"]["pool"] is pool
    assert second["state"] == shared.state == {"pool": pool}


def test_without_lifespan_there_is_no_state() -> None:
    assert "state" not in ScopeBuilder().build(make_request())


def test_root_path_is_part_of_path_and_not_of_raw_path() -> None:
    scope = ScopeBuilder("/mounted").build(make_request(path="/x", raw_path=b"/x"))

    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/mounted", "/mounted/x", b"/x")


@pytest.mark.parametrize(
    ("path", "root_path"),
    [("/mounted/x", "/mounted"), ("/mounted", "/mounted"), ("/mounted/", "/mounted"), ("/mountedx", ""), ("/health", ""), ("*", "/mounted")],
)
def test_a_root_path_that_the_proxy_leaves_in_the_target_is_not_doubled(path: str, root_path: str) -> None:
    scope = ScopeBuilder("/mounted", True).build(make_request(path=path, raw_path=path.encode()))

    assert (scope["root_path"], scope["path"], scope["raw_path"]) == (root_path, path, path.encode())


def test_an_options_of_the_server_has_no_path_to_mount() -> None:
    scope = ScopeBuilder("/mounted").build(make_request(method="OPTIONS", path="*", raw_path=b"*"))

    assert (scope["root_path"], scope["path"], scope["raw_path"]) == ("/mounted", "*", b"*")


def mark(value: Any) -> None:
    """Leave a mark in every dictionary and list of a scope."""
    if isinstance(value, dict):
        for inner in value.values():
            mark(inner)
        value["mark"] = "left by a request"
    elif isinstance(value, list):
        value.append("left by a request")


def test_a_scope_is_the_requests_own_all_the_way_down() -> None:
    shared, peer = ScopeBuilder(), Peer(("192.0.2.1", 1), ("192.0.2.2", 80), "http")
    shared.state = {}
    before = shared.build(make_request(peer=peer))

    mark(shared.build(make_request(peer=peer)))

    assert shared.build(make_request(peer=peer)) == before
    assert shared.build(make_request())["asgi"] == {"version": "3.0", "spec_version": "2.5"}
