"""The judge of response heads: a table, and that nothing gets past it that could split or misframe a response."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import appserver.http.reply
from appserver.errors import InvalidMessage
from appserver.http.grammar import is_token
from tests.support.plain import plain

MODULES = {"built": appserver.http.reply, "plain": plain("appserver.http.reply")}
BUILDS = st.sampled_from(list(MODULES.values()))


@pytest.fixture(params=MODULES)
def reply(request: pytest.FixtureRequest) -> Any:
    return MODULES[request.param].Reply()


def judged(reply: Any, fields: Iterable[Any], h2: bool = True) -> list[tuple[bytes, bytes]]:
    reply.judge(fields, h2)
    result: list[tuple[bytes, bytes]] = reply.fields
    return result


PASSED = [
    ([], []),
    ([(b"x", b"y")], [(b"x", b"y")]),
    ([[b"x", b"y"]], [(b"x", b"y")]),
    (((b"x", b"y") for _ in range(2)), [(b"x", b"y"), (b"x", b"y")]),
    ([(b"X-Upper", b"Kept As It Is")], [(b"x-upper", b"Kept As It Is")]),
    ([(bytearray(b"A"), memoryview(b"b"))], [(b"a", b"b")]),
    ([(b"set-cookie", b"a"), (b"set-cookie", b"b")], [(b"set-cookie", b"a"), (b"set-cookie", b"b")]),
    ([(b"x", b"")], [(b"x", b"")]),
    ([(b"x", b"a\tb c")], [(b"x", b"a\tb c")]),
    ([(b"x", b" \ta b\t ")], [(b"x", b"a b")]),
    ([(b"x", b" ")], [(b"x", b"")]),
    ([(b"x", b"caf\xe9 \xff")], [(b"x", b"caf\xe9 \xff")]),
    ([(b"!#$%&'*+-.^_`|~09az", b"y")], [(b"!#$%&'*+-.^_`|~09az", b"y")]),
    ([(b"trailer", b"x"), (b"te", b"trailers")], [(b"trailer", b"x"), (b"te", b"trailers")]),
]


@pytest.mark.parametrize(("fields", "expected"), PASSED)
def test_what_is_passed_on(fields: Any, expected: Any) -> None:
    fields = list(fields)  # a generator serves once
    for module in MODULES.values():
        for h2 in (True, False):
            assert judged(module.Reply(), fields, h2) == expected


def test_a_field_that_is_fine_is_passed_on_as_it_is(reply: Any) -> None:
    fields = [(b"x", b"y"), (b"content-length", b"3")]

    assert all(out is given for out, given in zip(judged(reply, fields), fields, strict=True))


CONTROLS = [bytes([byte]) for byte in [*range(9), *range(10, 32), 127]]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("where", ["%c", "a%c", "%ca", "a%cb"])
def test_no_control_character_in_a_value(reply: Any, control: bytes, where: str) -> None:
    value = where.encode().replace(b"%c", control)
    with pytest.raises(InvalidMessage, match="a control character in the value of response field b'x'"):
        judged(reply, [(b"x", value)])


@pytest.mark.parametrize(
    "name",
    [b"", b" ", b"a b", b"a:", b":status", b":", b"a\r\nb", b"a\0", b"a\x7f", b"\xe9", b"A\xc9", b"a/b", b"a,b", b'"a"', b"(a)"],
)
def test_a_name_is_a_token(reply: Any, name: bytes) -> None:
    with pytest.raises(InvalidMessage, match="a response field name that is no token"):
        judged(reply, [(name, b"x")])


@pytest.mark.parametrize(
    "field", [("x", "y"), (b"x", "y"), ("x", b"y"), (b"x", None), (b"x", 1), (None, b"y"), "ab", b"ab", (b"x", [b"y"])]
)
def test_fields_are_bytes(reply: Any, field: Any) -> None:
    with pytest.raises(InvalidMessage, match="response fields are pairs of bytes"):
        judged(reply, [field])


@pytest.mark.parametrize("field", [(), (b"x",), (b"x", b"y", b"z"), None, 7, b"x"])
def test_fields_are_pairs(reply: Any, field: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        judged(reply, [field])


# Content-Length


@pytest.mark.parametrize(
    ("value", "length"),
    [(b"0", 0), (b"1", 1), (b"007", 7), (b"123456789012345678", 123456789012345678), (b" 42 ", 42)],
)
def test_a_length(reply: Any, value: bytes, length: int) -> None:
    assert judged(reply, [(b"Content-Length", value)]) == [(b"content-length", value.strip())]
    assert reply.length == length


@pytest.mark.parametrize(
    "value", [b"", b"-1", b"+1", b"1.0", b"0x1", b"1 2", b"1,1", b"1_0", b"\xb2", b"1234567890123456789", b"9" * 99]
)
def test_what_is_no_length(reply: Any, value: bytes) -> None:
    with pytest.raises(InvalidMessage, match="content-length is no number"):
        judged(reply, [(b"content-length", value)])


def test_the_same_length_twice_is_one(reply: Any) -> None:
    fields = [(b"content-length", b"5"), (b"x", b"y"), (b"content-length", b"5")]

    assert judged(reply, fields) == fields[:2]
    assert reply.length == 5


def test_two_lengths_are_a_lie(reply: Any) -> None:
    with pytest.raises(InvalidMessage, match="two different content-lengths: 5 and 6"):
        judged(reply, [(b"content-length", b"5"), (b"content-length", b"6")])


# What is ours


@pytest.mark.parametrize("name", [b"transfer-encoding", b"keep-alive", b"proxy-connection", b"upgrade", b"Upgrade"])
@pytest.mark.parametrize("h2", [True, False])
def test_framing_is_ours(reply: Any, name: bytes, h2: bool) -> None:
    assert judged(reply, [(name, b"chunked"), (b"x", b"y")], h2) == [(b"x", b"y")]


def test_connection_is_for_http_1(reply: Any) -> None:
    assert judged(reply, [(b"connection", b"close")], False) == [(b"connection", b"close")]
    assert judged(reply, [(b"connection", b"close")], True) == []


@pytest.mark.parametrize("h2", [True, False])
def test_date_and_server_are_noticed(reply: Any, h2: bool) -> None:
    assert judged(reply, [(b"Date", b"x"), (b"SERVER", b"y")], h2) == [(b"date", b"x"), (b"server", b"y")]
    assert (reply.has_date, reply.has_server) == (True, True)


def test_nothing_is_left_of_the_response_before(reply: Any) -> None:
    judged(reply, [(b"date", b"x"), (b"server", b"y"), (b"content-length", b"5")])

    assert judged(reply, []) == []
    assert (reply.has_date, reply.has_server, reply.length) == (False, False, -1)


@pytest.mark.parametrize(
    ("status", "head", "expected"),
    [(200, False, True), (200, True, False), (204, False, False), (304, False, False), (304, True, False),
     (103, False, False), (199, False, False), (205, False, False), (404, False, True), (999, False, True)],
)  # fmt: skip
def test_which_responses_have_a_body(status: int, head: bool, expected: bool) -> None:
    for module in MODULES.values():
        assert bool(module.has_body(status, head)) is expected


# Heads that repeat

CONSTANTS = ((b"content-type", b"text/plain"), (b"content-length", b"2"), (b"connection", b"close"), (b"date", b"x"))


def test_a_head_that_repeats_is_judged_as_the_first_one(reply: Any) -> None:
    for _ in range(4):
        assert judged(reply, list(CONSTANTS)) == [CONSTANTS[0], CONSTANTS[1], CONSTANTS[3]]
        assert (reply.length, reply.has_date, reply.has_server) == (2, True, False)
        reply.fields.append((b"server", b"added by the caller"))
    assert judged(reply, list(CONSTANTS), h2=False) == list(CONSTANTS)
    assert judged(reply, [*CONSTANTS[:3], (b"server", b"x")]) == [CONSTANTS[0], CONSTANTS[1], (b"server", b"x")]
    assert (reply.length, reply.has_date, reply.has_server) == (2, False, True)
    assert judged(reply, list(CONSTANTS[:2])) == list(CONSTANTS[:2])


def test_a_priority_is_noticed_in_heads_that_repeat_too(reply: Any) -> None:
    repeated = [(b"priority", b"u=1"), (b"x-type", b"text/plain")]
    for _ in range(4):
        assert judged(reply, list(repeated)) == repeated
        assert reply.priority == b"u=1"
    assert judged(reply, [(b"Priority", b"u=1"), (b"priority", b"i")]) == [(b"priority", b"u=1"), (b"priority", b"i")]
    assert reply.priority == b"u=1, i"
    judged(reply, [])
    assert reply.priority is None


def test_a_wrong_field_is_found_behind_known_ones(reply: Any) -> None:
    for _ in range(3):
        judged(reply, list(CONSTANTS))
    with pytest.raises(InvalidMessage):
        judged(reply, [*CONSTANTS[:3], (b"x", b"\n")])
    assert judged(reply, list(CONSTANTS)) == [CONSTANTS[0], CONSTANTS[1], CONSTANTS[3]]


@pytest.mark.parametrize(
    "field",
    [(b"set-cookie", b"a=1"), (b"authorization", b"x"), (b"x", b"v" * 2_000)],
    ids=["a cookie", "a credential", "a long value"],
)
def test_what_is_secret_or_long_is_not_kept(field: tuple[bytes, bytes]) -> None:
    module = MODULES["plain"]  # whose attributes can be seen
    reply = module.Reply()
    for fields in ([CONSTANTS[0], field], [field, CONSTANTS[0]]):
        for _ in range(3):
            judged(reply, fields)
    reply.fields = []
    kept = [getattr(reply, name) for name in module.Reply.__slots__]
    assert field not in [item for items in kept if isinstance(items, list) for item in items]
    assert field[0] == b"x" or field not in kept


# Trailers


@pytest.mark.parametrize("name", [b"content-length", b"Content-Type", b"set-cookie", b"trailer", b"host", b"www-authenticate"])
def test_trailers_do_not_frame_or_describe_what_came_before(reply: Any, name: bytes) -> None:
    with pytest.raises(InvalidMessage, match=rf"{name.lower().decode()} in trailers"):
        reply.judge_trailers([(b"grpc-status", b"0"), (name, b"5")])


def test_trailers_lose_what_is_ours(reply: Any) -> None:
    reply.judge_trailers([(b"Grpc-Status", b"0"), (b"connection", b"close"), (b"transfer-encoding", b"x"), (b"etag", b'"1"')])
    assert reply.fields == [(b"grpc-status", b"0"), (b"etag", b'"1"')]


# Whatever an application sends

NAMES = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b"content-length", b"Date", b"connection", b"Transfer-Encoding", b"x", b"X-Y", b":path"]),
)
VALUES = st.one_of(st.binary(max_size=8), st.integers(-1, 10**20).map(lambda number: b"%d" % number))
ANYTHING = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.binary(max_size=3))
FIELDS = st.lists(
    st.one_of(st.tuples(NAMES, VALUES), st.lists(NAMES, max_size=3), st.tuples(ANYTHING, ANYTHING), ANYTHING), max_size=5
)


@given(module=BUILDS, fields=st.lists(st.tuples(NAMES, VALUES), max_size=4) | FIELDS, h2=st.booleans())
@example(module=MODULES["built"], fields=[(b"a\r\nb", b"c")], h2=True)
@example(module=MODULES["built"], fields=[(b"a", b"b\r\n\r\nHTTP/1.1 200 OK")], h2=False)
def test_nothing_that_is_judged_can_split_a_response(module: Any, fields: Any, h2: bool) -> None:
    reply = module.Reply()
    try:
        out = judged(reply, fields, h2)
    except (InvalidMessage, TypeError, ValueError):
        return
    for name, value in out:
        assert type(name) is type(value) is bytes
        assert is_token(name)
        assert name == name.lower()
        assert not set(value) & {*range(9), *range(10, 32), 127}
        assert value == value.strip(b" \t")
    names = [name for name, _ in out]
    assert names.count(b"content-length") == (reply.length >= 0)
    assert not {b"transfer-encoding", b"keep-alive", b"proxy-connection", b"upgrade"} & set(names)
    assert not h2 or b"connection" not in names


@given(fields=FIELDS, h2=st.booleans())
def test_both_builds_judge_alike(fields: Any, h2: bool) -> None:
    verdicts: list[object] = []
    for module in MODULES.values():
        reply = module.Reply()
        try:
            first = (judged(reply, fields, h2), reply.length, reply.has_date, reply.has_server)
            for _ in range(3):
                assert (judged(reply, fields, h2), reply.length, reply.has_date, reply.has_server) == first
            verdicts.append(first)
        except (InvalidMessage, TypeError, ValueError) as error:
            verdicts.append((type(error), str(error) if isinstance(error, InvalidMessage) else ""))
    assert verdicts[0] == verdicts[1]
