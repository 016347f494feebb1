"""Values: what each type and unit accepts, and that nothing else gets through."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.config.catalog import OPTIONS, Option
from appserver.config.values import BadValue, from_text, from_texts, from_toml, quoted, spell

SECONDS = OPTIONS["timeout.keep_alive"]
BYTES = OPTIONS["limit.request_body"]
COUNT = OPTIONS["server.backlog"]
SWITCH = OPTIONS["server.http1"]
CHOICE = OPTIONS["server.loop"]
TEXT = OPTIONS["server.root_path"]
LIST = OPTIONS["server.bind"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("1.5", 1.5), ("30s", 30), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("0.5M", 30), ("30 s", 30)],
)
def test_seconds(text: str, seconds: float) -> None:
    assert from_text(SECONDS, text) == seconds


@pytest.mark.parametrize(
    "text", ["", "s", "1h30m", "nan", "inf", "-1", "+1", "1e3", "1d", "1_000", ".5", "5.", "٣", "1\n", "9" * 400]
)
def test_not_seconds(text: str) -> None:
    with pytest.raises(BadValue, match="not a duration"):
        from_text(SECONDS, text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1024", 1024), ("7B", 7), ("64KiB", 65_536), ("1MiB", 1_048_576), ("2 GiB", 2 << 30),
        ("1kB", 1_000), ("1MB", 1_000_000), ("1gb", 10**9), ("1mib", 1_048_576),
    ],
)  # fmt: skip
def test_bytes(text: str, size: int) -> None:
    assert from_text(BYTES, text) == size


@pytest.mark.parametrize("text", ["", "1K", "1M", "1g", "1.5MiB", "-1", "0x10", "KiB", "1 000", "²", "9" * 5000])
def test_not_bytes(text: str) -> None:
    with pytest.raises(BadValue, match="not a size"):
        from_text(BYTES, text)


@pytest.mark.parametrize("text", ["", "x", "1.0", "1_0", "0x1", "٣", " 1", "9" * 5000])
def test_not_a_count(text: str) -> None:
    with pytest.raises(BadValue, match="not a whole number"):
        from_text(COUNT, text)


def test_bounds_are_inclusive_and_named_in_the_option_s_unit() -> None:
    assert from_text(COUNT, "65535") == 65_535
    with pytest.raises(BadValue, match="65536 is too big, the maximum is 65535"):
        from_text(COUNT, "65536")
    with pytest.raises(BadValue, match="-5 is too small, the minimum is 1"):
        from_text(COUNT, "-5")
    with pytest.raises(BadValue, match="the minimum is 100ms"):
        from_text(SECONDS, "0")
    with pytest.raises(BadValue, match="the maximum is 16MiB"):
        from_text(OPTIONS["limit.head_size"], "17MiB")


@pytest.mark.parametrize("text", ["true", "YES", "on", "1"])
def test_true(text: str) -> None:
    assert from_text(SWITCH, text) is True


@pytest.mark.parametrize("text", ["false", "No", "off", "0"])
def test_false(text: str) -> None:
    assert from_text(SWITCH, text) is False


@pytest.mark.parametrize("text", ["", "2", "maybe", "truth"])
def test_neither_true_nor_false(text: str) -> None:
    with pytest.raises(BadValue, match="is not true or false"):
        from_text(SWITCH, text)


def test_a_choice_is_taken_in_any_case_and_nothing_else() -> None:
    assert from_text(CHOICE, "UVLoop") == "uvloop"
    with pytest.raises(BadValue, match="'trio' is none of auto, uvloop, asyncio"):
        from_text(CHOICE, "trio")


@pytest.mark.parametrize("text", ["/a\x00", "/a\r\nb", "\x1b[1m", "\udcff"])
def test_text_without_control_characters_or_stray_bytes(text: str) -> None:
    with pytest.raises(BadValue, match="control characters or is not UTF-8"):
        from_text(TEXT, text)


def test_a_list_drops_empty_words_so_that_one_empty_word_means_none() -> None:
    assert from_texts(LIST, ["a:1", "", "b:2"]) == ("a:1", "b:2")
    assert from_texts(LIST, [""]) == ()


@pytest.mark.parametrize(
    ("option", "raw", "value"),
    [
        (COUNT, 5, 5), (SECONDS, 5, 5.0), (SECONDS, 1.5, 1.5), (SECONDS, "2m", 120.0), (BYTES, "1MiB", 1 << 20),
        (BYTES, 9, 9), (SWITCH, False, False), (TEXT, "/x", "/x"), (LIST, [], ()), (LIST, ["a:1"], ("a:1",)),
    ],
)  # fmt: skip
def test_toml(option: Option, raw: object, value: object) -> None:
    read = from_toml(option, raw)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("option", "raw"),
    [
        (COUNT, "5"), (COUNT, True), (COUNT, 5.0), (COUNT, [5]), (SECONDS, True), (SECONDS, math.inf),
        (SECONDS, math.nan), (SECONDS, [1]), (BYTES, 1.5), (BYTES, "1K"), (SWITCH, 1), (SWITCH, "true"), (TEXT, 5),
        (LIST, 1), (LIST, [1]), (LIST, [["a:1"]]), (TEXT, {}), (LIST, ["a\n"]),
    ],
)  # fmt: skip
def test_toml_of_another_type(option: Option, raw: object) -> None:
    with pytest.raises(BadValue):
        from_toml(option, raw)


def read_or_refusal(option: Option, text: str) -> object:
    try:
        return from_texts(option, [text]) if option.is_list else from_text(option, text)
    except BadValue as bad:
        return bad


@given(st.sampled_from(sorted(OPTIONS)), st.text() | st.from_regex(r"-?[0-9.]{1,25}( ?[a-zA-Z]{1,3})?", fullmatch=True))
def test_any_text_is_a_value_in_bounds_or_refused(key: str, text: str) -> None:
    option = OPTIONS[key]

    value = read_or_refusal(option, text)

    if isinstance(value, BadValue):
        assert str(value).isprintable()
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        assert option.low is None or value >= option.low
        assert option.high is None or value <= option.high
        assert math.isfinite(value)


@given(st.integers(0, 1 << 40))
def test_a_spelled_size_reads_back(size: int) -> None:
    assert from_text(BYTES, spell(BYTES, size)) == size


@given(st.integers(1, 31_536_000_000))
def test_a_spelled_duration_reads_back(milliseconds: int) -> None:
    seconds = max(0.1, milliseconds / 1000)

    read = from_text(SECONDS, spell(SECONDS, seconds))

    assert isinstance(read, float)
    assert math.isclose(read, seconds)


@pytest.mark.parametrize("option", [item for item in OPTIONS.values() if not item.is_list], ids=lambda item: item.key)
def test_every_default_is_a_value_of_its_option(option: Option) -> None:
    assert from_text(option, spell(option, option.default)) == option.default
    assert from_toml(option, option.default) == option.default


def test_a_quoted_value_is_short_and_printable() -> None:
    assert len(quoted("x" * 1000)) < 70
    assert quoted("\u202e\n") == "'\\u202e\\n'"
