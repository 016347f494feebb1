"""The access log's line: its form, and that no request can forge or flood one."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.contract import Request
from appserver.errors import ConfigError
from appserver.events import Event
from appserver.ops.access import BATCH_BYTES, BATCH_SECONDS, REPORT_SECONDS, AccessLog
from tests.support.events import EventLog

LINE = re.compile(rb'\S+ - - \[[^\]]+\] "\S+ \S+ HTTP/\S+" (\d+|-) \d+ \d+\.\d{3}ms\n')
NOON = 1_793_685_738.5  # 2026-11-03 06:02:18 UTC


def request(method: str = "GET", raw_path: bytes = b"/", client: tuple[str, int] | None = ("192.0.2.7", 5)) -> Request:
    made = Request()
    made.method, made.raw_path, made.client, made.version = method, raw_path, client, "2"
    made.query = b"token=secret"
    return made


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("access") / "log"


def never(seconds: float, call: Callable[[], None]) -> None:
    """Stand in for a loop that does not turn."""


def logged(path: Path, *requests: Request, status: int = 200) -> bytes:
    log = AccessLog(str(path), later=never, wall=lambda: NOON)
    for item in requests:
        log.on_done(item, status, 1234, 0.000412)
    log.close()
    return path.read_bytes()


def test_a_line(tmp_path: Path) -> None:
    assert logged(tmp_path / "log", request(raw_path=b"/a%20b")) == (
        b'192.0.2.7 - - [03/Nov/2026:06:02:18 +0000] "GET /a%20b HTTP/2" 200 1234 0.412ms\n'
    )


def test_the_query_is_not_logged(tmp_path: Path) -> None:
    assert b"secret" not in logged(tmp_path / "log", request())


def test_a_client_without_an_address_and_an_answer_that_never_was(tmp_path: Path) -> None:
    assert logged(tmp_path / "log", request(client=None), status=0) == (
        b'- - - [03/Nov/2026:06:02:18 +0000] "GET / HTTP/2" - 1234 0.412ms\n'
    )


def test_connect_has_its_authority(tmp_path: Path) -> None:
    tunnel = request("CONNECT", b"")
    tunnel.authority = b"example.com:443"

    assert b'"CONNECT example.com:443 HTTP/2"' in logged(tmp_path / "log", tunnel)


def test_no_other_method_has_its_authority(tmp_path: Path) -> None:
    refused = request("GET", b"")
    refused.authority = b"example.com"

    assert b'"GET - HTTP/2"' in logged(tmp_path / "log", refused, status=400)


def test_nothing_is_too_long(tmp_path: Path) -> None:
    line = logged(tmp_path / "log", request("X" * 10_000, b"/" * 100_000, ("f" * 10_000, 1)))

    assert len(line) < 2_300
    assert b"/... HTTP" in line


@given(method=st.text(), raw_path=st.binary(), client=st.text(), version=st.text(), target=st.binary())
def test_no_request_leaves_its_line_or_its_quotes(
    scratch: Path, method: str, raw_path: bytes, client: str, version: str, target: bytes
) -> None:
    asked = request(method, raw_path, (client, 1))
    asked.version, asked.target = version, target
    scratch.unlink(missing_ok=True)

    assert LINE.fullmatch(logged(scratch, asked))


@pytest.mark.parametrize(
    ("method", "target", "said"),
    [
        ("", b"", b'"- - HTTP/1.1" 400 '),
        ("GET", b"", b'"GET - HTTP/1.1" 400 '),
        ("GET", b"/a?token=secret", b'"GET /a HTTP/1.1" 400 '),
        ("GET", b"?", b'"GET - HTTP/1.1" 400 '),
    ],
)
def test_a_head_that_was_refused_before_it_was_whole(tmp_path: Path, method: str, target: bytes, said: bytes) -> None:
    refused = Request()
    refused.method, refused.target, refused.version = method, target, "1.1"

    assert said in logged(tmp_path / "log", refused, status=400)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.0, b"0.000ms"),
        (0.0000004, b"0.000ms"),
        (0.0000006, b"0.001ms"),
        (0.9999999, b"1000.000ms"),
        (1.2345678, b"1234.568ms"),
        (86_400.0, b"86400000.000ms"),
    ],
)
def test_the_duration(tmp_path: Path, seconds: float, said: bytes) -> None:
    log = AccessLog(str(tmp_path / "log"), later=never)
    log.on_done(request(), 200, 5, seconds)
    log.close()

    assert (tmp_path / "log").read_bytes().endswith(b" 5 " + said + b"\n")


@pytest.mark.parametrize(("status", "sent"), [(200, 0), (404, 1_023), (599, 1_024), (799, 2**40)])
def test_numbers(tmp_path: Path, status: int, sent: int) -> None:
    log = AccessLog(str(tmp_path / "log"), later=never)
    log.on_done(request(), status, sent, 0.0)
    log.close()

    assert b" %d %d 0.000ms" % (status, sent) in (tmp_path / "log").read_bytes()


def test_the_clock_is_read_anew_each_second(tmp_path: Path) -> None:
    seconds = iter([NOON, NOON + 0.4, NOON + 1])
    log = AccessLog(str(tmp_path / "log"), later=never, wall=lambda: next(seconds))

    for _ in range(3):
        log.on_done(request(), 200, 0, 0.0)
    log.close()

    assert re.findall(rb":(\d\d) \+0000", (tmp_path / "log").read_bytes()) == [b"18", b"18", b"19"]


@pytest.fixture
def log() -> Iterator[EventLog]:
    log = EventLog()
    log.open()
    yield log
    log.shut()


class FakeTime:
    """A fake clock and a fake `call_later`."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.calls: list[Callable[[], None]] = []

    def log(self, target: Path | str) -> AccessLog:
        return AccessLog(str(target), later=self._later, clock=lambda: self.now)

    def turn(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        assert seconds == BATCH_SECONDS
        self.calls.append(call)


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n")


def written(log: AccessLog, path: Path, count: int) -> bool:
    """Tell whether so many lines are there, once what was handed over is."""
    log.reopen()  # in the writer, behind what waits there
    log.close()
    return lines(path) == count


def test_lines_wait_for_the_turn_and_are_handed_over_together(tmp_path: Path) -> None:
    time = FakeTime()
    log = time.log(tmp_path / "log")
    for _ in range(2):
        log.on_done(request(), 200, 0, 0.0)

    assert lines(tmp_path / "log") == 0
    assert len(time.calls) == 1
    time.turn()
    assert written(log, tmp_path / "log", 2)


def test_a_full_batch_does_not_wait(tmp_path: Path) -> None:
    log = FakeTime().log(tmp_path / "log")
    path = b"/" + b"x" * 999
    for _ in range(BATCH_BYTES // 1000):
        log.on_done(request(raw_path=path), 200, 0, 0.0)

    log.close()
    assert lines(tmp_path / "log") == BATCH_BYTES // 1000


def test_losses_are_told_once_a_minute(log: EventLog) -> None:
    time = FakeTime()
    access = time.log("/dev/full")

    def ask() -> None:
        access.on_done(request(), 200, 0, 0.0)
        while time.calls:
            time.turn()

    ask()
    ask()
    assert log.only(Event.ACCESS_LOG_FAILED) == {
        "target": "/dev/full", "reason": "No space left on device", "dropped": 1
    }  # fmt: skip
    time.now += REPORT_SECONDS
    ask()
    access.close()

    assert sum(vars(record)["values"]["dropped"] for record in log.records) == 3


def test_closing_tells_what_was_lost(log: EventLog) -> None:
    access = FakeTime().log("/dev/full")
    access.on_done(request(), 200, 0, 0.0)
    access.close()

    assert log.only(Event.ACCESS_LOG_FAILED)["dropped"] == 1


def test_the_running_loop_is_the_clock_by_default(tmp_path: Path) -> None:
    async def scene() -> None:
        access = AccessLog(str(tmp_path / "log"))
        access.on_done(request(), 200, 0, 0.0)
        async with asyncio.timeout(20):
            while not lines(tmp_path / "log"):
                await asyncio.sleep(0.01)
        access.close()

    asyncio.run(scene())
    assert lines(tmp_path / "log") == 1


def test_rotation(tmp_path: Path) -> None:
    access = FakeTime().log(tmp_path / "log")
    access.on_done(request(raw_path=b"/old"), 200, 0, 0.0)
    access.flush()
    (tmp_path / "log").rename(tmp_path / "log.1")
    access.reopen()
    access.on_done(request(raw_path=b"/new"), 200, 0, 0.0)
    access.close()

    assert b"/old" in (tmp_path / "log.1").read_bytes()
    assert b"/new" in (tmp_path / "log").read_bytes()


def test_stdout_takes_it_too(capfd: pytest.CaptureFixture[str]) -> None:
    access = FakeTime().log("-")
    access.on_done(request(), 200, 0, 0.0)
    access.close()

    assert '"GET / HTTP/2" 200 0' in capfd.readouterr().out


def test_a_file_that_cannot_be_opened_is_the_user_s_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"access log '.*': cannot be opened: Is a directory"):
        AccessLog(str(tmp_path))
