"""The sink: lines arrive whole and in order, nobody waits, and what is lost is counted."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from appserver.ops.sink import BACKLOG_BYTES, BATCH_BYTES, BATCH_SECONDS, REPORT_SECONDS, SLOW, Sink


class Desk:
    """A fake clock, a fake `call_later` and the losses told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.calls: list[Callable[[], None]] = []
        self.losses: list[tuple[str, int]] = []

    def sink(self, target: Path | str) -> Sink:
        return Sink(str(target), self._lost, later=self._later, clock=lambda: self.now)

    def turn(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        assert seconds == BATCH_SECONDS
        self.calls.append(call)

    def _lost(self, reason: str, dropped: int) -> None:
        self.losses.append((reason, dropped))


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def pipe(tmp_path: Path) -> tuple[Path, int]:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path, os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def drained(fd: int) -> bytes:
    data = b""
    while True:
        try:
            chunk = os.read(fd, 65_536)
        except BlockingIOError:
            return data
        if not chunk:
            return data
        data += chunk


def test_lines_wait_for_the_turn_and_are_written_together(desk: Desk, tmp_path: Path) -> None:
    sink = desk.sink(tmp_path / "log")

    sink.put(b"one\n")
    sink.put(b"two\n")
    assert (tmp_path / "log").read_bytes() == b""
    assert len(desk.calls) == 1
    desk.turn()

    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert desk.calls == []


def test_a_full_batch_is_written_at_once(desk: Desk, tmp_path: Path) -> None:
    sink = desk.sink(tmp_path / "log")

    sink.put(b"x" * BATCH_BYTES + b"\n")

    assert (tmp_path / "log").stat().st_size == BATCH_BYTES + 1


def test_the_file_is_appended_to_and_not_for_everybody(desk: Desk, tmp_path: Path) -> None:
    for line in (b"one\n", b"two\n"):
        sink = desk.sink(tmp_path / "log")
        sink.put(line)
        sink.close()

    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "log").stat().st_mode & 0o007 == 0


def test_the_running_loop_is_the_clock_by_default(tmp_path: Path) -> None:
    async def scene() -> bytes:
        sink = Sink(str(tmp_path / "log"), lambda *_: None)
        sink.put(b"one\n")
        async with asyncio.timeout(5):
            while not (data := (tmp_path / "log").read_bytes()):
                await asyncio.sleep(0.01)
        return data

    assert asyncio.run(scene()) == b"one\n"


def test_rotation(desk: Desk, tmp_path: Path) -> None:
    sink = desk.sink(tmp_path / "log")
    sink.put(b"old\n")
    (tmp_path / "log").rename(tmp_path / "log.1")

    sink.reopen()
    sink.put(b"new\n")
    sink.close()

    assert (tmp_path / "log.1").read_bytes() == b"old\n"
    assert (tmp_path / "log").read_bytes() == b"new\n"


def test_a_rotation_that_fails_keeps_the_old_file(desk: Desk, tmp_path: Path) -> None:
    sink = desk.sink(tmp_path / "log")
    (tmp_path / "log").rename(tmp_path / "log.1")
    (tmp_path / "log").mkdir()

    sink.reopen()
    sink.put(b"still\n")
    sink.close()

    assert desk.losses == [("not reopened: Is a directory", 0)]
    assert (tmp_path / "log.1").read_bytes() == b"still\n"


def test_a_slow_reader_is_waited_for_without_waiting(desk: Desk, pipe: tuple[Path, int]) -> None:
    path, reader = pipe
    sink = desk.sink(path)
    lines = [b"%07d%s\n" % (number, b"." * 992) for number in range(300)]

    for line in lines:
        sink.put(line)
    desk.turn()
    assert len(desk.calls) == 1, "it tries again"
    received = b""
    while desk.calls:
        received += drained(reader)
        desk.turn()
    received += drained(reader)

    assert received == b"".join(lines)
    assert desk.losses == []
    sink.close()


def test_a_reader_that_never_reads_costs_lines_not_memory(desk: Desk, pipe: tuple[Path, int]) -> None:
    path, _ = pipe
    sink = desk.sink(path)

    for _ in range(3 * BACKLOG_BYTES // 1000):
        sink.put(b"x" * 999 + b"\n")

    assert desk.losses == [(SLOW, 1)]
    assert sum(map(len, sink._pending)) <= BACKLOG_BYTES
    desk.now += REPORT_SECONDS
    sink.put(b"x" * 999 + b"\n")
    assert len(desk.losses) == 2
    assert desk.losses[1][1] > 1000, "all that was lost in between is told"


def test_a_reader_that_is_gone_is_told_once_a_minute(desk: Desk, pipe: tuple[Path, int]) -> None:
    path, reader = pipe
    sink = desk.sink(path)
    os.close(reader)

    for _ in range(3):
        sink.put(b"one\n")
        sink.put(b"two\n")
        desk.turn()

    assert desk.losses == [("Broken pipe", 2)]
    desk.now += REPORT_SECONDS
    sink.put(b"three\n")
    desk.turn()
    assert desk.losses[1:] == [("Broken pipe", 5)]


def test_a_line_cut_by_a_full_disk_does_not_swallow_the_next(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = desk.sink(tmp_path / "log")
    real, room = os.write, 6

    def write(fd: int, data: bytes) -> int:
        nonlocal room
        if not room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = real(fd, data[:room])
        room -= taken
        return taken

    monkeypatch.setattr(os, "write", write)
    sink.put(b"one\n")
    sink.put(b"two\n")
    sink.put(b"three\n")
    sink.flush()
    assert desk.losses == [("No space left on device", 2)]

    sink.put(b"four\n")
    sink.flush()
    room = 1000
    sink.put(b"five\n")
    sink.close()

    assert (tmp_path / "log").read_bytes() == b"one\ntw\nfive\n"
    assert desk.losses == [("No space left on device", 2), ("No space left on device", 1)]


def test_closing_tells_what_was_lost_and_a_late_line_harms_nobody(desk: Desk, pipe: tuple[Path, int]) -> None:
    path, reader = pipe
    sink = desk.sink(path)
    os.close(reader)
    sink.put(b"one\n")

    sink.close()
    sink.put(b"late\n")
    sink.flush()
    sink.reopen()
    desk.turn()

    assert desk.losses == [("Broken pipe", 1)]


def test_a_fifo_without_a_reader_is_refused(desk: Desk, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="No such device or address"):
        desk.sink(tmp_path / "pipe")


def test_stdout_is_never_closed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = desk.sink("-")

    sink.close()
    sink.reopen()

    os.fstat(1)
