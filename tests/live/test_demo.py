"""The demo holds on the stack as rendered, and its rows fail on a stack that is spoiled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.demo.__main__ import attempt
from tools.demo.rows import ROWS
from tools.demo.stack import Stack

BY_NAME = {row.prove.__name__: row for row in ROWS}
Spoil = Callable[[Path], None]


def edit(name: str, old: str, new: str) -> Spoil:
    """Replace a line of a rendered file; it must be there."""

    def spoil(directory: Path) -> None:
        path = directory / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is no longer rendered"
        path.write_text(text.replace(old, new), encoding="utf-8")

    return spoil


def both(first: Spoil, second: Spoil) -> Spoil:
    def spoil(directory: Path) -> None:
        first(directory)
        second(directory)

    return spoil


HTTP1_HOP = both(
    edit("appserver.toml", "http1 = false", "http1 = true"),
    edit("Caddyfile", "versions h2c", "versions 1.1"),
)
BUFFERED = edit("Caddyfile", "flush_interval -1", "response_buffers 1MiB")
TRUST_ALL = edit("appserver.toml", 'trust = ["127.0.0.1", "::1"]', 'trust = ["*"]')
TRUST_NONE = edit("appserver.toml", 'trust = ["127.0.0.1", "::1"]', "trust = []")
NO_PATIENCE = edit("appserver.toml", "graceful = 10.0", "graceful = 0.0")


@contextmanager
def running(directory: Path, spoil: Spoil) -> Iterator[Stack]:
    stack = Stack(directory, "appserver")
    try:
        stack.render()
        spoil(directory)
        stack.start_server()
        stack.start_caddy()
        yield stack
    finally:
        stack.stop()


def outcomes(directory: Path, spoil: Spoil, names: tuple[str, ...]) -> dict[str, tuple[bool, str]]:
    with running(directory, spoil) as stack:
        tried = [(name, asyncio.run(attempt(BY_NAME[name], stack))) for name in names]
    return {name: (outcome.holds, outcome.observed) for name, outcome in tried}


def test_every_row_holds_on_the_stack_as_rendered(tmp_path: Path) -> None:
    found = outcomes(tmp_path, lambda directory: None, tuple(BY_NAME))
    assert {name: observed for name, (holds, observed) in found.items() if not holds} == {}


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        pytest.param(HTTP1_HOP, ("hop", "multiplexing"), id="an HTTP/1.1 hop"),
        pytest.param(BUFFERED, ("event_stream",), id="a buffering proxy"),
        pytest.param(TRUST_ALL, ("forged_past_proxy",), id="everybody trusted"),
        pytest.param(TRUST_NONE, ("client_address",), id="nobody trusted"),
        pytest.param(NO_PATIENCE, ("graceful_stop",), id="no time to finish"),
    ],
)
def test_a_row_fails_on_a_spoiled_stack(tmp_path: Path, spoil: Spoil, names: tuple[str, ...]) -> None:
    found = outcomes(tmp_path, spoil, names)
    assert {name: observed for name, (holds, observed) in found.items() if holds} == {}
