"""Exchange, files: `http.response.pathsend` and `http.response.zerocopysend`, from caches and from threads."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from appserver.apps.files import CHUNK, OpenFile
from appserver.contract import Reset
from appserver.errors import (
    BodyTooLong,
    BodyTooShort,
    ClientDisconnected,
    UnexpectedMessage,
)
from tests.support.asgi import Talk, body, pathsend, start, trailers, zerocopysend
from tests.support.held_jobs import HeldJobs

Converse = Callable[..., Talk]
DATA = bytes(range(251)) * 4_000
"""A million bytes: several chunks, and a part of one."""


@pytest.fixture(params=["cached", "uncached"])
def cached(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the kernel has it all at hand, as far as the loop can know."""
    if request.param == "uncached":
        monkeypatch.setattr(OpenFile, "read_cached", lambda file, offset, size: b"")
    return bool(request.param == "cached")


@pytest.fixture
def jobs(cached: bool, monkeypatch: pytest.MonkeyPatch) -> HeldJobs:
    return HeldJobs(monkeypatch)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


@pytest.fixture(autouse=True)
def no_leak() -> Any:
    before = descriptors()
    yield
    assert descriptors() == before


def descriptors() -> dict[str, str]:
    """Return what is open of regular files and folders."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{number}")
        except FileNotFoundError:
            continue  # of the listing itself
        if "pytest" in target:
            found[number] = target
    return found


def length(size: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", b"%d" % size)]


def give(talk: Talk, message: dict[str, Any]) -> None:
    """Call `send`, which has no reason to wait but for threads."""
    task = talk.sending(message)
    for _ in range(10):
        talk.loop.turn()
    assert task.done(), "send waits"
    task.result()


# Whole files


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, len(DATA)])
@pytest.mark.parametrize("declared", [True, False])
def test_a_path_is_the_body(converse: Converse, jobs: HeldJobs, path: Path, size: int, declared: bool) -> None:
    path.write_bytes(DATA[:size])
    talk = converse()
    talk.send(start(200, length(size) if declared else []))
    task = talk.sending(pathsend(str(path)))
    while not task.done():
        talk.on_writable()
    task.result()

    assert talk.stream.body == DATA[:size]
    assert talk.said[-1][0] == "write"
    assert talk.said[-1][-1], "the last bytes are the end"
    assert all(0 < len(call[1]) <= CHUNK or not size for call in talk.said[1:])
    assert talk.watcher.done == [(200, size)]


def test_what_is_cached_takes_no_thread_the_second_time(
    converse: Converse, monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    jobs = HeldJobs(monkeypatch)
    talk = converse()
    asked = []
    for _ in range(2):
        next_talk = Talk(talk.loop, type(talk.exchange))
        next_talk.host.files.note_cached(os.fsencode(path))
        next_talk.run()
        next_talk.send(start(200))
        give(next_talk, pathsend(str(path)))
        assert next_talk.stream.body == DATA
        asked.append(jobs.begun)
        next_talk.leave()
    talk.leave(KeyError("no answer"))

    assert asked == [0, 0]


@pytest.mark.parametrize("kind", [str, os.fsencode, Path])
def test_a_path_is_whatever_names_a_file(converse: Converse, jobs: HeldJobs, path: Path, kind: Any) -> None:
    talk = converse()
    talk.send(start())
    give(talk, pathsend(kind(path)))

    assert talk.stream.body == DATA


def test_a_file_that_has_grown_is_sent_as_it_was_promised(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    talk = converse()
    talk.send(start(200, length(1_000)))
    give(talk, pathsend(str(path)))

    assert talk.said[1:] == [("write", DATA[:1_000], True)]


@pytest.mark.parametrize(("status", "method"), [(200, "HEAD"), (204, "GET"), (304, "GET")])
@pytest.mark.parametrize("name", ["file", "none"])
def test_where_no_body_goes_no_file_is_opened(
    converse: Converse, jobs: HeldJobs, path: Path, status: int, method: str, name: str
) -> None:
    talk = converse(method=method)
    talk.send(start(status))
    give(talk, pathsend(str(path.with_name(name))))

    assert [call[0] for call in talk.said] == ["respond"]
    assert jobs.begun == 0
    assert talk.watcher.done == [(status, 0)]


def test_trailers_follow_a_file(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    path.write_bytes(b"short")
    talk = converse(trailers_accepted=True)
    talk.send(start(trailers=True))
    give(talk, pathsend(str(path)))
    talk.send(trailers([(b"a", b"1")]))

    assert talk.said[1:] == [("write", b"short", False), ("finish", [(b"a", b"1")])]


def test_a_path_is_not_mixed_with_a_body(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    talk = converse()
    talk.send(start())
    talk.send(body(b"first", more=True))
    with pytest.raises(UnexpectedMessage, match=r"after http\.response\.body"):
        give(talk, pathsend(str(path)))
    talk.send(body(b"last"))

    assert talk.stream.body == b"firstlast"


# Parts of an open file


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, DATA),
        ({"offset": 10}, DATA[10:]),
        ({"offset": 10, "count": 20}, DATA[10:30]),
        ({"count": 0}, b""),
        ({"offset": CHUNK - 5, "count": 2 * CHUNK}, DATA[CHUNK - 5 : 3 * CHUNK - 5]),
        ({"offset": len(DATA) - 3}, DATA[-3:]),
        ({"offset": len(DATA) - 3, "count": 100}, DATA[-3:]),  # as sendfile(2): what there is
        ({"offset": len(DATA) + 3}, b""),
    ],
)
@pytest.mark.parametrize("as_number", [True, False])
def test_a_part_of_a_descriptor(
    converse: Converse, jobs: HeldJobs, path: Path, more: dict[str, int], expected: bytes, as_number: bool
) -> None:
    talk = converse()
    talk.send(start())
    with path.open("rb") as file:
        give(talk, zerocopysend(file.fileno() if as_number else file, **more))

    assert talk.stream.body == expected
    assert talk.said[-1][-1] is True


@pytest.mark.parametrize("as_number", [True, False])
def test_without_an_offset_the_position_moves_on(
    converse: Converse, jobs: HeldJobs, path: Path, as_number: bool
) -> None:
    talk = converse()
    talk.send(start(200, length(len(DATA) + 6)))
    with path.open("rb") as file:
        source = file.fileno() if as_number else file
        if as_number:
            os.lseek(file.fileno(), 0, os.SEEK_SET)
        give(talk, zerocopysend(source, count=7, more_body=True))
        talk.send(body(b"<mix>", more=True))
        give(talk, zerocopysend(source, more_body=True))
        talk.send(body(b"!"))
        position = os.lseek(file.fileno(), 0, os.SEEK_CUR) if as_number else file.tell()

    assert talk.stream.body == DATA[:7] + b"<mix>" + DATA[7:] + b"!"
    assert position == len(DATA)


def test_a_buffered_file_begins_where_it_was_read_to(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    talk = converse()
    talk.send(start())
    with path.open("rb") as file:
        file.read(3)
        give(talk, zerocopysend(file))

    assert talk.stream.body == DATA[3:]


def test_a_named_temporary_file(converse: Converse, jobs: HeldJobs, tmp_path: Path) -> None:
    talk = converse()
    talk.send(start())
    with tempfile.NamedTemporaryFile(dir=tmp_path) as file:
        file.write(b"hello")
        file.flush()
        give(talk, zerocopysend(file, offset=1))

    assert talk.stream.body == b"ello"


def test_the_application_may_close_its_descriptor_while_a_thread_reads(
    converse: Converse, jobs: HeldJobs, path: Path
) -> None:
    talk = converse()
    talk.send(start())
    jobs.held = True
    file = path.open("rb")
    task = talk.sending(zerocopysend(file.fileno(), offset=0))
    file.close()
    while jobs.waiting:
        jobs.do()
        talk.loop.turn()

    task.result()
    assert talk.stream.body == DATA


def test_a_head_has_no_part_of_a_file(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    talk = converse(method="HEAD")
    talk.send(start())
    with path.open("rb") as file:
        give(talk, zerocopysend(file, more_body=True))
        give(talk, zerocopysend(file))

    assert [call[0] for call in talk.said] == ["respond"]


def test_more_than_was_declared_is_broken_off(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    talk = converse()
    talk.send(start(200, length(10)))
    with path.open("rb") as file, pytest.raises(BodyTooLong):
        give(talk, zerocopysend(file, offset=0, count=11))

    assert talk.said[-1] == ("reset", Reset.INTERNAL_ERROR)


# What the wire sends by itself


class Transfer:
    """A stream that sends files: `takes` bytes of each, told in steps of 100,000."""

    def __init__(self, talk: Talk, takes: int | None = None) -> None:
        self.asked: list[tuple[int, int]] = []
        self.takes = takes
        self.hold: asyncio.Future[None] | None = None
        self.talk = talk
        talk.stream.send_file = self.send_file  # type: ignore[method-assign] # this one does

    def send_file(
        self, file: Any, offset: int, size: int, count: Callable[[int], None]
    ) -> Coroutine[Any, Any, int]:
        self.asked.append((offset, size))
        return self._send(file, offset, size, count)

    async def _send(self, file: Any, offset: int, size: int, count: Callable[[int], None]) -> int:
        if self.hold is not None:
            await self.hold
        end = min(size, size if self.takes is None else self.takes)
        for at in range(0, end, 100_000):
            step = min(100_000, end - at)
            self.talk.stream.said.append(("write", os.pread(file.fd, step, offset + at), False))
            count(step)
        return end


def test_a_long_file_is_left_to_the_wire(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    talk = converse()
    transfer = Transfer(talk)
    talk.send(start(200, length(len(DATA))))
    give(talk, pathsend(str(path)))

    assert transfer.asked == [(CHUNK, len(DATA) - CHUNK)]
    assert talk.stream.body == DATA
    assert talk.said[-1] == ("write", b"", True)
    assert talk.watcher.done == [(200, len(DATA))]


def test_a_short_one_is_not(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    path.write_bytes(DATA[: 2 * CHUNK])
    talk = converse()
    transfer = Transfer(talk)
    talk.send(start())
    give(talk, pathsend(str(path)))

    assert transfer.asked == []
    assert talk.stream.body == DATA[: 2 * CHUNK]


@pytest.mark.parametrize("takes", [0, 200_000])
def test_what_the_wire_could_not_send_is_read(converse: Converse, jobs: HeldJobs, path: Path, takes: int) -> None:
    talk = converse()
    transfer = Transfer(talk, takes)
    talk.send(start(200, length(len(DATA))))
    give(talk, pathsend(str(path)))

    assert len(transfer.asked) == 1
    assert talk.stream.body == DATA
    assert talk.watcher.done == [(200, len(DATA))]


def test_a_file_that_became_shorter_meanwhile(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    talk = converse()
    transfer = Transfer(talk, takes=100_000)
    transfer.hold = talk.loop.create_future()
    talk.send(start(200, length(len(DATA))))
    task = talk.sending(pathsend(str(path)))
    path.write_bytes(DATA[: CHUNK + 100_000])
    transfer.hold.set_result(None)
    talk.loop.turn()

    with pytest.raises(BodyTooShort, match="has become shorter"):
        task.result()
    assert talk.said[-1] == ("reset", Reset.INTERNAL_ERROR)


def test_a_client_that_leaves_the_wire(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    talk = converse()
    transfer = Transfer(talk, takes=0)
    transfer.hold = talk.loop.create_future()
    talk.send(start(200, length(len(DATA))))
    task = talk.sending(pathsend(str(path)))
    talk.on_lost()
    transfer.hold.set_result(None)
    talk.loop.turn()

    with pytest.raises(ClientDisconnected):
        task.result()
    assert talk.watcher.done == [(200, CHUNK)]
