"""A real gRPC client, grpcio, against `examples/grpc`: the four shapes, statuses, deadlines, cancellation, many streams."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from typing import Any

import grpc
import httpx
import pytest

from tests.live.conftest import FAULTS, LOOPS
from tests.support.process import ENGINES, Server, demand, until

STREAMS, MESSAGES = 1_000, 10
UNBOUNDED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    engine = demand(request.param)
    options = ["--no-http1", "--h2-engine", engine, "--loop", LOOPS[engine], "--h2-max-concurrent-streams", str(STREAMS)]
    with Server("examples.grpc.app:app", *options) as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", options=UNBOUNDED) as channel:
        yield channel


def path(name: str) -> str:
    return f"/probe.v1.Probe/{name}"


def unary(channel: grpc.Channel, name: str) -> Any:
    return channel.unary_unary(path(name), None, None)


def cancelled(channel: grpc.Channel) -> int:
    return int(unary(channel, "Cancelled")(b"", timeout=30))


def test_unary_calls(channel: grpc.Channel) -> None:
    calls = [unary(channel, "Echo").future(b"message %d" % n, timeout=30) for n in range(300)]
    assert [call.result() for call in calls] == [b"message %d" % n for n in range(300)]
    assert dict(calls[0].trailing_metadata())["x-size"] == "9"


def test_a_large_message(channel: grpc.Channel) -> None:
    assert unary(channel, "Echo")(bytes(4_000_000), timeout=30) == bytes(4_000_000)


def test_a_message_that_is_too_large(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        unary(channel, "Echo")(bytes(5_000_000), timeout=30)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_stream_from_the_server(channel: grpc.Channel) -> None:
    stream = channel.unary_stream(path("Count"), None, None)(b"1000", timeout=30)
    assert list(stream) == [b"%d" % n for n in range(1000)]
    assert stream.code() is grpc.StatusCode.OK


def test_a_stream_from_the_client(channel: grpc.Channel) -> None:
    numbers = (b"%d" % n for n in range(1000))
    assert channel.stream_unary(path("Total"), None, None)(numbers, timeout=30) == b"499500"


def talk(call: grpc.StreamStreamMultiCallable, messages: int) -> None:
    """Send a message when the one before was answered: neither side waits for the other's end."""
    waiting: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    stream = call(iter(waiting.get, None), timeout=30)
    for number in range(messages):
        waiting.put(b"%d" % number)
        assert next(stream) == b"%d" % number
    waiting.put(None)
    assert list(stream) == []
    assert stream.code() is grpc.StatusCode.OK


def test_a_stream_both_ways(channel: grpc.Channel) -> None:
    talk(channel.stream_stream(path("Chat"), None, None), 20)


def test_an_error_is_one_head(channel: grpc.Channel) -> None:
    # Trailers-Only: grpcio has no initial metadata then, and the status all the same.
    with pytest.raises(grpc.RpcError) as caught:
        unary(channel, "FailAtOnce")(b"", timeout=30)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing: 100 % gone")
    assert list(caught.value.initial_metadata()) == []


def test_an_error_after_a_message(channel: grpc.Channel) -> None:
    stream = channel.unary_stream(path("Fail"), None, None)(b"", timeout=30)
    assert next(stream) == b"so far"
    with pytest.raises(grpc.RpcError) as caught:
        next(stream)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing: 100 % gone")


@pytest.mark.parametrize(
    ("name", "message", "code"),
    [("Nothing", b"", grpc.StatusCode.UNIMPLEMENTED), ("Total", b"x", grpc.StatusCode.INVALID_ARGUMENT)],
)
def test_other_errors(channel: grpc.Channel, name: str, message: bytes, code: grpc.StatusCode) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        unary(channel, name)(message, timeout=30)
    assert caught.value.code() is code


def test_a_deadline_ends_the_call_on_both_sides(channel: grpc.Channel) -> None:
    before = cancelled(channel)
    with pytest.raises(grpc.RpcError) as caught:
        unary(channel, "Wait")(b"", timeout=0.1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: cancelled(channel) == before + 1, "the application gives up")


def test_the_server_keeps_the_deadline_that_a_client_only_announces(server: Server) -> None:
    fields = {"content-type": "application/grpc", "te": "trailers", "grpc-timeout": "100m"}
    with httpx.Client(http1=False, http2=True, timeout=30) as client:
        response = client.post(f"http://127.0.0.1:{server.port}{path('Wait')}", headers=fields, content=bytes(5))
    assert (response.status_code, response.headers["grpc-status"], response.content) == (200, "4", b"")


def test_a_cancelled_call_cancels_the_application(channel: grpc.Channel) -> None:
    before = cancelled(channel)
    calls = [unary(channel, "Wait").future(b"") for _ in range(5)]
    # What is behind them on the connection has been answered: they are there.
    assert unary(channel, "Echo")(b"x", timeout=30) == b"x"
    for call in calls:
        assert call.cancel()
    until(lambda: cancelled(channel) == before + 5, "the application gives up")


def test_a_thousand_streams_at_once(server: Server) -> None:
    async def talk(channel: grpc.aio.Channel, number: int, gate: asyncio.Barrier) -> list[bytes]:
        call = channel.stream_stream(path("Chat"), None, None)(timeout=60)
        got = []
        for turn in range(MESSAGES):
            await call.write(b"%d of %d" % (turn, number))
            got.append(await call.read())
            if turn == 0:
                await gate.wait()  # all are open, and none is done
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
        return got

    async def run() -> list[list[bytes]]:
        gate = asyncio.Barrier(STREAMS)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            return await asyncio.gather(*(talk(channel, number, gate) for number in range(STREAMS)))

    assert asyncio.run(run()) == [[b"%d of %d" % (turn, number) for turn in range(MESSAGES)] for number in range(STREAMS)]
