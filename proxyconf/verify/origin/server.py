"""The origin's listeners: the first bytes of a connection tell what it speaks."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import Any

from proxyconf.verify import proxy_header
from proxyconf.verify.address import Address
from proxyconf.verify.origin.http1 import Http1Connection
from proxyconf.verify.origin.http2 import Http2Connection
from proxyconf.verify.origin.journal import Journal
from proxyconf.verify.seen import Seen

__all__ = ["FEATURES", "listen"]

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FEATURES = frozenset({"early_hints", "trailers", "request_trailers", "websocket", "websocket_over_http2", "raw", "tls"})


async def listen(bind: Address, journal: Journal, tls: ssl.SSLContext | None = None) -> asyncio.Server:
    """Serve at `bind`."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = journal.connected(bind.text)
        try:
            await _serve(reader, writer, _facts(bind, number, writer), journal)
        except ConnectionError:
            return  # a peer that leaves is no event: what it asked is in the journal
        finally:
            journal.disconnected(bind.text)
            writer.close()

    if bind.path is not None:
        bind.path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(accepted, bind.path, ssl=tls)
        bind.path.chmod(0o666)  # a proxy may run as a user of its own
        return server
    return await asyncio.start_server(accepted, *bind.host_and_port, ssl=tls, backlog=1024)


def _facts(bind: Address, number: int, writer: asyncio.StreamWriter) -> Seen:
    """What is known of every request of this connection."""
    sock, peer = writer.get_extra_info("socket"), writer.get_extra_info("peername")
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
    return Seen(
        listener=bind.text, connection=number, scheme="https" if tls else "http", tls=_tls_facts(tls),
        peer=f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else "unix:",
    )  # fmt: skip


def _tls_facts(tls: ssl.SSLObject | None) -> dict[str, Any] | None:
    return {"version": tls.version(), "alpn": tls.selected_alpn_protocol()} if tls else None


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, facts: Seen, journal: Journal) -> None:
    try:
        first = await _after_proxy_header(reader, facts)
    except proxy_header.ProxyHeaderError as error:
        journal.note(Seen(listener=facts.listener, connection=facts.connection, error=f"PROXY header: {error}"))
        return
    while PREFACE.startswith(first) and len(first) < len(PREFACE):
        data = await reader.read(65_536)
        if not data:
            return
        first += data
    kind = Http2Connection if first.startswith(PREFACE) else Http1Connection
    await kind(reader, writer, first, facts, journal).serve()


async def _after_proxy_header(reader: asyncio.StreamReader, facts: Seen) -> bytes:
    """Read the first bytes, and past a PROXY header if they are one."""
    data = await reader.read(65_536)
    while data and proxy_header.may_begin(data):
        said = proxy_header.read(data) if len(data) >= len(proxy_header.LINE) else None
        if said is not None:
            facts.proxy, length = said
            return data[length:] or await reader.read(65_536)
        more = await reader.read(65_536)
        if not more:
            return data
        data += more
    return data
