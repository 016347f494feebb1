"""Exchange, files that are gone or become shorter, disks and clients that are slow, and those who leave."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from appserver.apps.files import CHUNK, OpenFile
from appserver.contract import Reset
from appserver.errors import BodyTooShort, ClientDisconnected, InvalidMessage, UnexpectedMessage
from appserver.events import Event
from tests.support.asgi import Talk, body, pathsend, start, zerocopysend
from tests.support.events import EventLog
from tests.support.held_jobs import HeldJobs
from tests.unit.apps.asgi.test_exchange_files import DATA, cached, give, jobs, length, no_leak, path

Converse = Callable[..., Talk]
__all__ = ["cached", "jobs", "no_leak", "path"]


# Faults of files


@pytest.mark.parametrize(
    ("name", "error"),
    [("none", FileNotFoundError), (".", IsADirectoryError), ("file/under", NotADirectoryError), ("x" * 300, OSError)],
)
def test_what_cannot_be_opened_is_raised_with_its_name(
    converse: Converse, jobs: HeldJobs, path: Path, name: str, error: type[OSError]
) -> None:
    talk = converse()
    talk.send(start())
    wrong = f"{path.parent}/{name}"
    with pytest.raises(error) as caught:
        give(talk, pathsend(wrong))
    assert caught.value.filename == wrong

    # Nothing was sent: the application may say so.
    talk.send(body(b"gone"))
    assert talk.stream.body == b"gone"


def test_not_caught_it_ends_the_answer_as_broken(
    converse: Converse, jobs: HeldJobs, path: Path, log: EventLog
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(start(200, length(5)))
        await send(pathsend(f"{path}.none"))

    talk = converse(app)

    assert [call[0] for call in talk.said] == ["respond", "reset"]
    assert log.names == [Event.APPLICATION_FAILED.name]
    assert talk.watcher.done == [(200, 0)]


@pytest.mark.parametrize("name", [7, None, "", "a\0b", b"a\0b", "\ud800"])
def test_what_is_no_path(converse: Converse, jobs: HeldJobs, name: Any) -> None:
    talk = converse()
    talk.send(start())
    with pytest.raises(InvalidMessage, match="path of a file"):
        give(talk, pathsend(name))
    talk.send(body(b"ok"))

    assert talk.stream.body == b"ok"


@pytest.mark.parametrize("source", ["fifo", "/dev/zero", "/dev/null"])
def test_only_regular_files_are_sent_and_nothing_waits_for_another(
    converse: Converse, jobs: HeldJobs, tmp_path: Path, source: str
) -> None:
    if source == "fifo":
        source = str(tmp_path / "fifo")
        os.mkfifo(source)
    talk = converse()
    talk.host.files.note_cached(os.fsencode(source))
    talk.send(start())
    with pytest.raises(InvalidMessage, match=f"{source!r} is not a regular file"):
        give(talk, pathsend(source))


@pytest.mark.parametrize(
    "wrong",
    [
        {"file": None}, {"file": "name"}, {"file": -1}, {"file": True}, {"offset": -1}, {"offset": "0"}, {"count": -1},
        {"count": 1.5}, {"count": True}, {"offset": 1 << 63},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_part_of_a_file(converse: Converse, jobs: HeldJobs, path: Path, wrong: dict[str, Any]) -> None:
    talk = converse()
    talk.send(start())
    with path.open("rb") as file, pytest.raises(InvalidMessage):
        give(talk, {**zerocopysend(file), **wrong})
    talk.send(body(b"ok"))

    assert talk.stream.body == b"ok"


def test_a_pipe_and_a_text_file_are_refused(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    talk = converse()
    talk.send(start())
    reading, writing = os.pipe()
    with pytest.raises(InvalidMessage, match="not a regular file"):
        give(talk, zerocopysend(reading))
    with pytest.raises(InvalidMessage, match="not a regular file"):
        give(talk, zerocopysend(reading, offset=0))
    os.close(reading)
    os.close(writing)
    with path.open(encoding="latin-1") as file, pytest.raises(InvalidMessage, match="binary mode"):
        give(talk, zerocopysend(file))
    with pytest.raises(OSError, match="Bad file descriptor"):
        give(talk, zerocopysend(100_000))


def test_a_file_shorter_than_its_content_length_is_not_begun(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    talk = converse()
    talk.send(start(200, length(len(DATA) + 1)))
    with pytest.raises(BodyTooShort, match=f"{str(path)!r} has {len(DATA)} bytes .* leaves {len(DATA) + 1}"):
        give(talk, pathsend(str(path)))

    assert [call[0] for call in talk.said] == ["respond", "reset"]


@pytest.mark.parametrize("declared", [True, False])
def test_a_file_that_becomes_shorter_is_broken_off(
    converse: Converse, jobs: HeldJobs, path: Path, declared: bool
) -> None:
    talk = converse()
    talk.send(start(200, length(len(DATA)) if declared else []))
    talk.stream.full_after = 1
    task = talk.sending(pathsend(str(path)))
    path.write_bytes(DATA[: CHUNK + 10])
    talk.on_writable()

    with pytest.raises(BodyTooShort, match=f"{str(path)!r} has become shorter: \\d+ bytes are missing"):
        task.result()
    assert talk.said[-1] == ("reset", Reset.INTERNAL_ERROR)
    assert not any(call[0] == "write" and call[-1] for call in talk.said)
    with pytest.raises(UnexpectedMessage):
        talk.send(body(b"the end"))


def test_a_file_that_vanishes_is_still_sent(converse: Converse, jobs: HeldJobs, path: Path) -> None:
    """What is open stays, as everywhere on Unix."""
    talk = converse()
    talk.send(start())
    talk.stream.full_after = 1
    task = talk.sending(pathsend(str(path)))
    path.unlink()
    for _ in range(10):
        talk.on_writable()

    task.result()
    assert talk.stream.body == DATA


def test_a_disk_that_fails_is_named(
    converse: Converse, monkeypatch: pytest.MonkeyPatch, jobs: HeldJobs, path: Path
) -> None:
    monkeypatch.setattr(OpenFile, "read_cached", lambda file, offset, size: b"")
    talk = converse()
    talk.send(start())
    talk.stream.full_after = 1
    task = talk.sending(pathsend(str(path)))

    def fail(*arguments: object) -> bytes:
        raise OSError(5, "Input/output error")

    jobs.held = True
    talk.on_writable()
    monkeypatch.setattr(os, "pread", fail)
    while jobs.waiting:
        jobs.do()
        talk.loop.turn()

    if task.done() and not task.exception():
        pytest.fail("it was read")
    with pytest.raises(OSError, match=f"Input/output error: {str(path)!r}"):
        task.result()
    assert talk.said[-1] == ("reset", Reset.INTERNAL_ERROR)


# A slow disk, a slow client, and those who leave


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> HeldJobs:
    """Nothing is cached, and threads wait."""
    monkeypatch.setattr(OpenFile, "read_cached", lambda file, offset, size: b"")
    jobs = HeldJobs(monkeypatch)
    jobs.held = True
    return jobs


def test_the_loop_goes_on_while_the_disk_is_slow(converse: Converse, slow: HeldJobs, path: Path) -> None:
    talk = converse()
    talk.send(start())
    task = talk.sending(pathsend(str(path)))
    talk.loop.turn()
    assert talk.stream.body == b""

    chunks = 0
    while not task.done():
        assert len(slow.waiting) == 1, "one chunk at a time is asked for"
        slow.do()
        chunks += 1
        talk.loop.turn()
        assert len(talk.stream.body) == min(chunks * CHUNK, len(DATA))
    assert talk.stream.body == DATA


def test_while_the_client_is_slow_one_chunk_is_read_ahead(converse: Converse, slow: HeldJobs, path: Path) -> None:
    talk = converse()
    talk.send(start())
    talk.stream.full_after = 1
    task = talk.sending(pathsend(str(path)))
    slow.do()
    talk.loop.turn()
    assert len(talk.stream.body) == CHUNK
    assert len(slow.waiting) == 1
    slow.do()
    talk.loop.turn()
    assert (len(talk.stream.body), slow.waiting) == (CHUNK, []), "and no more"

    talk.on_writable()
    assert len(talk.stream.body) == 2 * CHUNK
    task.cancel()
    talk.loop.turn()
    while slow.waiting:
        slow.do()


def test_others_may_not_write_into_a_file(converse: Converse, slow: HeldJobs, path: Path) -> None:
    talk = converse()
    talk.send(start())
    task = talk.sending(pathsend(str(path)))
    with pytest.raises(UnexpectedMessage, match=r"'http\.response\.body' in phase FILE; allowed: nothing"):
        talk.send(body(b"in between"))
    slow.held = False
    slow.do()
    talk.loop.turn(60)

    task.result()
    assert talk.stream.body == DATA


@pytest.mark.parametrize("when", ["opening", "reading", "writing"])
def test_a_client_that_leaves_ends_it_and_the_file_is_closed(
    converse: Converse, slow: HeldJobs, path: Path, when: str
) -> None:
    talk = converse()
    talk.send(start())
    if when == "writing":
        talk.stream.full_after = 1
    task = talk.sending(pathsend(str(path)))
    if when != "opening":
        slow.do()
        talk.loop.turn()
    if when == "writing":
        slow.do()  # the chunk ahead
        talk.loop.turn()
    sent = len(talk.stream.body)
    talk.on_lost()
    while slow.waiting:
        slow.do()
        talk.loop.turn()

    with pytest.raises(ClientDisconnected):
        task.result()
    assert talk.stream.late == []
    assert talk.watcher.done == [(200, sent)]


def test_cancelled_while_it_opens_nothing_was_sent(converse: Converse, slow: HeldJobs, path: Path) -> None:
    talk = converse()
    talk.send(start())
    task = talk.sending(pathsend(str(path)))
    task.cancel()
    talk.loop.turn()
    assert task.cancelled()
    while slow.waiting:
        slow.do()
    talk.send(body(b"too slow"))

    assert talk.stream.body == b"too slow"


def test_cancelled_in_its_middle_it_is_broken_off(converse: Converse, slow: HeldJobs, path: Path) -> None:
    talk = converse()
    talk.send(start())
    task = talk.sending(pathsend(str(path)))
    slow.do()
    talk.loop.turn()
    task.cancel()
    talk.loop.turn()
    while slow.waiting:
        slow.do()

    assert talk.said[-1] == ("reset", Reset.INTERNAL_ERROR)


def test_the_application_returns_while_another_task_sends_a_file(
    converse: Converse, slow: HeldJobs, path: Path, log: EventLog
) -> None:
    talk = converse()
    talk.send(start())
    task = talk.sending(pathsend(str(path)))
    talk.leave()
    slow.do()
    talk.loop.turn()

    with pytest.raises(UnexpectedMessage, match="ended while a file"):
        task.result()
    assert talk.said[-1] == ("reset", Reset.INTERNAL_ERROR)
    assert talk.watcher.done == [(200, 0)]
