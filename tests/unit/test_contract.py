"""The waist: its defaults, what every wire and application must implement, and C declarations in step."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest

import appserver.contract
from appserver.accepted import Peer
from appserver.contract import Application, Receiver, Request, Reset, Stream
from tests.support.plain import plain

MODULES = {"built": appserver.contract, "plain": plain("appserver.contract")}
PACKAGE = Path(appserver.contract.__file__).parent
DECLARED = sorted(path for path in PACKAGE.rglob("*.pxd") if path.with_suffix(".py").exists())

ABSTRACT: list[tuple[type, str, tuple[Any, ...]]] = [
    (Stream, "inform", (103, [])),
    (Stream, "respond", (200, [], True)),
    (Stream, "write", (b"", True)),
    (Stream, "finish", ([],)),
    (Stream, "grant", (1,)),
    (Stream, "reset", (Reset.CANCEL,)),
    (Receiver, "start", ()),
    (Receiver, "on_body", (b"x",)),
    (Receiver, "on_end", ([],)),
    (Receiver, "on_writable", ()),
    (Receiver, "on_lost", ()),
    (Application, "begin", (Request(), Stream())),
]


@pytest.mark.parametrize(("base", "method", "arguments"), ABSTRACT, ids=[f"{row[0].__name__}.{row[1]}" for row in ABSTRACT])
def test_what_must_be_implemented(base: type, method: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(NotImplementedError):
        getattr(base(), method)(*arguments)


def test_a_request_before_anything_is_known_of_it() -> None:
    request = Request()

    assert {name: getattr(request, name) for name in MODULES["plain"].Request.__slots__} == {
        "method": "", "target": b"", "path": "", "raw_path": b"", "query": b"", "scheme": "http", "authority": b"",
        "fields": [], "version": "", "peer": None, "prefix": "", "server": None, "protocol": None, "client": None,
        "length": -1, "ends": False, "expects": False, "forwarded": False, "trailers_accepted": False, "priority": None,
        "dependency": None,
    }  # fmt: skip
    assert request.fields is not Request().fields


def test_a_request_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError):
        Request().user = "somebody"  # type: ignore[attr-defined]  # that is the test


def test_a_peer() -> None:
    peer = Peer(("192.0.2.1", 4711), ("192.0.2.2", 80), "https")

    assert (peer.client, peer.server, peer.scheme) == (("192.0.2.1", 4711), ("192.0.2.2", 80), "https")
    assert peer.trust is None
    assert peer.memo is None


def test_a_stream_is_writable_at_first() -> None:
    assert Stream().writable is True


def test_a_stream_may_leave_priorities_alone() -> None:
    # A connection with one answer at a time has nothing to do.
    stream = Stream()
    stream.prioritize(1, -1)
    assert stream.writable is True


def test_resets_are_codes_of_http_2() -> None:
    codes = {name: value for name, value in vars(Reset).items() if name.isupper()}

    # RFC 9113 7
    assert codes == {
        "NO_ERROR": 0, "PROTOCOL_ERROR": 1, "INTERNAL_ERROR": 2, "STREAM_CLOSED": 5, "FRAME_SIZE_ERROR": 6,
        "REFUSED_STREAM": 7, "CANCEL": 8, "ENHANCE_YOUR_CALM": 11,
    }  # fmt: skip


# Declarations


def slots(path: Path) -> dict[str, set[str]]:
    """Return the slots of each class of a module."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            for item in node.body:
                if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name) and item.targets[0].id == "__slots__":
                    value = ast.literal_eval(item.value)
                    found[node.name] = {value} if isinstance(value, str) else set(value)
    return found


def attributes(path: Path) -> dict[str, set[str]]:
    """Return the attributes of each cdef class of a .pxd."""
    found: dict[str, set[str]] = {}
    current: set[str] = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        line = line.partition("#")[0]
        if match := re.match(r"cdef class (\w+)", line):
            current = found.setdefault(match[1], set())
        elif match := re.fullmatch(r"    cdef (?:public |readonly )?(?:long long|[\w.]+(?: \*)?) ([\w, ]+)", line.rstrip()):
            current.update(name.strip() for name in match[1].split(","))
    return found


@pytest.mark.parametrize("path", DECLARED, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_each_slot_is_declared_in_c(path: Path) -> None:
    declared = attributes(path)
    for name, names in slots(path.with_suffix(".py")).items():
        if name in declared:
            assert declared[name] == names, name
