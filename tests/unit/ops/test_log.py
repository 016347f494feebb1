"""The log: its form, and that nothing in a message can forge a line."""

from __future__ import annotations

import logging
import logging.config
import os
import re
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.config.options import LogOptions
from appserver.events import Event, logger
from appserver.ops.log import Formatter, configure, escaped
from appserver.ops.sink import BACKLOG_BYTES, SLOW, Sink

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) +\S.*")


@pytest.fixture(autouse=True)
def _logger_as_it_was() -> Iterator[None]:
    handlers, level, propagate = list(logger.handlers), logger.level, logger.propagate
    yield
    logger.handlers, logger.propagate = handlers, propagate
    logger.setLevel(level)


class Log:
    """The log on a disk of the test's: what was written, and a way to keep the writer waiting."""

    def __init__(self, level: str = "info") -> None:
        self.data = b""
        self.open = threading.Event()
        self.open.set()
        self.handler = configure(LogOptions(level=level), Sink(0, self._write))

    def _write(self, fd: int, data: bytes) -> int:
        assert self.open.wait(10)
        self.data += data
        return len(data)

    @property
    def text(self) -> str:
        self.handler.flush()
        return self.data.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()


def test_one_event_is_one_line_with_time_and_level() -> None:
    stream = Log()

    Event.LISTENING.log(address="127.0.0.1:8000")

    (line,) = stream.text.splitlines()
    assert LINE.fullmatch(line)
    assert line.endswith("Z INFO     listening on 127.0.0.1:8000")


def test_the_level_decides() -> None:
    stream = Log("error")

    Event.LISTENING.log(address="x")
    Event.LIFESPAN_FAILED.log(phase="startup", reason="y")

    assert stream.text.count("\n") == 1
    assert "ERROR    lifespan startup failed: y" in stream.text


def test_a_second_configuration_replaces_the_first() -> None:
    first, second = Log(), Log()

    Event.STOPPED.log()

    assert first.text == ""
    assert second.text.count("\n") == 1


def test_the_root_logger_and_foreign_handlers_are_left_alone() -> None:
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    foreign = logging.NullHandler()
    logger.addHandler(foreign)

    Log()

    assert (list(root.handlers), root.level) == before
    assert foreign in logger.handlers


def test_a_traceback_follows_indented_and_cannot_pass_for_an_event() -> None:
    stream = Log()
    try:
        raise ValueError("no\n2026-11-03T06:02:18.123Z INFO     forged\r\x1b[2J")
    except ValueError as error:
        Event.APPLICATION_FAILED.log(exc_info=error, request_id="1", method="GET", path="/")

    first, *rest = stream.text.splitlines()
    assert LINE.fullmatch(first)
    assert rest[0] == "    Traceback (most recent call last):"
    assert rest[-1] == "    2026-11-03T06:02:18.123Z INFO     forged\\r\\x1b[2J"
    assert not any(LINE.fullmatch(line) for line in rest)


@given(st.text())
def test_no_message_leaves_its_line(text: str) -> None:
    line = Formatter().format(logging.LogRecord("appserver", logging.INFO, "", 0, "%s", (text,), None))

    assert len(line.splitlines()) == 1
    assert "\x1b" not in line


def test_what_is_escaped_and_what_is_not() -> None:
    assert escaped("a\r\n\x1b\x7f\x9b\u2028\u202e\udcff") == "a\\r\\n\\x1b\\x7f\\x9b\\u2028\\u202e\\udcff"
    assert escaped("café 日本") == "café 日本"


def test_what_is_no_text_is_written_all_the_same() -> None:
    stream = Log()
    Event.LISTENING.log(address="caf\xe9 \udcff")

    assert stream.text.endswith("listening on café \\udcff\n")


def test_a_reader_that_does_not_read_stops_nobody_and_is_told_what_it_missed() -> None:
    stream = Log()
    stream.open.clear()
    address = "x" * 1000
    for _ in range(2 * BACKLOG_BYTES // 1000):
        Event.LISTENING.log(address=address)
    stream.open.set()
    said = len(stream.lines)
    Event.STOPPED.log()

    missed, stopped = stream.lines[said:]
    lost = 2 * BACKLOG_BYTES // 1000 - said
    assert missed.endswith(f"WARNING  {lost} lines of this log were dropped: {SLOW}")
    assert stopped.endswith("INFO     stopped")
    assert lost > 900


def test_a_broken_stderr_disturbs_nobody() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    handler = configure(LogOptions(), Sink(writer))

    Event.STOPPED.log()
    handler.flush()
    Event.STOPPED.log()
    handler.end()
    os.close(writer)


def test_an_application_that_sets_logging_up_does_not_silence_ours() -> None:
    stream = Log()
    logging.config.dictConfig({"version": 1, "incremental": False, "disable_existing_loggers": False})
    Event.STOPPED.log()

    assert stream.lines[-1].endswith("INFO     stopped")
