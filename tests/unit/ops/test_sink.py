"""The sink: lines arrive whole and in order, nobody waits, and what is lost is counted."""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appserver.ops.sink import BACKLOG_BYTES, SLOW, Sink

LINE = b"x" * 999 + b"\n"


class Gate:
    """A disk that takes a write when the test says so."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.open = threading.Event()

    def write(self, fd: int, data: bytes) -> int:
        self.asked.set()
        assert self.open.wait(10)
        return os.write(fd, data)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture
def pipe(tmp_path: Path) -> tuple[Path, int]:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path, os.open(path, os.O_RDONLY | os.O_NONBLOCK)


def full_after(room: int) -> tuple[Callable[[int, bytes], int], Callable[[int], None]]:
    """Return a disk with `room` bytes, and how to give it more."""
    left = [room]

    def write(fd: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = os.write(fd, data[: left[0]])
        left[0] -= taken
        return taken

    return write, lambda more: left.__setitem__(0, more)


def test_lines_arrive_in_order(tmp_path: Path) -> None:
    sink = Sink(str(tmp_path / "log"))

    assert sink.put(b"one\ntwo\n")
    assert sink.put(b"three\n")
    assert sink.flush()

    assert (tmp_path / "log").read_bytes() == b"one\ntwo\nthree\n"
    assert (sink.waiting, sink.has_losses, sink.losses()) == (0, False, ("", 0))
    sink.close()


def test_the_file_is_appended_to_and_not_for_everybody(tmp_path: Path) -> None:
    for line in (b"one\n", b"two\n"):
        sink = Sink(str(tmp_path / "log"))
        sink.put(line)
        sink.close()

    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert (tmp_path / "log").stat().st_mode & 0o007 == 0


def test_a_slow_disk_is_not_waited_for(tmp_path: Path, gate: Gate) -> None:
    sink = Sink(str(tmp_path / "log"), gate.write)

    sink.put(b"one\n")
    assert gate.asked.wait(10)
    sink.put(b"two\n")  # would be for ever, if it were written here
    assert not sink.flush(0.0)
    assert sink.waiting == 8
    gate.open.set()

    assert sink.flush()
    assert (tmp_path / "log").read_bytes() == b"one\ntwo\n"
    assert sink.losses() == ("", 0)
    sink.close()


def test_a_disk_that_hangs_costs_lines_not_memory(tmp_path: Path, gate: Gate) -> None:
    sink = Sink(str(tmp_path / "log"), gate.write)

    taken = [sink.put(LINE * 10) for _ in range(3 * BACKLOG_BYTES // 10_000)]

    assert sink.waiting <= BACKLOG_BYTES
    assert sink.losses() == (SLOW, 10 * taken.count(False))
    assert sink.losses() == ("", 0)
    gate.open.set()
    assert sink.flush()
    assert sink.put(b"again\n")
    sink.close()
    assert (tmp_path / "log").read_bytes() == LINE * 10 * taken.count(True) + b"again\n"


def test_closing_does_not_wait_for_ever_and_tells_what_was_lost(tmp_path: Path, gate: Gate) -> None:
    sink = Sink(str(tmp_path / "log"), gate.write)
    sink.put(b"in hand\n")
    assert gate.asked.wait(10)
    sink.put(b"one\ntwo\n")

    sink.close(0.0)

    assert sink.losses() == (SLOW, 3)
    assert not sink.put(b"late\n")
    assert sink.losses() == ("", 0)


def test_a_slow_reader_gets_everything(pipe: tuple[Path, int]) -> None:
    path, reader = pipe
    sink = Sink(str(path))
    lines = [b"%07d%s\n" % (number, b"." * 992) for number in range(300)]
    for line in lines:
        assert sink.put(line)

    os.set_blocking(reader, True)
    received = b""
    while len(received) < 300_000:
        received += os.read(reader, 10_000)

    assert received == b"".join(lines)
    sink.close()
    assert sink.losses() == ("", 0)


def test_a_reader_that_is_gone(pipe: tuple[Path, int]) -> None:
    path, reader = pipe
    sink = Sink(str(path))
    os.close(reader)

    sink.put(b"one\ntwo\n")
    assert sink.flush()

    assert sink.losses() == ("Broken pipe", 2)
    sink.put(b"three\n")
    sink.close()
    assert sink.losses() == ("Broken pipe", 1)


def test_a_line_cut_by_a_full_disk_does_not_swallow_the_next(tmp_path: Path) -> None:
    write, give = full_after(6)
    sink = Sink(str(tmp_path / "log"), write)
    sink.put(b"one\ntwo\nthree\n")
    assert sink.flush()
    assert sink.losses() == ("No space left on device", 2)

    sink.put(b"four\n")
    assert sink.flush()
    assert sink.losses() == ("No space left on device", 1)
    give(1000)
    sink.put(b"five\n")
    sink.close()

    assert (tmp_path / "log").read_bytes() == b"one\ntw\nfive\n"
    assert sink.losses() == ("", 0)


def test_rotation(tmp_path: Path) -> None:
    sink = Sink(str(tmp_path / "log"))
    sink.put(b"old\n")
    assert sink.flush()
    (tmp_path / "log").rename(tmp_path / "log.1")

    sink.reopen()
    sink.put(b"new\n")
    sink.close()

    assert (tmp_path / "log.1").read_bytes() == b"old\n"
    assert (tmp_path / "log").read_bytes() == b"new\n"


def test_a_rotation_that_fails_keeps_the_old_file(tmp_path: Path) -> None:
    sink = Sink(str(tmp_path / "log"))
    (tmp_path / "log").rename(tmp_path / "log.1")
    (tmp_path / "log").mkdir()

    sink.reopen()
    sink.put(b"still\n")
    sink.close()

    assert sink.losses() == ("not reopened: Is a directory", 0)
    assert (tmp_path / "log.1").read_bytes() == b"still\n"


def test_what_comes_after_the_end_harms_nobody(tmp_path: Path) -> None:
    sink = Sink(str(tmp_path / "log"))
    sink.close()

    assert not sink.put(b"late\n")
    sink.reopen()
    assert sink.flush()
    sink.close()


def test_a_fifo_without_a_reader_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(OSError, match="No such device or address"):
        Sink(str(tmp_path / "pipe"))


def test_a_descriptor_that_was_given_is_never_closed() -> None:
    reader, writer = os.pipe()
    sink = Sink(writer)
    sink.put(b"one\n")

    sink.close()
    sink.reopen()

    assert stat.S_ISFIFO(os.fstat(writer).st_mode)
    assert os.read(reader, 100) == b"one\n"


def test_the_writer_starts_anew_in_a_child(tmp_path: Path) -> None:
    sink = Sink(str(tmp_path / "log"))
    sink.put(b"parent\n")
    assert sink.flush()
    child = os.fork()
    if not child:
        sink.put(b"child\n")
        os._exit(0 if sink.flush() else 1)

    assert os.waitpid(child, 0)[1] == 0
    sink.put(b"parent again\n")
    sink.close()
    assert (tmp_path / "log").read_bytes() == b"parent\nchild\nparent again\n"
