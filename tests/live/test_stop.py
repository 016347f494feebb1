"""A stop loses nothing that is in flight, takes nothing new, and ends within its bound."""

from __future__ import annotations

import json
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import FAULTS, LOOPS, PROBE, Talk
from tests.live.test_serve import digest
from tests.support.clients import Answer, Http1, Http2, Open
from tests.support.frames import Goaway
from tests.support.process import ENGINES, Server, best, demand, until

HIGHEST = 2**31 - 1
Logged = Callable[[], list[str]]


Start = Callable[..., Server]


@contextmanager
def starter(engine: str, log: Path) -> Iterator[Start]:
    """A way to start servers of one's own: these tests stop them."""
    with ExitStack() as stack:

        def start(*options: object) -> Server:
            words = ("--h2-engine", demand(engine), "--loop", LOOPS[engine], *options)
            return stack.enter_context(Server(PROBE, *words, env={"PROBE_LOG": str(log)}))

        yield start


@pytest.fixture(params=ENGINES)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    with starter(request.param, tmp_path / "log") as start:
        yield start


@pytest.fixture
def start_any(tmp_path: Path) -> Iterator[Start]:
    """For what the engine has no part in."""
    with starter(best(), tmp_path / "log") as start:
        yield start


@pytest.fixture
def logged(tmp_path: Path) -> Logged:
    return lambda: (tmp_path / "log").read_text().split()


def troubles(server: Server) -> list[str]:
    return [line for line in server.lines if " INFO " not in line]


def faults(server: Server) -> str:
    """What it wrote, if any of it is a fault."""
    return server.said if any(fault in server.said for fault in FAULTS) else ""


# Nothing is lost


class Load:
    """Requests of all kinds in flight: `begin` them, stop the server, `finish` them."""

    def __init__(self, server: Server, stack: ExitStack) -> None:
        # They wait until they are let through, so that all of them are in flight at the stop, whatever the machine does.
        self.opener = stack.enter_context(Http1(server.connect()))
        self.slow = [stack.enter_context(Http1(server.connect())) for _ in range(10)]
        self.upload = stack.enter_context(Http1(server.connect()))
        self.events = stack.enter_context(Http1(server.connect()))
        self.h2 = stack.enter_context(Http2(server.connect()))
        self.streams: list[Open] = []

    def begin(self) -> None:
        for n, client in enumerate(self.slow):
            assert client.ask("GET", "/hello").body == b"hello"
            client.request("GET", f"/gate?gate=load&id=slow{n}")
        self.opener.request("POST", "/open?gate=load&id=opener", [("content-length", "1")])
        self.upload.request("POST", "/digest?id=upload", [("content-length", "300000")], b"x" * 100_000)
        self.events.request("GET", "/stream?id=events&parts=20&pause=60")
        self.streams = [self.h2.open("GET", f"/gate?gate=load&id=stream{n}") for n in range(50)]
        self.streams.append(self.h2.open("GET", "/stream?parts=20&pause=60&size=16384"))
        self.streams.append(self.h2.open("POST", "/digest?id=h2upload", end=False))
        self.h2.upload(self.streams[-1], b"x" * 100_000, end=False)

    def finish(self) -> None:
        self.opener.send(b"x")
        assert self.opener.answer().status == 200
        self.upload.send(b"x" * 200_000)
        self.h2.upload(self.streams[-1], b"x" * 200_000)
        for n, client in enumerate(self.slow):
            answer = client.answer()
            assert (answer.text, answer["connection"]) == ("through", "close"), n
            assert client.is_closed()
        assert json.loads(self.upload.answer().body) == digest(b"x" * 300_000)
        events = self.events.answer()
        assert (events.size, events.whole) == (20 * 256, True)
        assert {self.h2.answer(stream).text for stream in self.streams[:50]} == {"through"}
        assert self.h2.answer(self.streams[50]).size == 20 * 16_384
        assert json.loads(self.h2.answer(self.streams[51]).body) == digest(b"x" * 300_000)
        assert all(stream.answer.whole for stream in self.streams)
        assert self.h2.is_closed()
        assert self.h2.goaways == [Goaway(HIGHEST, 0), Goaway(self.streams[-1].id, 0)]


def test_everything_in_flight_is_finished(start: Start, logged: Logged) -> None:
    server = start()
    number = signal.SIGINT if "pure engine" in server.said else signal.SIGTERM
    talk = Talk(server, Http1)
    with ExitStack() as stack:
        load = Load(server, stack)
        load.begin()
        for id in ("opener", "slow9", "stream49", "upload", "events", "h2upload"):
            talk.until_noted(id, "begun")
        server.signal(number)
        until(server.refuses, "new connections are refused")
        load.finish()
    assert server.wait() == 0
    assert f"{number.name}: stopping, 65 in flight, at most 30 s" in server.said
    assert "\n".join(troubles(server)) == ""
    assert logged() == ["startup", "shutdown"]


