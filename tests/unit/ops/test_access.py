"""The access log's line: its form, and that no request can forge or flood one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appserver.contract import Request
from appserver.errors import ConfigError
from appserver.ops.access import AccessLog

LINE = re.compile(rb'\S+ - - \[[^\]]+\] "\S+ \S+ HTTP/\S+" (\d+|-) \d+ \d+\.\d{3}ms\n')
NOON = 1_793_685_738.5  # 2026-11-03 06:02:18 UTC


def request(method: str = "GET", raw_path: bytes = b"/", client: tuple[str, int] | None = ("192.0.2.7", 5)) -> Request:
    made = Request()
    made.method, made.raw_path, made.client, made.version = method, raw_path, client, "2"
    made.query = b"token=secret"
    return made


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


def test_nothing_is_too_long(tmp_path: Path) -> None:
    line = logged(tmp_path / "log", request("X" * 10_000, b"/" * 100_000, ("f" * 10_000, 1)))

    assert len(line) < 2_300
    assert b"/... HTTP" in line


@given(st.text(), st.binary(), st.text())
def test_no_request_leaves_its_line_or_its_quotes(method: str, raw_path: bytes, client: str) -> None:
    log = AccessLog("/dev/null", later=never)
    log.on_done(request(method, raw_path, (client, 1)), 200, 0, 0.0)
    (line,) = log._sink._pending
    log.close()

    assert LINE.fullmatch(line)


def test_the_clock_is_read_anew_each_second(tmp_path: Path) -> None:
    seconds = iter([NOON, NOON + 0.4, NOON + 1])
    log = AccessLog(str(tmp_path / "log"), later=never, wall=lambda: next(seconds))

    for _ in range(3):
        log.on_done(request(), 200, 0, 0.0)
    log.close()

    assert re.findall(rb":(\d\d) \+0000", (tmp_path / "log").read_bytes()) == [b"18", b"18", b"19"]


def test_a_file_that_cannot_be_opened_is_the_user_s_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"access log '.*': cannot be opened: Is a directory"):
        AccessLog(str(tmp_path))
