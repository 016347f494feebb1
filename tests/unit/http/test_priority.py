"""The `priority` field (RFC 9218): a Dictionary of RFC 8941, judged member by member."""

from __future__ import annotations

from string import ascii_lowercase
from typing import cast

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.http.priority import UNSAID, Priority, parse_priority

SAID: dict[bytes, tuple[int, int]] = {
    b"u=0": (0, UNSAID),
    b"u=7": (7, UNSAID),
    b"i": (UNSAID, 1),
    b"u=1, i": (1, 1),
    b"u=1,i": (1, 1),
    b"i, u=5": (5, 1),
    b"u=4 \t,\t i=?0": (4, 0),
    b"i=?1": (UNSAID, 1),
    b"": (UNSAID, UNSAID),
    b"  u=2  ": (2, UNSAID),
    # Parameters of a member mean nothing.
    b"u=2;x;y=1, i;why=\"a,b\"": (2, 1),
    b"u=03": (3, UNSAID),
    b"u=-0": (0, UNSAID),
    # The last member of a name counts (RFC 8941 3.2), for what it is.
    b"u=1, u=6": (6, UNSAID),
    b"u=1, u=9": (UNSAID, UNSAID),
    b"i, i=?0": (UNSAID, 0),
    # Out of range, of another type, or unknown: as if it were not there.
    b"u=8": (UNSAID, UNSAID),
    b"u=-1, i": (UNSAID, 1),
    b"u=2.0": (UNSAID, UNSAID),
    b"u=\"2\"": (UNSAID, UNSAID),
    b"u=two": (UNSAID, UNSAID),
    b"u": (UNSAID, UNSAID),
    b"u=(1 2)": (UNSAID, UNSAID),
    b"i=1, u=3": (3, UNSAID),
    b"i=()": (UNSAID, UNSAID),
    b"i=yes": (UNSAID, UNSAID),
    b"i=(?1)": (UNSAID, UNSAID),
    b"x=:aGk=:, *y.z_-=1.25, u=2": (2, UNSAID),
    b"l=( 1  a;q=1 \"x\" );p, u=1": (1, UNSAID),
}  # fmt: skip
MALFORMED = (
    b",", b"u=1,", b"u=1 i", b"u=1;", b"u=", b"U=1", b"u =1", b"u= 1", b"=1", b"u=1, ,i", b"u=1.", b"u=1.2345", b"u=--1",
    b"u=1234567890123456", b"u=?2", b'u="a', b"u=:a", b"u=:*:", b"u=(1", b"u=(1,2)", b"u=1)", b"i=?", b"u=\xc3\xa9", b"u=1\x00",
    b'x="\\n"', b"1=1", b"\tu=1", b"u=1\n", b"x" * 300,
)  # fmt: skip


def said(value: bytes) -> tuple[int, int] | None:
    priority = parse_priority(value)
    return None if priority is None else (priority.urgency, priority.incremental)


@pytest.mark.parametrize("value", SAID)
def test_what_a_field_says(value: bytes) -> None:
    assert said(value) == SAID[value]


@pytest.mark.parametrize("value", MALFORMED)
def test_a_malformed_field_says_nothing(value: bytes) -> None:
    assert said(value) is None


def test_nobody_needs_a_long_field() -> None:
    assert said(b"u=1, x=" + b"a" * 249) == (1, UNSAID)
    assert said(b"u=1, x=" + b"a" * 250) is None


def test_a_priority_of_its_own_says_nothing() -> None:
    assert (Priority().urgency, Priority().incremental) == (UNSAID, UNSAID)


# Against another parser of structured fields

_pieces = st.sampled_from(
    ("u", "i", "u=", "i=", "=", ",", ", ", " ", "\t", ";", "; ", "?", "?0", "?1", "1", "7", "8", "-", ".", "0.5", '"', "\\",
     '"a b"', ":", ":aGk=:", "(", ")", "(1 2)", "tok", "*", "/", "x", "U", "é", "u=3", "i=?1", "x;y")
)  # fmt: skip
_texts = st.one_of(st.lists(_pieces, max_size=12).map("".join), st.text(max_size=12))


def oracle(value: bytes) -> tuple[int, int] | None:
    try:
        found = cast(dict[str, tuple[object, object]], http_sf.parse(value, tltype="dictionary"))
    except (ValueError, UnicodeDecodeError):
        return None
    urgency, incremental = (found[key][0] if key in found else None for key in ("u", "i"))
    return (
        urgency if type(urgency) is int and 0 <= urgency <= 7 else UNSAID,
        int(incremental) if type(incremental) is bool else UNSAID,
    )


@given(_texts)
def test_it_reads_as_another_parser_does(text: str) -> None:
    value = text.encode("utf-8")
    # RFC 9651 has added dates (@1) and display strings (%"a"), which RFC 9218 does not know.
    if b"@" in value or b'%"' in value:
        return
    assert said(value) == oracle(value)


@given(st.binary(max_size=300))
def test_whatever_it_is_given_it_answers(value: bytes) -> None:
    priority = parse_priority(value)
    assert priority is None or (-1 <= priority.urgency <= 7 and -1 <= priority.incremental <= 1)


@given(st.integers(0, 7), st.booleans(), st.text(ascii_lowercase, min_size=2, max_size=5))
def test_unknown_members_change_nothing(urgency: int, incremental: bool, key: str) -> None:
    value = f"{key}=1, u={urgency}, {key};a, i=?{int(incremental)}, {key}=(a b);c".encode()
    assert said(value) == (urgency, int(incremental))