def test_clients_that_come_and_go_lose_nothing_they_were_promised(start: Start) -> None:
    server = start()
    broken: list[str] = []
    threads = [threading.Thread(target=hammer, args=(server, kind, broken)) for kind in ("h1", "h1", "h2", "new", "new")]
    for thread in threads:
        thread.start()
    time.sleep(0.4)
    assert server.stop() == 0
    for thread in threads:
        thread.join()
    assert broken == []
    assert faults(server) == ""


def hammer(server: Server, kind: str, broken: list[str]) -> None:
    """Ask until the server stops; write down each answer that began and did not end right."""
    asked = 0
    try:
        while True:
            with (Http2 if kind == "h2" else Http1)(server.connect()) as client:
                while asked < 100_000:
                    answer = client.ask("GET", f"/slow?ms={asked % 3}&id={kind}{asked}")
                    if answer.status and answer.text != f"{kind}{asked}":
                        broken.append(f"{kind}{asked}: {answer}")
                    asked += 1
                    if kind == "new" or not answer.status or answer["connection"] == "close" or is_leaving(client):
                        break
    except (ConnectionError, TimeoutError) as error:
        if not isinstance(error, ConnectionRefusedError | ConnectionResetError | BrokenPipeError):
            broken.append(repr(error))


def is_leaving(client: Any) -> bool:
    return isinstance(client, Http2) and bool(client.goaways)


def test_an_answer_to_a_slow_reader_is_finished(start: Start) -> None:
    server = start()
    with Http1(server.connect()) as one, Http2(server.connect(), window=65_535) as two:
        one.request("GET", "/stream?parts=100&size=65536")
        stream = two.open("GET", "/stream?parts=10&size=65536")
        two.read_until(lambda: stream.answer.size == 65_535)
        server.signal()
        until(server.refuses, "new connections are refused")
        time.sleep(0.2)
        two.send(two.client.window(stream.id, 2**20), two.client.window(0, 2**20))
        assert two.answer(stream).size == 10 * 65_536
        assert one.answer().size == 100 * 65_536
    assert server.wait() == 0


def test_idle_connections_hold_nothing_up(start: Start) -> None:
    server = start()
    with Http1(server.connect()) as one, Http2(server.connect()) as two, Http1(server.connect()) as silent:
        assert one.ask("GET", "/hello").body == two.ask("GET", "/hello").body == b"hello"
        silent.send(b"GET /hel")
        server.signal()
        assert one.is_closed()
        assert two.is_closed()
        assert two.goaways == [Goaway(HIGHEST, 0), Goaway(1, 0)]
        silent.send(b"lo HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (silent.answer().text, silent.is_closed()) == ("hello", True)
    assert server.wait() == 0


def test_a_request_that_is_on_its_way_on_an_idle_connection_is_answered(start: Start) -> None:
    server = start("--timeout-drain-idle", "10")
    with Http1(server.connect()) as used, Http1(server.connect()) as unused:
        assert used.ask("GET", "/hello").body == b"hello"
        server.signal()
        until(server.refuses, "new connections are refused")
        for client in (used, unused):
            answer = client.ask("GET", "/hello")
            assert (answer.body, answer["connection"]) == (b"hello", "close")
            assert client.is_closed()
    assert server.wait() == 0
    assert troubles(server) == []


def test_idle_connections_are_waited_for_within_the_graceful_bound(start: Start) -> None:
    server = start("--timeout-drain-idle", "20", "--timeout-graceful", "0.3")
    with Http1(server.connect()) as idle, Http1(server.connect()):
        assert idle.ask("GET", "/hello").body == b"hello"
        server.signal()
        assert server.wait() == 0  # sooner than they may be idle
    assert troubles(server) == []


# GOAWAY in two steps


class Mute(Http2):
    """A client that answers no PING: it has not read so far."""

    def send(self, *data: bytes) -> None:
        data = tuple(piece for piece in data if piece[3:5] != b"\x06\x01")
        if data:
            super().send(*data)


def test_a_stream_that_crosses_the_first_goaway_is_served(start: Start) -> None:
    server = start()
    with Mute(server.connect()) as client:
        first = client.open("GET", "/slow?ms=300&id=first")
        Talk(server, Http1).until_noted("first", "begun")
        server.signal()
        client.read_until(lambda: bool(client.goaways))
        assert client.goaways == [Goaway(HIGHEST, 0)]
        crossing = [client.open("GET", f"/slow?ms=100&id=crossing{n}") for n in range(10)]
        assert [client.answer(stream).text for stream in crossing] == [f"crossing{n}" for n in range(10)]
        assert client.answer(first).text == "first"
        assert client.is_closed()  # a second later at the latest
        assert client.goaways[1:] == [Goaway(crossing[-1].id, 0)]
    assert server.wait() == 0


def test_a_stream_after_the_second_goaway_is_not_begun(start: Start) -> None:
    server = start()
    talk = Talk(server, Http1)
    with Http2(server.connect()) as client:
        first = client.open("GET", "/gate?gate=stop&id=first")
        opener = Http1(server.connect())
        opener.request("POST", "/open?gate=stop", [("content-length", "1")])
        talk.until_noted("first", "waiting")
        server.signal()
        client.read_until(lambda: len(client.goaways) == 2)
        late = client.open("GET", "/raise?when=start")
        assert client.pending() == []
        opener.send(b"x")
        assert client.answer(first).text == "through"
        assert client.is_closed()
        assert (late.answer.status, client.goaways[1]) == (0, Goaway(first.id, 0))
        opener.close()
    assert server.wait() == 0
    assert "/raise" not in server.said


# The bound


def cut(answer: Answer) -> bool:
    return not answer.whole or answer.status == 503


def stuck(server: Server, stack: ExitStack) -> tuple[Http1, Http2, Open]:
    """Two requests that will never be answered, of which the application is told by being cancelled."""
    one, two = stack.enter_context(Http1(server.connect())), stack.enter_context(Http2(server.connect()))
    one.request("GET", "/gate?gate=never&id=one")
    stream = two.open("GET", "/gate?gate=never&id=two")
    talk = Talk(server, Http1)
    talk.until_noted("one", "waiting")
    talk.until_noted("two", "waiting")
    return one, two, stream


def test_what_exceeds_the_bound_is_cut(start: Start, logged: Logged) -> None:
    server = start("--timeout-graceful", "0.4")
    with ExitStack() as stack:
        one, two, stream = stuck(server, stack)
        began = time.monotonic()
        server.signal()
        assert cut(one.answer())
        assert cut(two.answer(stream))
        assert two.is_closed()
        two.close()
        assert server.wait() == 0
        assert time.monotonic() - began >= 0.4
    assert [line.rpartition("WARNING")[2].strip() for line in troubles(server)] == ["the graceful bound is over: 2 in flight were cut"]
    assert logged() == ["startup", "shutdown"]


@pytest.mark.parametrize(("first", "second"), [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)])
def test_a_second_signal_forces(start_any: Start, logged: Logged, first: int, second: int) -> None:
    server = start_any()
    with ExitStack() as stack:
        one, two, stream = stuck(server, stack)
        server.signal(first)
        until(lambda: "stopping" in server.said, "it stops")
        server.signal(second)
        assert cut(one.answer())
        assert cut(two.answer(stream))
        two.close()
        assert server.wait() == 0
    assert [line.rpartition("WARNING")[2].strip() for line in troubles(server)] == ["a second signal: 2 in flight were cut"]
    assert logged() == ["startup", "shutdown"]


