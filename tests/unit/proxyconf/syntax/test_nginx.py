"""nginx.conf's quoting, read back by a model of nginx's two readers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyconf.syntax.nginx import DOLLAR, body, joined, literal, pattern, quote
from proxyconf.syntax.words import Raw, Unquotable

NASTY = st.text(st.sampled_from([*"ab/ \\\"'`{}$#<@,;()[]%&|=*:~!^?", "é", "\u00a0", "\u3000", "🙂"]), max_size=12)
ESCAPES = {'"': '"', "'": "'", "\\": "\\", "t": "\t", "r": "\r", "n": "\n"}


def lexed(word: str) -> str:
    """Read one word as nginx's lexer does (ngx_conf_read_token)."""
    if word[0] != '"':
        assert not any(char.isspace() or char in ";{}\"'\\#$" for char in word)
        return word
    out, at = "", 1
    while word[at] != '"':
        if word[at] == "\\" and word[at + 1] in ESCAPES:
            out += ESCAPES[word[at + 1]]
            at += 2
        else:
            out += word[at]
            at += 1
    assert at == len(word) - 1
    return out


def expanded(text: str) -> str:
    """Expand variables; only ours is there."""
    out = text.replace(DOLLAR, "\0")
    assert "$" not in out
    return out.replace("\0", "$")


@given(NASTY | st.text(max_size=20))
def test_a_word_is_read_back_or_refused(text: str) -> None:
    try:
        words = (quote(text), literal(text))
    except Unquotable:
        return
    assert expanded(lexed(words[0])) == text
    assert lexed(words[1]) == text
    assert not any("\n" in word for word in words)


@given(NASTY)
def test_a_text_joined_with_a_variable_is_one_word(text: str) -> None:
    word = joined(f"/{text}", Raw("$uri"))
    assert word.endswith(("$uri", '$uri"'))
    assert expanded(lexed(word.replace("$uri", "URI"))) == f"/{text}URI"


@given(st.text(st.sampled_from([*"ab\"\\$;{}", "\n", "\t", "é"]), max_size=20))
def test_a_text_with_line_breaks_is_one_word_on_one_line(text: str) -> None:
    word = body(text)
    assert "\n" not in word
    assert expanded(lexed(word)) == text


@pytest.mark.parametrize(
    ("text", "word"),
    [("/a.b", "/a.b"), ("", '""'), ("a b", '"a b"'), ("$x", '"${dollar}x"'), ("#", '"#"'), ("a;", '"a;"'), ('\\"', '"\\\\\\""')],
)
def test_words(text: str, word: str) -> None:
    assert quote(text) == word


def test_an_expression_keeps_its_dollar() -> None:
    assert pattern(r"^/a\.b$") == '"^/a\\\\.b$"'


@pytest.mark.parametrize("text", ["a\nb", "\x00", "a\x7f", "\u2028", "\ud800", "\x85", "x" * 5000])
def test_what_cannot_be_written_is_refused(text: str) -> None:
    with pytest.raises(Unquotable):
        quote(text)
