"""The probe origin as a process: `python -m proxyconf.verify.origin --control PATH --bind HOST:PORT ...`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
from collections.abc import Sequence
from pathlib import Path

from proxyconf.verify.address import Address
from proxyconf.verify.origin.control import serve_control
from proxyconf.verify.origin.journal import Journal
from proxyconf.verify.origin.server import FEATURES, listen

__all__ = ["main"]


async def serve(control: Path, binds: Sequence[Address], tls: ssl.SSLContext | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    journal = Journal("probe origin")
    servers = [await listen(bind, journal, tls) for bind in binds]
    # Last, so that an answer there says that the rest is up.
    servers.append(await serve_control(journal, control, FEATURES, lambda: journal.open_connections))
    await stopped.wait()
    for server in servers:
        server.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m proxyconf.verify.origin", description=__doc__)
    parser.add_argument("--control", type=Path, required=True, help="unix socket that answers the probes' questions")
    parser.add_argument("--bind", action="append", type=Address, required=True, help="HOST:PORT or unix:PATH")
    parser.add_argument("--certificate", type=Path, help="PEM file: speak TLS")
    parser.add_argument("--key", type=Path, help="PEM file of the certificate's key")
    options = parser.parse_args(arguments)
    tls = None
    if options.certificate:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(options.certificate, options.key)
        tls.set_alpn_protocols(["h2", "http/1.1"])
    asyncio.run(serve(options.control, options.bind, tls))


if __name__ == "__main__":
    main()
