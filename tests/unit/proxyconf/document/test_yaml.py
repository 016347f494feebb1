"""Strict YAML: what is read, what is refused and where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxyconf.document.yaml import MAX_BYTES, MAX_DEPTH, parse


def read(text: str, **variables: str) -> object:
    document = parse("f.yaml", text.encode(), variables)
    assert not document.findings, document.findings
    return document.data


def said(text: str | bytes, **variables: str) -> list[tuple[int, int, str]]:
    document = parse("f.yaml", text if isinstance(text, bytes) else text.encode(), variables)
    return [(*document.find(finding), finding.message) for finding in document.findings]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"), ("yes", "yes"), ("on", "on"), ("Off", "Off"), ("true", True), ("FALSE", False), ("tRue", "tRue"),
        ("22:22", "22:22"), ("0440", "0440"), ("0o17", "0o17"), ("0x1F", "0x1F"), ("1_000", "1_000"),
        ("12", 12), ("-3", -3), ("0", 0), ("1.5", 1.5), ("1.5e3", 1500.0), (".5", ".5"), (".inf", ".inf"),
        ("9" * 30, "9" * 30), ("2026-01-01", "2026-01-01"), ("'12'", "12"), ('"a\\tb"', None), ("=", "="), ("<<", "<<"),
    ],
)  # fmt: skip
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    if value is None:
        assert said(f"a: {text}") == [(1, 4, "a control character in a value; remove it")]
    else:
        assert read(f"a: {text}") == {"a": value}


def test_anchors_and_aliases() -> None:
    assert read("a: &x {b: 1}\nc: *x\n") == {"a": {"b": 1}, "c": {"b": 1}}


def test_aliases_are_bounded() -> None:
    bomb = "a0: &a0 [1,1,1,1,1,1,1,1]\n" + "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]\n" for i in range(1, 12)
    )
    [(_, _, message)] = said(bomb)
    assert "aliases unfolded" in message


@pytest.mark.parametrize("depth", [MAX_DEPTH + 5, 5_000])
def test_depth_is_bounded(depth: int) -> None:
    assert "nested too deeply" in said("[" * depth + "]" * depth)[0][2]


def test_size_is_bounded() -> None:
    assert "small" in said(b" " * (MAX_BYTES + 1))[0][2]


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("", 1, 1, "the file is empty"),
        ("a: 1\nb: 2\na: 3", 3, 1, "duplicate key 'a'; it stands in line 1"),
        ("a:\n  - &x [*x]", 2, 5, "an alias that holds itself"),
        ("a: [1", 1, 6, "the closing bracket is missing"),
        ('a: "b\nc: 1\n', 1, 4, "a quote that is opened here is never closed"),
        ("a: [*.b]", 1, 5, "a value that begins with * or & needs quotes"),
        ("a: b: c", 1, 5, "needs quotes"),
        ("a: 1\n\tb: 2", 2, 1, "a tab; indent by spaces"),
        ("a: 1\n---\nb: 2", 2, 1, "one site per file"),
        ("a: !!python/name:os.system x", 1, 4, "the tag"),
        ("a: !x {b: 1}", 1, 4, "the tag"),
        ("a: !x [b]", 1, 4, "the tag"),
        ("a: !!int x", 1, 4, "not a number"),
        ("1: a", 1, 1, "a key is text"),
        ("? [a]\n: b", 1, 3, "a key is text"),
        ('"a\\nb": 1', 1, 1, "a control character in a key"),
        ('a: "\\ud800"', 1, 4, "a control character"),
        ('a: "\\UFFFFFFFF"', 1, 7, "cannot be read"),
        ("a: \x07", 1, 4, "a character that YAML does not allow"),
        ("a:\nb: 1", 1, 3, "no value here"),
        ('a: "b\u2028c"', 1, 6, "a hidden line break"),
        ("a: ~", 1, 4, "no value here"),
    ],
)
def test_errors_have_a_place_and_a_way_out(text: str, line: int, column: int, words: str) -> None:
    [(found_line, found_column, message)] = said(text)
    assert (found_line, found_column) == (line, column)
    assert words in message


def test_bytes_that_are_not_utf_8_have_a_place() -> None:
    assert said("é: 1\nb: ".encode() + b"\xff") == [(2, 4, "not UTF-8; save the file as UTF-8")]


def test_all_errors_come_at_once() -> None:
    assert [line for line, _, _ in said("a: ${A}\nb:\nb: 1\n${c}: 1\n")] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a${X}b", "axb"), ("'${X}${X}'", "xx"), ("${N}", 8443), ("'${N}'", "8443"), ("p:${N}", "p:8443"),
        ("$${X}", "${X}"), ("$X", "$X"), ("${LIST}", "[a, b]"), ("${MAP}", "{a: 1}"), ("${AGAIN}", "${X}"), ("${BOOL}", True),
    ],
)  # fmt: skip
def test_variables_are_values_and_never_structure(text: str, value: object) -> None:
    assert read(f"a: {text}", X="x", N="8443", LIST="[a, b]", MAP="{a: 1}", AGAIN="${X}", BOOL="true") == {"a": value}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: ${HTTP_PROT}", "${HTTP_PROT} has no value; give one with --set HTTP_PROT=VALUE or in the environment; did you mean 'HTTP_PORT'?"),
        ("a: ${}", "not a variable: '${}'"), ("a: ${a b}", "not a variable"), ("a: x${Y", "not a variable: '${Y'"),
        ("a: ${EVIL}", "a control character in a value"), ('"${HTTP_PORT}": 1', "in values only"),
    ],
)  # fmt: skip
def test_variables_that_cannot_be_replaced(text: str, words: str) -> None:
    [(line, _, message)] = said(text, HTTP_PORT="1", EVIL="a\nb: 1")
    assert line == 1
    assert words in message


PIECES = st.sampled_from(
    [*"ab:-[]{}#&*!|>'\"%@`,?~$\\ \n\t", "- ", ": ", "? ", "<<", "&a ", "*a", "!!", "---\n", "${X}", "\\U", "é"]
)


@given(st.lists(PIECES, max_size=60).map("".join) | st.text(max_size=80))
def test_no_text_is_a_traceback(text: str) -> None:
    document = parse("f.yaml", text.encode("utf-8", "surrogatepass"), {"X": "x"})
    for finding in document.findings:
        assert document.find(finding) >= (1, 1)
        assert finding.message.isprintable()


@given(st.binary(max_size=80))
def test_no_bytes_are_a_traceback(raw: bytes) -> None:
    parse("f.yaml", raw, {})
