"""The Caddyfile's quoting, read back by a model of Caddy's three readers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyconf.syntax.caddyfile import joined, multiline, quote
from proxyconf.syntax.words import Raw, Unquotable

NASTY = st.text(st.sampled_from([*"ab/ \\\"'`{}$#<@,;()[]%&|=*:~!", "é", "\u00a0", "\u3000", "🙂"]), max_size=12)


def read_back(word: str) -> str:
    """Read one word as Caddy's lexer, then its replacer, do; the environment was replaced before."""
    assert "{$" not in word
    if word[0] == "`":
        assert word[-1] == "`"
        assert "`" not in word[1:-1]
        text = word[1:-1]
    elif word[0] == '"':
        text, rest = double_quoted(word[1:])
        assert rest == ""
    else:
        assert not any(c.isspace() or c in '\\{}`"#' for c in word)
        text = word
    return replaced(text)


def double_quoted(rest: str) -> tuple[str, str]:
    text, at = "", 0
    while rest[at] != '"':
        if rest[at] == "\\":
            text += rest[at + 1] if rest[at + 1] == '"' else rest[at : at + 2]
            at += 2
        else:
            text += rest[at]
            at += 1
    return text, rest[at + 1 :]


def replaced(text: str) -> str:
    out = ""
    for at, char in enumerate(text):
        if char in "{}":
            assert text[at - 1] == "\\", f"a placeholder in {text!r}"
            out = out[:-1]
        out += char
    return out


@given(NASTY | st.text(max_size=20))
def test_a_word_is_read_back_or_refused(text: str) -> None:
    try:
        word = quote(text)
    except Unquotable:
        return
    assert read_back(word) == text
    assert "\n" not in word


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("/etc/shop.pem", "/etc/shop.pem"), ("", "``"), ("a b", "`a b`"), ("{host}", "`\\{host\\}`"), ("#x", "`#x`"),
        ("<<EOF", "`<<EOF`"), ("@x", "`@x`"), ("a`b", '"a`b"'), ('`"', '"`\\""'), ("a\\", "`a\\`"), ("`\\x", '"`\\x"'),
    ],
)  # fmt: skip
def test_words(text: str, word: str) -> None:
    assert quote(text) == word


@pytest.mark.parametrize(
    "text", ["{$HOME}", "a{$", "`\\", '`\\"', "`\\\\x", "a\nb", "\x00", "a\x7f", "\u2028", "\ud800", "\x85"]
)
def test_what_cannot_be_written_is_refused(text: str) -> None:
    with pytest.raises(Unquotable):
        quote(text)


@given(NASTY | st.text(max_size=20))
def test_a_text_joined_with_a_placeholder_is_one_word(text: str) -> None:
    try:
        word = joined(text, Raw("{uri}"))
    except Unquotable:
        return
    assert word.endswith(("{uri}", "{uri}`", '{uri}"'))
    assert read_back(word.replace("{uri}", "URI")) == f"{text}URI"


def test_a_text_with_line_breaks_is_a_heredoc() -> None:
    assert multiline("one") == "one"
    assert multiline("a {b}\nEND\n") == "<<END1\na \\{b\\}\nEND\n\nEND1"
