"""The log: its form, and that nothing in a message can forge a line."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.config.options import LogOptions
from appserver.events import Event, logger
from appserver.ops.log import Handler, configure, escaped

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) +\S.*")


@pytest.fixture(autouse=True)
def _logger_as_it_was() -> Iterator[None]:
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)


def configured(level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure(LogOptions(level=level), stream)
    return stream


def test_one_event_is_one_line_with_time_and_level() -> None:
    stream = configured()

    Event.LISTENING.log(address="127.0.0.1:8000")

    (line,) = stream.getvalue().splitlines()
    assert LINE.fullmatch(line)
    assert line.endswith("Z INFO     listening on 127.0.0.1:8000")


def test_the_level_decides() -> None:
    stream = configured("error")

    Event.LISTENING.log(address="x")
    Event.LIFESPAN_FAILED.log(phase="startup", reason="y")

    assert stream.getvalue().count("\n") == 1
    assert "ERROR    lifespan startup failed: y" in stream.getvalue()


def test_a_second_configuration_replaces_the_first() -> None:
    first, second = configured(), configured()

    Event.STOPPED.log()

    assert first.getvalue() == ""
    assert second.getvalue().count("\n") == 1


def test_the_root_logger_and_foreign_handlers_are_left_alone() -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    foreign = logging.NullHandler()
    logger.addHandler(foreign)

    configured()

    assert (list(root.handlers), root.level) == before
    assert foreign in logger.handlers


def test_a_traceback_follows_indented_and_cannot_pass_for_an_event() -> None:
    stream = configured()
    try:
        raise ValueError("no\n2026-11-03T06:02:18.123Z INFO     forged\r\x1b[2J")
    except ValueError as error:
        Event.APPLICATION_FAILED.log(exc_info=error, request_id="1", method="GET", path="/")

    first, *rest = stream.getvalue().splitlines()
    assert LINE.fullmatch(first)
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-1] == "    2026-11-03T06:02:18.123Z INFO     forged\\r\\x1b[2J"
    assert not any(LINE.fullmatch(line) for line in rest)


@given(st.text())
def test_no_message_leaves_its_line(text: str) -> None:
    stream = io.StringIO()
    handler = Handler(stream)

    handler.handle(logging.LogRecord("appserver", logging.INFO, "", 0, "%s", (text,), None))

    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_what_is_escaped_and_what_is_not() -> None:
    assert escaped("a\r\n\x1b\x7f\x9b\u2028\u202e\udcff") == "a\\r\\n\\x1b\\x7f\\x9b\\u2028\\u202e\\udcff"
    assert escaped("café 日本") == "café 日本"


def test_a_broken_stderr_is_counted_and_disturbs_nobody() -> None:
    stream = io.StringIO()
    handler = configure(LogOptions(), stream)
    stream.close()

    Event.STOPPED.log()

    assert handler.lost == 1
