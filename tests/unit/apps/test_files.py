"""Files and their threads: how many there are, and that nothing stays open."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from pathlib import Path

import pytest

from appserver.apps.cached_open import cached_opener
from appserver.apps.files import CHUNK, FLAGS, THREADS, Files, OpenFile

SECONDS = 20.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    return path


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def test_no_more_threads_than_that(path: Path) -> None:
    """Disks that hang take what threads there are, the others wait, and the loop goes on."""
    files = Files()
    gate = threading.Event()
    lock = threading.Lock()
    running: list[int] = [0, 0]

    def hang() -> None:
        with lock:
            running[0] += 1
            running[1] = max(running)
        assert gate.wait(SECONDS)
        with lock:
            running[0] -= 1

    async def main() -> int:
        opened = [OpenFile(files, str(path)) for _ in range(5 * THREADS)]
        jobs = [file.in_thread(hang) for file in opened]
        while running[0] < THREADS:
            await asyncio.sleep(0)
        turns = 0
        for _ in range(100):
            await asyncio.sleep(0)
            turns += 1
        gate.set()
        await asyncio.gather(*jobs)
        for file in opened:
            file.close()
        return turns

    assert asyncio.run(asyncio.wait_for(main(), SECONDS)) == 100
    assert running == [0, THREADS]
    files.close()


def test_a_file_is_closed_after_the_last_of_its_jobs(path: Path) -> None:
    files = Files()
    gate, inside = threading.Event(), threading.Event()

    def read(file: OpenFile) -> bytes:
        inside.set()
        assert gate.wait(SECONDS)
        return os.pread(file.fd, 3, 0)

    async def main() -> None:
        file = OpenFile(files, str(path))
        assert await file.begin(0, CHUNK) == b"0123456789"
        fd = file.fd
        job = file.in_thread(read, file)
        await asyncio.to_thread(inside.wait, SECONDS)
        file.close()
        job.cancel()  # whoever waited has gone, the thread does not know
        assert is_open(fd)
        gate.set()
        while is_open(fd):
            await asyncio.sleep(0)

    asyncio.run(asyncio.wait_for(main(), SECONDS))
    files.close()


def test_one_that_was_still_to_be_opened_is_closed_too(path: Path) -> None:
    """All threads hang; who wanted a file leaves before it is opened."""
    files = Files()
    gate = threading.Event()

    async def main() -> None:
        busy = OpenFile(files, str(path))
        jobs = [busy.in_thread(gate.wait, SECONDS) for _ in range(THREADS)]
        file = OpenFile(files, str(path))
        task = asyncio.ensure_future(file.begin(0, CHUNK))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        file.close()
        gate.set()
        await asyncio.gather(*jobs)
        busy.close()
        assert file.fd == -1

    asyncio.run(asyncio.wait_for(main(), SECONDS))
    files.close()


@pytest.mark.parametrize("error", [errno.EAGAIN, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO])
def test_what_cannot_be_read_at_once_is_read_in_a_thread(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    def refuse(*arguments: object) -> int:
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(os, "preadv", refuse)
    files = Files()
    threads = []
    submit = files.submit
    monkeypatch.setattr(Files, "submit", lambda files, *job: (threads.append(1), submit(*job))[1])

    async def main() -> bytes:
        file = OpenFile(files, str(path))
        try:
            return await file.begin(2, 5)
        finally:
            file.close()

    assert asyncio.run(main()) == b"23456"
    assert threads == [1]
    files.close()


def test_folders_that_are_known_are_few(path: Path) -> None:
    files = Files()
    for number in range(10_000):
        files.note_cached(b"/folder/%d/file" % number)
    assert len(files._local_folders) <= 4_096
    assert files.open_cached(b"/elsewhere/file") == -1


def test_open_without_waiting(path: Path) -> None:
    open_cached = cached_opener(FLAGS)
    path.read_bytes()
    fd = open_cached(os.fsencode(path))
    if fd >= 0:  # what a kernel has at hand is its own affair
        assert os.read(fd, 100) == b"0123456789"
        assert not os.get_inheritable(fd)
        os.close(fd)
    assert open_cached(os.fsencode(path) + b".none") == -1
