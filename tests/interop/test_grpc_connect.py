"""gRPC by a framework, Connect for Python, and grpcio against it: the four shapes, a status, a deadline, cancellation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from protobuf.wkt.google.protobuf.wrappers_pb import BytesValue

from tests.interop.test_grpc import talk
from tests.live.conftest import FAULTS
from tests.support.process import Server, best, until


def encode(value: bytes) -> bytes:
    return BytesValue(value=value).to_binary()


def decode(message: bytes) -> bytes:
    return BytesValue.from_binary(message).value


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server("examples.grpc.connect:app", "--no-http1", "--h2-engine", best()) as server:
        yield server
        assert server.stop() == 0
        assert [line for line in server.lines if any(fault in line for fault in FAULTS)] == []


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel


def method(channel: grpc.Channel, shape: str, name: str) -> Any:
    return getattr(channel, shape)(f"/probe.v1.Probe/{name}", encode, decode)


def cancelled(channel: grpc.Channel) -> int:
    return int(method(channel, "unary_unary", "Cancelled")(b"", timeout=30))


def test_unary_calls(channel: grpc.Channel) -> None:
    calls = [method(channel, "unary_unary", "Echo").future(b"%d" % n, timeout=30) for n in range(100)]
    assert [call.result() for call in calls] == [b"%d" % n for n in range(100)]


def test_streams(channel: grpc.Channel) -> None:
    assert method(channel, "stream_unary", "Total")((b"%d" % n for n in range(100)), timeout=30) == b"4950"
    assert list(method(channel, "unary_stream", "Count")(b"100", timeout=30)) == [b"%d" % n for n in range(100)]


def test_a_stream_both_ways(channel: grpc.Channel) -> None:
    talk(method(channel, "stream_stream", "Chat"), 10)


def test_an_error_is_one_head(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        method(channel, "unary_unary", "FailAtOnce")(b"", timeout=30)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.NOT_FOUND, "no such thing: 100 % gone")


def test_a_deadline_and_a_cancellation_end_the_call_on_both_sides(channel: grpc.Channel) -> None:
    before = cancelled(channel)
    with pytest.raises(grpc.RpcError) as caught:
        method(channel, "unary_unary", "Wait")(b"", timeout=0.1)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    until(lambda: cancelled(channel) == before + 1, "the application gives up")

    call = method(channel, "unary_unary", "Wait").future(b"")
    # What is behind it on the connection has been answered: it is there.
    assert method(channel, "unary_unary", "Echo")(b"x", timeout=30) == b"x"
    assert call.cancel()
    until(lambda: cancelled(channel) == before + 2, "the application gives up")
