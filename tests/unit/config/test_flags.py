"""The command line: what is taken, and that every mistake is reported in one pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.config.flags import ACTIONS, FOREIGN, from_command_line, known_flags


def faults(*argv: str) -> list[str]:
    return from_command_line(argv)[0].faults


def test_nothing_said() -> None:
    layer, action, files = from_command_line([])

    assert (layer.values, layer.faults, action, files) == ({}, [], "run", [])


def test_the_application_is_the_positional_argument() -> None:
    layer, _, _ = from_command_line(["--backlog", "5", "main:app", "--no-http1"])

    assert layer.values == {"server.app": "main:app", "server.backlog": 5, "server.http1": False}
    assert layer.origins == {
        "server.app": "MODULE:APP on the command line",
        "server.backlog": "--backlog on the command line",
        "server.http1": "--no-http1 on the command line",
    }


def test_a_list_is_a_repeated_flag() -> None:
    layer, _, _ = from_command_line(["--bind", ":1", "--bind=unix:a,b"])

    assert layer.values == {"server.bind": (":1", "unix:a,b")}


def test_of_a_repeated_single_value_the_last_counts() -> None:
    assert from_command_line(["--backlog", "5", "--backlog", "6"])[0].values == {"server.backlog": 6}


@pytest.mark.parametrize("flag", [*ACTIONS, "-h"])
def test_actions(flag: str) -> None:
    assert from_command_line([flag])[1] == ("help" if flag == "-h" else ACTIONS[flag][0])


@pytest.mark.parametrize("argv", [["-c", "a.toml"], ["--config", "a.toml"], ["--config=a.toml"], ["-ca.toml"]])
def test_the_configuration_file(argv: list[str]) -> None:
    assert from_command_line(argv)[2] == ["a.toml"]


def test_an_unknown_flag_is_told_with_the_nearest() -> None:
    assert faults("--bnd", ":1") == ["--bnd on the command line: no such option; did you mean --bind?"]


def test_a_flag_like_no_other_is_sent_to_the_help() -> None:
    assert faults("--zzzzzz") == ["--zzzzzz on the command line: no such option; see appserver --help"]


def test_flags_are_never_abbreviated() -> None:
    assert faults("--backl", "5") == ["--backl on the command line: no such option; did you mean --backlog?"]


@pytest.mark.parametrize("flag", FOREIGN)
def test_the_flags_of_other_servers_are_translated(flag: str) -> None:
    assert faults(flag, "x") == [f"{flag} on the command line: no such option; did you mean {FOREIGN[flag]}?"]


@pytest.mark.parametrize("argv", [["--bind"], ["--bind", "--no-http1"], ["--backlog"]])
def test_a_missing_value(argv: list[str]) -> None:
    assert faults(*argv) == [f"{argv[0]} on the command line: a value is missing"]


@pytest.mark.parametrize("argv", [["-c"], ["--config", "--bind", ":1"], ["--config="]])
def test_a_missing_file(argv: list[str]) -> None:
    assert faults(*argv) == ["--config on the command line: a file is missing"]


def test_two_files() -> None:
    assert faults("-c", "a", "-c", "b") == [
        "--config on the command line: given 2 times; one configuration file is read"
    ]


def test_two_applications() -> None:
    assert faults("a:b", "c:d") == ["c:d on the command line: unexpected; one application is served"]
    assert "given twice" in faults("a:b", "--app", "c:d")[0]


def test_every_mistake_is_told_in_one_pass() -> None:
    found = faults("--http1=yes", "--bogus", "--backlog", "x", "--unix-mode", "--version=3")

    assert found == [
        "--http1 on the command line: takes no value",
        "--version on the command line: takes no value",
        "--backlog on the command line: 'x' is not a whole number",
        "--unix-mode on the command line: a value is missing",
        "--bogus on the command line: no such option; did you mean --backlog?",
    ]


ODD_WORDS = ["-c", "-h", "-b", "--", "-", "", "x:y", "5", "-5", "--bind=", "--http1=1", "-x"]
WORDS = st.sampled_from([*known_flags(), *ODD_WORDS])


@given(st.lists(WORDS | st.text(st.characters(exclude_characters="\0"), max_size=5), max_size=8))
def test_no_command_line_escapes(argv: list[str]) -> None:
    layer, action, _ = from_command_line(argv)

    assert action in {"run", *(name for name, _ in ACTIONS.values())}
    assert all("\n" not in fault for fault in layer.faults)
