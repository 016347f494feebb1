"""Upgrade: h2c: which offers count, to the byte."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.contract import Request
from appserver.http.upgrade import parse_settings, to_http2, upgrade_settings

CURL = b"AAMAAABkAAQCAAAAAAIAAAAA"
JAVA = b"AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAAAAUAAEAAAAYABgAA"
BOTH = [b"Upgrade, HTTP2-Settings"]


def encode(*entries: tuple[int, int]) -> bytes:
    payload = b"".join(code.to_bytes(2, "big") + value.to_bytes(4, "big") for code, value in entries)
    return base64.urlsafe_b64encode(payload).rstrip(b"=")


def test_what_curl_and_java_send() -> None:
    assert parse_settings(CURL) == bytes.fromhex("000300000064 000402000000 000200000000")
    assert parse_settings(JAVA) is not None
    assert upgrade_settings(BOTH, [(b"x_forwarded_for", b"1"), (b"http2-settings", CURL)]) == parse_settings(CURL)


@pytest.mark.parametrize(
    ("connection", "counts"),
    [
        (BOTH, True), ([b"upgrade", b"http2-settings"], True), ([b"HTTP2-Settings ,\tUPGRADE, close"], True),
        ([], False), ([b"upgrade"], False), ([b"http2-settings"], False), ([b"upgrade http2-settings"], False),
        ([b"upgrade;http2-settings"], False), ([b'"upgrade", http2-settings'], False),
    ],
)  # fmt: skip
def test_connection_must_name_both(connection: list[bytes], counts: bool) -> None:
    assert (upgrade_settings(connection, [(b"http2-settings", CURL)]) is not None) == counts


@pytest.mark.parametrize("values", [[], [CURL, CURL], [CURL, b""], [CURL + b", " + CURL], [CURL + b" "]])
def test_the_settings_must_be_there_once(values: list[bytes]) -> None:
    assert upgrade_settings(BOTH, [(b"http2-settings", value) for value in values]) is None


@pytest.mark.parametrize(
    "value",
    [
        b"", CURL[:-1], CURL + b"=", CURL + b"AAA", CURL[:-1] + b"+", CURL[:-1] + b"/", CURL[:-1] + b"\n", b"A" * 7 + b"\xc3",
        b"AAA=AAAA", b"A" * 4, b"A" * 8 * 33,
        encode((2, 2)), encode((4, 2**31)), encode((5, 16_383)), encode((5, 2**24)), encode((8, 2)), encode((9, 7)),
        encode((3, 100), (4, 2**32 - 1)),
    ],
)  # fmt: skip
def test_settings_that_no_peer_may_send(value: bytes) -> None:
    assert parse_settings(value) is None


@given(st.lists(st.tuples(st.sampled_from([1, 3, 6, 10, 0xFFFF]), st.integers(0, 2**32 - 1)), min_size=1, max_size=32))
def test_all_other_settings_are_taken_as_they_are(entries: list[tuple[int, int]]) -> None:
    payload = parse_settings(encode(*entries))

    assert payload is not None
    assert [(int.from_bytes(payload[at : at + 2], "big"), int.from_bytes(payload[at + 2 : at + 6], "big"))
            for at in range(0, len(payload), 6)] == entries  # fmt: skip


@given(st.binary(max_size=64))
def test_anything_is_settings_or_none(value: bytes) -> None:
    payload = parse_settings(value)

    assert payload is None or base64.urlsafe_b64encode(payload) == value


def test_a_request_of_http2_has_no_fields_of_its_connection() -> None:
    request = Request()
    request.version = "1.1"
    kept = [(b"host", b"a"), (b"accept", b"*/*"), (b"te", b"trailers")]
    request.fields = [
        *kept[:2], (b"connection", BOTH[0]), (b"upgrade", b"h2c"), (b"keep-alive", b"1"), (b"te", b"gzip"), kept[2],
    ]  # fmt: skip

    to_http2(request)

    assert (request.version, request.fields) == ("2", kept)
