"""HAProxy's quoting, read back by a model of its two readers: words, and log-formats."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyconf.syntax.haproxy import body, formatted, pattern, quote
from proxyconf.syntax.words import Raw, Unquotable

NASTY = st.text(st.sampled_from([*"ab/ \\\"'`{}$#<@,;()[]%&|=*:~!-n\n\r\t", "é", "\u00a0", "🙂"]), max_size=12)
ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def read_back(word: str) -> str:
    """Read one word as HAProxy's line reader does; no variable may be left to the environment."""
    text, at, quoted = "", 0, ""
    while at < len(word):
        char = word[at]
        if quoted == "'" and char != "'":
            text += char
        elif char in "'\"" and quoted in ("", char):
            quoted = "" if quoted else char
        elif char == "\\":
            at += 1
            known = word[at] in "nrt\\\"'$ #"
            text += ESCAPES.get(word[at], word[at]) if known else f"\\{word[at]}"
        else:
            assert not (char == "$" and quoted == '"'), "a variable"
            assert quoted or not char.isspace(), "a second word"
            assert quoted or char not in "#", "a comment"
            text += char
        at += 1
    assert not quoted
    return text


@given(NASTY | st.text(max_size=20))
def test_a_word_is_read_back_or_refused(text: str) -> None:
    try:
        word = quote(text)
    except Unquotable:
        return
    assert read_back(word) == text
    assert "\n" not in word


@given(NASTY | st.text(max_size=20))
def test_a_log_format_says_the_text_and_expands_nothing_of_it(text: str) -> None:
    try:
        word = read_back(formatted(text, Raw("%[src]")))
    except Unquotable:
        return
    assert word.endswith("%[src]")
    said = word.removesuffix("%[src]")
    assert not re.search(r"(?<!%)(%%)*%(?!%)", said)
    assert said.replace("%%", "%") == text


@given(NASTY | st.text(max_size=20))
def test_a_body_is_read_back_with_its_lines_or_refused(text: str) -> None:
    try:
        word = body(text)
    except Unquotable:
        return
    assert read_back(word) == text
    assert "\n" not in word


@given(NASTY, NASTY)
def test_a_pattern_matches_its_text_alone(text: str, other: str) -> None:
    assert re.fullmatch(pattern(text), text)
    assert bool(re.fullmatch(pattern(text), other)) == (text == other)


@pytest.mark.parametrize(
    ("text", "word"),
    [("/etc/shop.pem", "/etc/shop.pem"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$HOME", "'$HOME'"), ("#x", "'#x'")],
)
def test_words(text: str, word: str) -> None:
    assert quote(text) == word


@pytest.mark.parametrize("text", ["a\nb", "\x00", "a\x7f", "\u2028", "\ud800", "\x85"])
def test_what_cannot_be_written_is_refused(text: str) -> None:
    with pytest.raises(Unquotable):
        quote(text)