def test_an_application_that_ignores_its_end_is_left(start_any: Start, logged: Logged) -> None:
    server = start_any("--timeout-graceful", "0.1")
    with Http1(server.connect()) as client:
        client.request("GET", "/stubborn")
        until(lambda: "stubborn" in logged(), "it runs")
        server.signal()
        assert cut(client.answer())
        assert server.wait() == 0
    assert logged()[-1] != "stubborn"


def test_a_client_that_does_not_read_is_cut(start_any: Start) -> None:
    server = start_any("--timeout-graceful", "0.3")
    with Http1(server.connect()) as one, Http2(server.connect(), window=0) as two:
        one.request("GET", "/flood?id=one&mib=64")
        two.open("GET", "/flood?id=two&mib=64")
        Talk(server, Http1).until_noted("two", "begun")
        server.signal()
        assert server.wait() == 0
    assert faults(server) == ""


@pytest.mark.parametrize("wait", [1, 0], ids=["of a request", "left to itself"])
def test_a_blocked_thread_does_not_outlive_the_bound(start_any: Start, logged: Logged, wait: int) -> None:
    server = start_any("--timeout-graceful", "0.1")
    with Http1(server.connect()) as client:
        client.request("GET", f"/thread?ms=60000&wait={wait}")
        until(lambda: "thread" in logged(), "it runs")
    server.signal()
    assert server.wait() == 0
    assert re.search(r"WARNING +cut, since it ran on after the stop: threads (uvloop|asyncio)_0\n", server.said)


def test_a_thread_that_ends_within_the_bound_is_waited_for(start_any: Start, logged: Logged) -> None:
    server = start_any("--timeout-graceful", "20")
    with Http1(server.connect()) as client:
        assert client.ask("GET", "/thread?ms=1500&wait=0").status == 200
    server.signal()
    assert server.wait() == 0
    assert logged()[-2:] == ["shutdown", "ended"]
    assert "ran on after the stop" not in server.said


# After the answers


def test_work_in_the_background_is_waited_for(start_any: Start, logged: Logged) -> None:
    server = start_any()
    for protocol in (Http1, Http2):
        assert Talk(server, protocol).ask("GET", "/background?ms=300").body == b"answered"
    assert server.stop() == 0
    assert logged() == ["startup", "background", "background", "shutdown"]
    assert "\n".join(troubles(server)) == ""


def test_work_in_the_background_is_cut_at_the_bound(start_any: Start, logged: Logged) -> None:
    server = start_any("--timeout-graceful", "0.1")
    assert Talk(server, Http1).ask("GET", "/background?ms=60000").body == b"answered"
    assert server.stop() == 0
    assert logged() == ["startup", "shutdown"]
    assert "1 in flight were cut" in server.said
