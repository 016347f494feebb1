"""A program without a checker is started, and what it says of its files is what a checker would."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from proxyconf.programs.run import ProgramFault, ProgramMissing
from proxyconf.programs.trial import try_files
from proxyconf.proxies.traefik.trial import faults

NOWHERE = "http://127.0.0.1:1/"


def lines(answer: str, log: str) -> Sequence[str] | None:
    return log.splitlines() or None


def test_what_it_says_is_the_fault_and_the_folder_is_left_out() -> None:
    with pytest.raises(ProgramFault) as caught:
        try_files(("sh", "-c", "echo {folder}/a/b.conf is wrong >&2; cat a/b.conf; exec sleep 60"), {"a/b.conf": "line 1"}, NOWHERE, lines)
    assert "'sh' says: a/b.conf is wrong" in str(caught.value)


def test_one_that_ends_without_a_word_is_a_fault() -> None:
    with pytest.raises(ProgramFault, match="nothing, and ended with 3"):
        try_files(("sh", "-c", "exit 3"), {}, NOWHERE, lines)


def test_one_that_has_read_its_files_is_content() -> None:
    try_files(("sh", "-c", "exec sleep 60"), {}, NOWHERE, lambda answer, log: ())


def test_one_that_is_not_here_is_missing() -> None:
    with pytest.raises(ProgramMissing):
        try_files(("no-such-proxy",), {}, NOWHERE, lines)


def raw_data(**entries: object) -> str:
    return json.dumps({"routers": {"app@file": {"status": "enabled"}, **entries}})


@pytest.mark.parametrize(
    ("answer", "log", "found"),
    [
        ("", "", None), ('{"routers": {"ping@internal": {}}}', "", None), (raw_data(), "", []),
        (raw_data(), '{"level": "warn", "message": "careful"}\n', []),
        ("", '{"level": "error", "message": "Command error", "error": "field not found, node: x"}', ["Command error: field not found, node: x"]),
        ("", '{"level": "error", "routerName": "app@file", "error": "no service"}', ["app: no service"]),
        ("", "panic: at once", ["panic: at once"]),
        (raw_data(**{"x@file": {"status": "disabled", "error": ["bad rule", "no service"]}}), "", ["x: bad rule; no service"]),
        (raw_data(**{"x@file": {"status": "warning"}}), "", ["x: warning"]),
    ],
)  # fmt: skip
def test_what_traefik_says(answer: str, log: str, found: list[str] | None) -> None:
    assert faults(answer, log) == found
