"""Upstreams of the proofs beside `hop.Origin`: one that decides who comes in, and one that speaks gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc

__all__ = ["doorman", "grpc_server"]


async def doorman(scope: Any, receive: Any, send: Any) -> None:
    """Let in whoever has the cookie, and say who it is."""
    if scope["type"] != "http":
        return
    known = dict(scope["headers"]).get(b"cookie") == b"in=1"
    headers = [(b"x-user", b"ann")] if known else []
    await send({"type": "http.response.start", "status": 200 if known else 401, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


@contextmanager
def grpc_server() -> Iterator[str]:
    """Serve gRPC methods: one that answers, one that streams, one that fails before any message."""

    def fail(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such cart")
        return b""

    methods = {
        "Echo": grpc.unary_unary_rpc_method_handler(lambda request, context: request),
        "Fail": grpc.unary_unary_rpc_method_handler(fail),
        "Count": grpc.unary_stream_rpc_method_handler(lambda request, context: iter([b"1", b"2", b"3"])),
    }
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.v1.Cart", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0)
