"""Positions: the place of each key, in every way TOML has to write one."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.config.positions import Path, key_places

KEY_TOKEN = re.compile(r'[A-Za-z0-9_-]+|"(?:[^"\\]|\\.)*"|' r"'[^']*'")
MARK = "the-renamed-key"


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("[limit]\nrequest_fields = 3\n", ("limit", "request_fields"), (2, 1)),
        ("[limit]\n  request_fields=3", ("limit", "request_fields"), (2, 3)),
        ("[ limit ] # here\n", ("limit",), (1, 3)),
        ("limit.request_fields = 3", ("limit", "request_fields"), (1, 7)),
        ("limit . 'request_fields' = 3", ("limit", "request_fields"), (1, 9)),
        ('"li\\u006dit".x = 3', ("limit", "x"), (1, 14)),
        ("limit = {a = [1, {b = 2}], x = 3}", ("limit", "x"), (1, 28)),
        ("note = '''\n[limit]\nx = 1'''\n[limit]\nx = 2", ("limit", "x"), (5, 1)),
        ('note = """\\""" x = 1\n"""""\nx = 2', ("x",), (3, 1)),
        ("a = [ # x = 1\n 'x = 2', \n]\nx = 3", ("x",), (4, 1)),
        ("a = 1979-05-27 07:32:00 # x = 2\nx = 3", ("x",), (2, 1)),
        ("# x = 1\n\n\tx = 2", ("x",), (3, 2)),
    ],
)
def test_places(text: str, path: Path, place: tuple[int, int]) -> None:
    tomllib.loads(text)

    assert key_places(text)[path] == place


def test_tables_in_arrays_are_numbered() -> None:
    text = "[[a]]\nx = [{y = 1}]\n[[a]]\n x = 2\n[a.b]\nz = 3\n[[a.c]]\n[[a.c]]\nz = 4\n"

    assert key_places(text) == {
        ("a",): (1, 3), ("a", 0): (1, 1), ("a", 0, "x"): (2, 1), ("a", 0, "x", 0): (2, 6), ("a", 0, "x", 0, "y"): (2, 7),
        ("a", 1): (3, 1), ("a", 1, "x"): (4, 2), ("a", 1, "b"): (5, 4), ("a", 1, "b", "z"): (6, 1),
        ("a", 1, "c"): (7, 5), ("a", 1, "c", 0): (7, 1), ("a", 1, "c", 1): (8, 1), ("a", 1, "c", 1, "z"): (9, 1),
    }  # fmt: skip


# A document as text, made from nested dicts in every style; noise looks like keys and is not.

NAMES = st.sampled_from(["limit", "bind", "x", "x-y", "a b", "a.b", "=", "é", "", 'q"', "1"])
NOISE = ['"limit = 1"', "'[x]'", '"""\nx = 1\n[limit]\n"""', "'''\nbind=''\n'''", "[1, 'x = 2', {x = 3}]", "1_0"]
SPACE = st.sampled_from(["", " ", "\t"])
GAP = st.sampled_from(["", "\n", "# x = 1\n", "  \n# [limit]\n"])


@st.composite
def key_tokens(draw: st.DrawFn, name: str) -> str:
    styles = ['"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"']
    if re.fullmatch(r"[A-Za-z0-9_-]+", name):
        styles.append(name)
    if "'" not in name:
        styles.append(f"'{name}'")
    return draw(SPACE) + draw(st.sampled_from(styles)) + draw(SPACE)


@st.composite
def values(draw: st.DrawFn, depth: int) -> str:
    if depth and draw(st.booleans()):
        names = draw(st.lists(NAMES, unique=True, max_size=3))
        return "{" + ",".join([draw(key_tokens(name)) + "=" + draw(values(depth - 1)) for name in names]) + "}"
    return " " + draw(st.sampled_from(NOISE)) + draw(SPACE)


@st.composite
def documents(draw: st.DrawFn) -> str:
    text = ""
    for name in draw(st.lists(NAMES, unique=True, max_size=4)):
        text += draw(GAP) + draw(key_tokens(name)) + "=" + draw(values(2)) + "\n"
    for header in draw(st.lists(NAMES.map(lambda name: "t" + name), unique=True, max_size=3)):
        dots = draw(st.lists(NAMES, max_size=1))
        text += draw(GAP) + "[" + ".".join([draw(key_tokens(part)) for part in [header, *dots]]) + "]\n"
        for name in draw(st.lists(NAMES, unique=True, max_size=3)):
            text += draw(GAP) + draw(key_tokens(name)) + "=" + draw(values(1)) + "\n"
    return text


def rename(text: str, place: tuple[int, int]) -> str:
    """Replace the key that stands at a place."""
    line, column = place
    start = sum(len(part) + 1 for part in text.split("\n")[: line - 1]) + column - 1
    token = KEY_TOKEN.match(text, start)
    assert token is not None, "no key stands there"
    return text[:start] + MARK + text[token.end() :]


def paths(table: dict[str, Any], above: Path = ()) -> set[Path]:
    found: set[Path] = set()
    for name, value in table.items():
        found |= {(*above, name)} | below(value, (*above, name))
    return found


def below(value: object, path: Path) -> set[Path]:
    if isinstance(value, dict):
        return paths(value, path)
    if not isinstance(value, list):
        return set()
    tables = {(*path, index) for index, item in enumerate(value) if isinstance(item, dict)}
    return tables.union(*(below(item, (*path, index)) for index, item in enumerate(value)))


@given(documents())
def test_every_key_has_a_place_and_never_another_key_s(text: str) -> None:
    known = paths(tomllib.loads(text))

    places = key_places(text)

    assert set(places) == known
    for path, place in places.items():
        if isinstance(path[-1], int):
            continue  # where a table begins, and no key
        renamed = paths(tomllib.loads(rename(text, place)))
        assert (*path[:-1], MARK) in renamed
        assert path not in renamed


@given(st.text(alphabet="[]{}=.,#'\"\\ab1 \n", max_size=40))
def test_any_document_that_tomllib_takes_is_walked_to_its_end(text: str) -> None:
    try:
        known = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return

    assert {path[0] for path in key_places(text)} == set(known)
