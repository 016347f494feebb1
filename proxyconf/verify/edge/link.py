"""Where the edge is, and how to connect to it: name, port, TLS, from which address of the machine."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, replace
from pathlib import Path

from proxyconf.verify import proxy_header

__all__ = ["Edge", "EdgeError", "Link"]

CONNECT_SECONDS = 10.0
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class EdgeError(Exception):
    """The edge could not be reached, or broke the protocol; the text says how."""


@dataclass(slots=True)
class Link:
    """One connection to the edge."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tls: ssl.SSLObject | None

    @property
    def alpn(self) -> str | None:
        """What the edge chose; None in cleartext."""
        return self.tls.selected_alpn_protocol() if self.tls else None

    def abort(self) -> None:
        """Leave at once."""
        self.writer.transport.abort()


@dataclass(frozen=True, slots=True)
class Edge:
    """One listener of the proxy as a client names it. `ca` None in cleartext; `verify` False trusts any certificate."""

    hostname: str
    port: int
    tls: bool = True
    ca: Path | None = None
    verify: bool = True
    connect_to: str = "127.0.0.1"
    source: str | None = None  # the client's own address
    proxy_protocol: int = 0  # a PROXY header of this version names the client, as a balancer in front would

    @property
    def scheme(self) -> str:
        """https or http."""
        return "https" if self.tls else "http"

    @property
    def authority(self) -> str:
        """The site's authority: the port is left out where it is the scheme's own."""
        standard = 443 if self.tls else 80
        return self.hostname if self.port == standard else f"{self.hostname}:{self.port}"

    @property
    def url(self) -> str:
        """The site's root."""
        return f"{self.scheme}://{self.authority}"

    def from_address(self, source: str) -> Edge:
        """Return it for a client with that address."""
        return replace(self, source=source)

    def named(self, hostname: str) -> Edge:
        """Return it under another name."""
        return replace(self, hostname=hostname)

    def _context(self, alpn: tuple[str, ...]) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.ca)
        if not self.verify:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    async def connect(self, *alpn: str) -> Link:
        """Connect and offer `alpn`; raises `EdgeError`."""
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await (self._announced(alpn) if self.proxy_protocol else self._direct(alpn))
        except TimeoutError as error:
            raise EdgeError(f"no connection to {self.connect_to}:{self.port} within {CONNECT_SECONDS:g} s") from error
        except OSError as error:
            raise EdgeError(f"no connection to {self.connect_to}:{self.port}: {error}") from error
        return Link(reader, writer, writer.get_extra_info("ssl_object"))

    async def _direct(self, alpn: tuple[str, ...]) -> Streams:
        return await asyncio.open_connection(
            self.connect_to, self.port, ssl=self._context(alpn) if self.tls else None,
            server_hostname=self.hostname if self.tls else None, local_addr=(self.source, 0) if self.source else None,
        )  # fmt: skip

    async def _announced(self, alpn: tuple[str, ...]) -> Streams:
        """Connect as the balancer, and say who the client is before anything else."""
        reader, writer = await asyncio.open_connection(self.connect_to, self.port)
        local, remote = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        writer.write(proxy_header.write(self.proxy_protocol, (self.source or local[0], local[1]), remote[:2]))
        if self.tls:
            await writer.start_tls(self._context(alpn), server_hostname=self.hostname)
        return reader, writer
