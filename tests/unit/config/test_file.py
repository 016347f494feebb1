"""The TOML file: every fault says file:line:column and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.config.file import from_file, from_toml_text


def faults(text: str) -> list[str]:
    return from_toml_text(text, "a.toml").faults


def test_values_and_where_they_stand() -> None:
    layer = from_toml_text('[server]\nbind = [":1"]\n\n[limit]\n  head_size = "128KiB"\n', "a.toml")

    assert layer.faults == []
    assert layer.values == {"server.bind": (":1",), "limit.head_size": 131_072}
    assert layer.origins["limit.head_size"] == "a.toml:5:3 [limit] head_size"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[limits]", "a.toml:1:2 [limits]: no such option; did you mean [limit]?"),
        ("bind = 3", "a.toml:1:1 [bind]: no such option; did you mean [server] bind?"),
        ("[zzz]", "a.toml:1:2 [zzz]: no such option; see appserver --help"),
        ("limit = 3", "a.toml:1:1 [limit]: is a section; write [limit] and its options below"),
        ("[[limit]]", "a.toml:1:3 [limit]: is a section; write [limit] and its options below"),
        ("[limit]\nhead = 1", "a.toml:2:1 [limit] head: no such option; did you mean [limit] head_size?"),
        ("[limit]\nhead_sz = 1", "a.toml:2:1 [limit] head_sz: no such option; did you mean [limit] head_size?"),
        ("[server]\nhead_size = 1", "a.toml:2:1 [server] head_size: no such option; did you mean [limit] head_size?"),
        ("[limit]\nqq = 1", "a.toml:2:1 [limit] qq: no such option; see appserver --help"),
        ("[server]\nhttp1 = 1", "a.toml:2:1 [server] http1: 1 is not true or false"),
        ("server.backlog = 0", "a.toml:1:8 [server] backlog: 0 is too small, the minimum is 1"),
        ("[server]\nbind = 1", "a.toml:2:1 [server] bind: 1 is not a string or an array of strings"),
        ("[listener]\nbind = ':1'", "a.toml:1:2 listener: is an array of tables; write [[listener]]"),
        ("listener = [1]", "a.toml:1:1 listener: is an array of tables; write [[listener]]"),
        ("[[listener]]\n", 'a.toml:1:1 [[listener]]: has no address; write bind = ":8001"'),
        ("[[listener]]\nbind = ':1'\nbacklog = 3", "a.toml:3:1 [[listener]] backlog: no such option; see appserver --help"),
        (
            "listener = [{bind = ':1'}, {bind = ':2', http_protocol = 'h2'}]",
            "a.toml:1:42 [[listener]] http_protocol: no such option; did you mean [[listener]] http_protocols?",
        ),
        (
            "[[listener]]\nbind = ':1'\n[[listener]]\nbind = ':2'\nhttp_protocols = ['h3']",
            "a.toml:5:1 [[listener]] http_protocols: 'h3' is none of h2, http/1.1",
        ),
        ('["a\\n"]', "a.toml:1:2 [a\\n]: no such option; see appserver --help"),
        ("[server]\n[limit", "a.toml:2:7: Expected ']' at the end of a table declaration"),
        ("[server]\nbind == 3", "a.toml:2:7: Invalid value"),
        ("[server]\nhttp1 = true\nhttp1 = true", "a.toml:3:13: Cannot overwrite a value"),
    ],
)
def test_faults(text: str, fault: str) -> None:
    assert faults(text) == [fault]


def test_all_faults_of_a_file_are_told() -> None:
    assert len(faults("[server]\nhttp1 = 1\nbnd = []\n[limit]\nhead_size = -1\n[x]\n")) == 4


def test_lines_are_counted_the_same_with_carriage_returns() -> None:
    assert faults("[server]\r\n\r\nhttp1 = 1\r\n") == ["a.toml:3:1 [server] http1: 1 is not true or false"]


def test_a_file_nested_too_deep() -> None:
    (fault,) = faults("a = " + "[" * 20_000)

    assert fault.startswith("a.toml")


def test_a_number_too_long_to_read() -> None:
    (fault,) = faults("[server]\nbacklog = " + "9" * 5_000)

    assert fault.startswith("a.toml")


def test_a_file_that_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "none.toml"

    assert from_file(str(path), "--config on the command line").faults == [
        f"--config on the command line: {path}: No such file or directory"
    ]


def test_a_directory(tmp_path: Path) -> None:
    assert from_file(str(tmp_path), "APPSERVER_CONFIG in the environment").faults == [
        f"APPSERVER_CONFIG in the environment: {tmp_path}: Is a directory"
    ]


def test_a_name_that_cannot_be_a_file() -> None:
    assert from_file("a\0b", "here").faults == ["here: a\\x00b: embedded null byte"]


def test_a_file_that_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_bytes(b"[server]\nroot_path = '\xff'\n")

    assert from_file(str(path), "here").faults == [f"{path}:2: not UTF-8"]


@given(st.text() | st.text(alphabet="[]server.bind=:1'\"\n #{}"))
def test_any_text_is_read_or_refused(text: str) -> None:
    layer = from_toml_text(text, "a.toml")

    assert all(fault.startswith("a.toml") and "\n" not in fault for fault in layer.faults)
