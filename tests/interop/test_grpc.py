"""A real gRPC client: unary calls and streams, statuses in trailers, deadlines that cancel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from tests.live.conftest import FAULTS, LOOPS
from tests.support.process import ENGINES, Server, demand, until


@pytest.fixture(scope="module", params=ENGINES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    engine = demand(request.param)
    with Server("tests.interop.grpc_app:app", "--no-http1", "--h2-engine", engine, "--loop", LOOPS[engine]) as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}", options=[("grpc.max_receive_message_length", -1)]) as channel:
        yield channel


def unary(channel: grpc.Channel, name: str) -> Any:
    return channel.unary_unary(f"/test.Probe/{name}", None, None)


def test_unary_calls(channel: grpc.Channel) -> None:
    calls = [unary(channel, "Echo").future(b"message %d" % n, timeout=10) for n in range(300)]
    assert [call.result() for call in calls] == [b"message %d" % n for n in range(300)]
    assert dict(calls[0].trailing_metadata())["x-messages"] == "1"


def test_a_large_message(channel: grpc.Channel) -> None:
    assert unary(channel, "Echo")(bytes(5_000_000), timeout=20) == bytes(5_000_000)


def test_a_stream_of_messages(channel: grpc.Channel) -> None:
    stream = channel.unary_stream("/test.Probe/Count", None, None)(bytes(1000), timeout=10)
    assert list(stream) == [b"%d" % n for n in range(1000)]
    assert stream.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("name", ["Fail", "FailAtOnce"])
def test_a_status_that_is_not_ok(channel: grpc.Channel, name: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        unary(channel, name)(b"", timeout=10)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing")


def test_a_deadline_cancels_the_request(channel: grpc.Channel) -> None:
    before = int(unary(channel, "Cancelled")(b"", timeout=10))
    with pytest.raises(grpc.RpcError) as caught:
        unary(channel, "Wait")(b"", timeout=0.1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: int(unary(channel, "Cancelled")(b"", timeout=10)) == before + 1, "the application is told")
