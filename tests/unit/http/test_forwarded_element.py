"""Elements of Forwarded (RFC 7239): read from the right as a parser that reads from the left would, and no further."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from appserver.http.forwarded import Hop
from appserver.http.forwarded_element import ADDRESS, MALFORMED, NAMELESS, ForwardedElement, parse_node

Said = tuple[bytes | None, bytes | None, bytes | None]  # for, proto, host
BROKEN = None


def read_all(text: bytes) -> list[Said | None]:
    """Return what each element says, the last first, up to and with the first that is malformed."""
    element = ForwardedElement()
    found: list[Said | None] = []
    stop = len(text)
    while stop >= 0:
        stop = element.read(text, stop)
        if element.is_malformed:
            assert (element.node, element.proto, element.host) == (None, None, None)
            return [*found, BROKEN]
        if not element.is_empty:
            found.append((element.node, element.proto, element.host))
    return found


LISTS: list[tuple[bytes, list[Said | None]]] = [
    (b"", []),
    (b"for=192.0.2.60;proto=http;by=203.0.113.43", [(b"192.0.2.60", b"http", None)]),
    (b'For="[2001:db8:cafe::17]:4711"', [(b"[2001:db8:cafe::17]:4711", None, None)]),
    (b"for=192.0.2.43, for=198.51.100.17", [(b"198.51.100.17", None, None), (b"192.0.2.43", None, None)]),
    (b"for=a,for=b", [(b"b", None, None), (b"a", None, None)]),
    (b'for=_hidden, for="_SEVKISEK"', [(b"_SEVKISEK", None, None), (b"_hidden", None, None)]),
    (b"HOST=shop.test;PROTO=https", [(None, b"https", b"shop.test")]),
    (b'host="shop.test:8443"', [(None, None, b"shop.test:8443")]),
    (b'for="a\\"b\\\\"', [(b'a"b\\', None, None)]),
    (b'for="a, for=b;c"', [(b"a, for=b;c", None, None)]),
    (b'for=""', [(b"", None, None)]),
    (b"for=", [BROKEN]),
    (b";;for=a;;proto=b;", [(b"a", b"b", None)]),
    (b" \t, ,for=a\t,\t", [(b"a", None, None)]),
    (b"secret=x;for=a", [(b"a", None, None)]),
    # What a proxy appended is read, whatever a client wrote before it.
    (b'for="1.2.3.4, for=192.0.2.1', [(b"192.0.2.1", None, None), BROKEN]),
    (b'for="1.2.3.4, for="[::1]"', [(b"[::1]", None, None), BROKEN]),
    (b'for="1.2.3.4\\, for="[::1]"', [(b"[::1]", None, None), BROKEN]),
    (b"\xff\xfe, for=192.0.2.1", [(b"192.0.2.1", None, None), BROKEN]),
    (b"for=192.0.2.1:80", [BROKEN]),
    (b"for=[::1]", [BROKEN]),
    (b"for = a", [BROKEN]),
    (b"for=a ;proto=b", [BROKEN]),
    (b"for=a; proto=b", [BROKEN]),
    (b"for=a;for=b", [BROKEN]),
    (b"FOR=a;for=b", [BROKEN]),
    (b"a=1;a=2", [BROKEN]),
    (b"for", [BROKEN]),
    (b"=a", [BROKEN]),
    (b"for==a", [BROKEN]),
    (b"for=a=b", [BROKEN]),
    (b'for=a"', [BROKEN]),
    (b'"', [BROKEN]),
    (b'"a"', [BROKEN]),
    (b'for="a', [BROKEN]),
    (b'for="a"b', [BROKEN]),
    (b'for=b"a"', [BROKEN]),
    (b'for="a\\"', [BROKEN]),
    (b"192.0.2.1", [BROKEN]),
    (b"for=a\0", [BROKEN]),
    (b";".join(b"p%d=1" % number for number in range(33)), [BROKEN]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), LISTS)
def test_a_list(text: bytes, said: list[Said | None]) -> None:
    assert read_all(text) == said


TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
QUOTED = rb'"(?:[^"\\]|\\[\s\S])*"'
PAIR = re.compile(rb"(" + TOKEN + rb")=(" + TOKEN + rb"|" + QUOTED + rb")")


def from_the_left(text: bytes) -> list[Said] | None:
    """Return what each element says, the first first, as the ABNF reads; None if the list as a whole is malformed."""
    found: list[Said] = []
    said: dict[bytes, bytes] = {}
    at = len(text) - len(text.lstrip(b" \t"))
    while True:
        match = PAIR.match(text, at)
        if match is not None:
            name = match[1].lower()
            if name in said or len(said) == 32:
                return None
            value = match[2]
            said[name] = re.sub(rb"\\([\s\S])", rb"\1", value[1:-1]) if value[:1] == b'"' else value
            at = match.end()
        if text[at : at + 1] == b";":
            at += 1
            continue
        blanks = re.compile(rb"[ \t]*").match(text, at)
        assert blanks is not None
        at = blanks.end()
        if said:
            found.append((said.get(b"for"), said.get(b"proto"), said.get(b"host")))
            said = {}
        if at == len(text):
            return found
        if text[at : at + 1] != b",":
            return None
        at = re.compile(rb",[ \t]*").match(text, at).end()  # type: ignore[union-attr] # a comma is there


PIECES = st.sampled_from(
    [b"for", b"proto", b"host", b"by", b"x", b"=", b"=", b";", b",", b", ", b" ", b"\t", b'"', b'"', b"\\", b"1.2.3.4", b"[::1]",
     b"https", b":80", b"_h", b'for="[::1]:80"', b"for=1.2.3.4", b"proto=https", b'host="a:1"', b"\xff"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map(b"".join))
@example(b" ;for=a")
@example(b"for=a; ")
@example(b'for="a, for="b"')
def test_what_is_whole_is_read_the_same_from_either_side(text: bytes) -> None:
    whole = from_the_left(text)

    if whole is not None:
        assert read_all(text) == whole[::-1]
    elif BROKEN not in read_all(text):
        pytest.fail(f"{text!r} is no list")


@given(st.binary(max_size=40), st.sampled_from([b'for="[2001:db8::1]:1"', b"for=192.0.2.1;proto=https", b'host="a\\"";for=b']))
def test_nothing_that_is_written_before_changes_the_last_element(before: bytes, last: bytes) -> None:
    alone = read_all(last)

    assert read_all(before + b", " + last)[0] == alone[0]


def node(text: bytes | None) -> tuple[int, tuple[str, int] | None]:
    hop = Hop()
    kind = parse_node(hop, text)
    return kind, hop.address() if kind == ADDRESS else None


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (b"192.0.2.1", ("192.0.2.1", 0)),
        (b"192.0.2.1:80", ("192.0.2.1", 80)),
        (b"192.0.2.1:_port", ("192.0.2.1", 0)),
        (b"[2001:DB8::1]", ("2001:db8::1", 0)),
        (b"[2001:db8::1]:443", ("2001:db8::1", 443)),
        (b"[2001:db8::1]:_x.y-z", ("2001:db8::1", 0)),
        (b"[::ffff:192.0.2.1]", ("192.0.2.1", 0)),
    ],
)
def test_a_node_that_is_an_address(text: bytes, address: tuple[str, int]) -> None:
    assert node(text) == (ADDRESS, address)


@pytest.mark.parametrize("text", [None, b"unknown", b"Unknown", b"unknown:80", b"_hidden", b"_a.b-c_d", b"_hidden:_port"])
def test_a_node_that_has_no_address(text: bytes | None) -> None:
    assert node(text) == (NAMELESS, None)


@pytest.mark.parametrize(
    "text",
    [
        b"", b"2001:db8::1", b"[2001:db8::1", b"[192.0.2.1]", b"192.0.2.1:", b"192.0.2.1:65536", b"192.0.2.1:123456",
        b"192.0.2.1:-1", b"192.0.2.1:_", b"192.0.2", b"0177.0.0.1", b" 192.0.2.1", b"192.0.2.1 ", b"[ ::1]", b"[fe80::1%eth0]",
        b"_", b"_h h", b"_\xe4", b"unknowns", b"shop.test", b"*", b"192.0.2.1\n", b"_hidden\n",
    ],
)  # fmt: skip
def test_a_node_that_is_none(text: bytes) -> None:
    assert node(text) == (MALFORMED, None)
