"""One field, judged by itself."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.http.field import classify, judge
from appserver.http.names import BAD, DROPPED, KINDS, PLAIN
from appserver.http.verdicts import OK, RESET


@pytest.mark.parametrize("name", [b"a", b"x-y", b"x_y", b"!#$%&'*+-.^_`|~09az"])
def test_a_plain_field_is_passed_on_as_it_is(name: bytes) -> None:
    field = judge(name, b"v")
    assert (field.kind, field.pair, field.value, field.verdict) == (PLAIN, (name, b"v"), b"v", OK)
    assert field.size == len(name) + 1 + 32


@given(st.binary(max_size=30))
def test_names_are_classified_without_being_kept(name: bytes) -> None:
    known = dict(KINDS)
    kind = classify(name)
    assert kind in (PLAIN, DROPPED, BAD) or known[name] == kind
    assert known == KINDS


@pytest.mark.parametrize("name", [b"x_forwarded_for", b"x-forwarded_proto", b"content_length", b"proxy_connection", b"http2_settings"])
def test_an_alias_of_a_protected_name_is_dropped(name: bytes) -> None:
    assert classify(name) == DROPPED


@pytest.mark.parametrize(
    ("method", "verdict"),
    [(b"GET", OK), (b"FOO", OK), (b"get", OK), (b"M-SEARCH", OK), (b"A" * 32, OK), (b"A" * 33, 501), (b"", RESET), (b"G T", RESET), (b"\xc4", RESET)],
)
def test_a_method_is_a_token_of_at_most_32_bytes(method: bytes, verdict: int) -> None:
    field = judge(b":method", method)
    assert field.verdict == verdict
    assert field.text == ("" if verdict else method.decode())


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        (b"/", "/", b"/", b""),
        (b"*", "*", b"*", b""),
        (b"/?", "/", b"/", b""),
        (b"/a?b", "/a", b"/a", b"b"),
        (b"/a?b?c", "/a", b"/a", b"b?c"),
        (b"/%41%2f?%41", "/A/", b"/%41%2f", b"%41"),
        (b"/a?%zz\xff", "/a", b"/a", b"%zz\xff"),
        (b"/%C3%A4", "\xe4", b"/%C3%A4", b""),
        (b"/\xc3\xa4?\xc3", "/\xe4", b"/\xc3\xa4", b"\xc3"),
        (b"/%ff\xfe", "/\ufffd\ufffd", b"/%ff\xfe", b""),
        (b"/%4", "/%4", b"/%4", b""),
    ],
)
def test_the_parts_of_a_target(target: bytes, path: str, raw_path: bytes, query: bytes) -> None:
    field = judge(b":path", target)
    assert (field.verdict, field.text.removeprefix("/"), field.raw_path, field.query) == (OK, path.removeprefix("/"), raw_path, query)


@given(st.binary(max_size=30))
def test_a_target_is_split_exactly_and_decoded_as_urllib_does(rest: bytes) -> None:
    target = b"/" + rest
    field = judge(b":path", target)
    if field.verdict == OK:
        raw_path, _, query = target.partition(b"?")
        assert (field.raw_path, field.query) == (raw_path, query)
        assert field.text == unquote(raw_path, "utf-8", "replace")
    else:
        assert set(target) & {*range(33), 0x23, 0x7F}


@pytest.mark.parametrize(("value", "length"), [(b"0", 0), (b"5", 5), (b"", -1), (b"+5", -1)])
def test_a_content_length(value: bytes, length: int) -> None:
    field = judge(b"content-length", value)
    assert (field.length, field.verdict) == (length, RESET if length < 0 else OK)


def test_the_authority_is_seen_as_host() -> None:
    assert judge(b":authority", b"a.test").pair == (b"host", b"a.test")
