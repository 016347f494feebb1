"""The probe origin as a process: `python -m proxyconf.verify.origin --control PATH --bind HOST:PORT --bind-tls HOST:PORT ...`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from proxyconf.verify.address import Address
from proxyconf.verify.origin.control import serve_control
from proxyconf.verify.origin.journal import Journal
from proxyconf.verify.origin.server import FEATURES, listen

__all__ = ["main"]


async def serve(control: Path, binds: Sequence[Address], tls_binds: Sequence[Address], tls: Contexts | None) -> None:
    """Serve until SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    journal = Journal("probe origin")
    servers = [await listen(bind, journal) for bind in binds]
    if tls is not None:
        servers += [await listen(bind, journal, tls.chosen_by(journal)) for bind in tls_binds]
    # Last, so that an answer there says that the rest is up.
    servers.append(await serve_control(journal, control, FEATURES, lambda: journal.open_connections))
    await stopped.wait()
    for server in servers:
        server.close()


@dataclass(frozen=True)
class Contexts:
    """What TLS listeners show: the certificate that the run trusts, or one that nobody does."""

    trusted: ssl.SSLContext
    untrusted: ssl.SSLContext

    def chosen_by(self, journal: Journal) -> ssl.SSLContext:
        """Return a context that looks at the journal with every handshake."""

        def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
            if journal.untrusted:
                connection.context = self.untrusted

        self.trusted.sni_callback = choose
        return self.trusted


def context(pair: Sequence[Path]) -> ssl.SSLContext:
    """Return what serves a certificate and its key, by HTTP/2 or HTTP/1.1."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate, key = pair
    made.load_cert_chain(certificate, key)
    made.set_alpn_protocols(["h2", "http/1.1"])
    # A session that is resumed shows no certificate.
    made.num_tickets, made.options = 0, made.options | ssl.OP_NO_TICKET
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m proxyconf.verify.origin", description=__doc__)
    parser.add_argument("--control", type=Path, required=True, help="unix socket that answers the probes' questions")
    parser.add_argument("--bind", action="append", type=Address, default=[], help="HOST:PORT or unix:PATH")
    parser.add_argument("--bind-tls", action="append", type=Address, default=[], help="the same, TLS")
    for name, what in (("--trusted", "PEM files for --bind-tls"), ("--untrusted", "PEM files to show when a probe asks for it")):
        parser.add_argument(name, nargs=2, type=Path, metavar=("CERTIFICATE", "KEY"), help=what)
    options = parser.parse_args(arguments)
    if options.bind_tls and not (options.trusted and options.untrusted):
        parser.error("--bind-tls needs --trusted and --untrusted")
    tls = Contexts(context(options.trusted), context(options.untrusted)) if options.bind_tls else None
    asyncio.run(serve(options.control, options.bind, options.bind_tls, tls))


if __name__ == "__main__":
    main()
