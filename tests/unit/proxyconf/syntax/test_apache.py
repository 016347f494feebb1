"""httpd.conf's quoting, read back by models of Apache's readers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyconf.syntax.apache import DOLLAR, escaped, formatted, pattern, quote, substitution
from proxyconf.syntax.words import Raw, Unquotable

NASTY = st.text(st.sampled_from([*"ab/ \\\"'`{}$#<@,;()[]%&|=*:~!^?1", "é", "\u00a0", "\u3000", "🙂"]), max_size=12)


def expanded(line: str) -> str:
    """Replace `${NAME}` as ap_resolve_env does; only ours is defined."""
    found = re.sub(r"\$\{([^}]*)\}", lambda name: "$" if name[1] == "DOLLAR" else f"<{name[1]} of the environment>", line)
    assert "of the environment" not in found
    return found


def lexed(word: str) -> str:
    """Read one word as ap_getword_conf does."""
    if word[0] not in "\"'":
        assert not any(char.isspace() for char in word)
        return word
    out, at = "", 1
    while word[at] != word[0]:
        if word[at] == "\\" and word[at + 1] in (word[0], "\\"):
            at += 1
        out += word[at]
        at += 1
    assert at == len(word) - 1
    return out


def split(line: str) -> list[str]:
    """Split a line as mod_rewrite does (parseargline): no quote is escaped, a space is."""
    words, at = [], 0
    while at < len(line):
        mark = line[at] if line[at] in "\"'" else ""
        at += len(mark)
        start = at
        while at < len(line) and not (line[at] == mark or (not mark and line[at] == " ")):
            at += 2 if line[at] == "\\" and line[at + 1 : at + 2] == " " else 1
        words.append(line[start:at])
        at += len(mark) + 1
    return words


def substituted(text: str) -> str:
    """Expand as do_expand does, without any back reference or variable but the one that is empty."""
    out, at = "", 0
    text = text.removesuffix("%{ENV:NOTHING}")
    while at < len(text):
        if text[at] == "\\" and at + 1 < len(text):
            at += 1
        else:
            assert text[at] not in "$%"
        out += text[at]
        at += 1
    return out


def formatted_back(text: str) -> str:
    """Read a value as mod_headers does (parse_format_string)."""
    out, at = "", 0
    while at < len(text):
        if text[at] == "%":
            assert text[at + 1] == "%"
            at += 1
        elif text[at] == "\\" and text[at + 1 : at + 2] == "\\":
            at += 1
        out += text[at]
        at += 1
    return out


@given(NASTY | st.text(max_size=20))
def test_a_word_is_read_back_or_refused(text: str) -> None:
    try:
        word = quote(text)
    except Unquotable:
        return
    assert lexed(expanded(word)) == text
    assert "\n" not in word


@given(NASTY)
def test_the_value_of_a_field_is_read_back(text: str) -> None:
    assert formatted_back(lexed(expanded(formatted(text)))) == text


@given(NASTY, NASTY)
def test_a_substitution_is_one_word_of_mod_rewrite(first: str, second: str) -> None:
    line = f"{substitution(Raw('/'), first)} {substitution(Raw('/'), second)} [L]"
    words = split(expanded(line))
    assert [substituted(word) for word in words] == [f"/{first}", f"/{second}", "[L]"]


@given(NASTY)
def test_a_pattern_matches_the_text_it_was_made_of(text: str) -> None:
    word, flags = split(expanded(f"{pattern(f'^{escaped(text)}$')} [L]"))
    assert flags == "[L]"
    assert re.fullmatch(word, text)


@pytest.mark.parametrize(
    ("text", "word"),
    [("/a.b", "/a.b"), ("", '""'), ("a b", '"a b"'), ("$x", '"${DOLLAR}x"'), ("#", '"#"'), ("-", '"-"'), ('a"\\', '"a\\"\\\\"'),
     ("\\d", '"\\d"'), ("\\\\", '"\\\\\\\\"')],
)  # fmt: skip
def test_words(text: str, word: str) -> None:
    assert quote(text) == word


def test_an_expression_keeps_its_dollar_and_loses_its_quotes() -> None:
    assert pattern(r'^/a\.b"[\"]$') == r'"^/a\.b\x22[\x22]$"'
    assert pattern("^/a${b}") == f'"^/a{DOLLAR}{{b}}"'


def test_a_variable_of_ours_passes() -> None:
    assert substitution(Raw("balancer://app"), "/a b", Raw("$1%{ENV:TARGET}")) == r"balancer://app/a\ b$1%{ENV:TARGET}"


@pytest.mark.parametrize("text", ["a\nb", "\x00", "a\x7f", "\u2028", "\ud800", "\x85", "\t"])
def test_what_cannot_be_written_is_refused(text: str) -> None:
    for write in (quote, formatted, substitution, pattern):
        with pytest.raises(Unquotable):
            write(text)
