"""The throw-away certificate is what a strict client accepts for the site's names, and for no others."""

from __future__ import annotations

import ssl
import stat
from pathlib import Path

import pytest

from proxyconf.verify.certificates import Certificates, make


def handshake(files: Certificates, hostname: str) -> str | None:
    """Shake hands in memory; return the protocol that ALPN chose."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(files.certificate, files.key)
    client = ssl.create_default_context(cafile=files.ca)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for context in (server, client):
        context.set_alpn_protocols(["h2"])
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=hostname),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    waiting = list(ends)
    for _ in range(6):
        for end in list(waiting):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            waiting.remove(end)
    assert not waiting
    return ends[0].selected_alpn_protocol()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make(tmp_path_factory.mktemp("certs"), ["demo.localhost", "*.shop.example"])


@pytest.mark.parametrize("hostname", ["demo.localhost", "www.shop.example", "127.0.0.1"])
def test_a_strict_client_accepts_it_for_the_sites_names(files: Certificates, hostname: str) -> None:
    assert handshake(files, hostname) == "h2"


def test_and_for_no_other(files: Certificates) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(files, "other.test")


def test_nobody_else_may_read_the_key(files: Certificates) -> None:
    assert stat.S_IMODE(Path(files.key).stat().st_mode) == 0o600
