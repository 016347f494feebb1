"""After a TLS handshake: who is there and what was agreed, then the connection is the protocol's that was chosen."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

from appserver.accepted import Peer
from appserver.net.listeners import HTTP2, ListenerSettings
from appserver.net.tls import LoadedTls

__all__ = ["TlsFacts", "TlsHandshake", "distinguished_name"]

Connect = Callable[[Peer, ListenerSettings], asyncio.Protocol]

# RFC 9113 9.2.2: an empty SETTINGS frame, and GOAWAY with INADEQUATE_SECURITY (0xc); no stream was begun.
INADEQUATE_SECURITY = bytes.fromhex("000000 04 00 00000000  000008 07 00 00000000 00000000 0000000c")
VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
# RFC 4514 section 3, by OpenSSL's long names.
SHORT_NAMES = {
    "commonName": "CN", "localityName": "L", "stateOrProvinceName": "ST", "organizationName": "O",
    "organizationalUnitName": "OU", "countryName": "C", "streetAddress": "STREET", "domainComponent": "DC",
    "userId": "UID",
}  # fmt: skip


class TlsFacts:
    """What a handshake has come to, as ASGI's `tls` extension (version 0.2) has it."""

    __slots__ = ("_client_cert_chain", "_extension")

    def __init__(
        self, server_cert: str, client_cert_chain: tuple[str, ...], client_cert_name: str | None,
        tls_version: int | None, cipher_suite: int | None,
    ) -> None:  # fmt: skip
        self._client_cert_chain = client_cert_chain
        self._extension: dict[str, Any] = {
            "server_cert": server_cert,
            "client_cert_chain": None,
            "client_cert_name": client_cert_name,
            # A client whose certificate is not in order does not get through the handshake.
            "client_cert_error": None,
            "tls_version": tls_version,
            "cipher_suite": cipher_suite,
        }

    def extension(self) -> dict[str, Any]:
        """Return it as `scope["extensions"]["tls"]`: a dictionary of the caller's own, for every request."""
        extension = self._extension.copy()
        extension["client_cert_chain"] = [*self._client_cert_chain]
        return extension


class TlsHandshake(asyncio.Protocol):
    """Stands on the transport until the handshake is over."""

    def __init__(self, connect: Connect, peer: Peer, settings: ListenerSettings, loaded: LoadedTls) -> None:
        self._connect = connect
        self._peer = peer
        self._settings = settings
        self._loaded = loaded

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Write into the peer what was agreed, and hand the transport over."""
        link = cast(asyncio.Transport, transport)  # uvloop's are none by type
        connection: ssl.SSLObject = link.get_extra_info("ssl_object")
        self._peer.tls = _facts(connection, self._loaded)
        self._peer.scheme = "https"
        settings, chosen = self._settings, connection.selected_alpn_protocol()
        if chosen == HTTP2 and not self._loaded.allows_http2(connection):
            link.write(INADEQUATE_SECURITY)
            link.close()
            return
        if chosen is not None:
            settings = replace(settings, protocols=(chosen,))
        protocol = self._connect(self._peer, settings)
        link.set_protocol(protocol)
        protocol.connection_made(link)


def _facts(connection: ssl.SSLObject, loaded: LoadedTls) -> TlsFacts:
    chain = _client_chain(connection)
    decoded: Any = connection.getpeercert() or {}
    return TlsFacts(
        server_cert=loaded.certificate_of(connection).pem,
        client_cert_chain=tuple(ssl.DER_cert_to_PEM_cert(certificate) for certificate in chain),
        client_cert_name=distinguished_name(decoded["subject"]) if decoded.get("subject") else None,
        tls_version=VERSIONS.get(connection.version() or ""),
        cipher_suite=loaded.cipher_suite(connection),
    )


def _client_chain(connection: ssl.SSLObject) -> list[bytes]:
    """Return what the client has sent, its own certificate first; before Python 3.13 that one alone."""
    own = connection.getpeercert(binary_form=True)
    if own is None:
        return []
    if not hasattr(connection, "get_unverified_chain"):
        return [own]
    return list(connection.get_unverified_chain())


def distinguished_name(subject: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """Return a subject as RFC 4514 writes it: the last part first."""
    return ",".join(
        "+".join(f"{SHORT_NAMES.get(name, name)}={_escape(value)}" for name, value in part) for part in reversed(subject)
    )


def _escape(value: str) -> str:
    """RFC 4514 section 2.4."""
    text = "".join("\\" + char if char in ',+"\\<>;' else "\\00" if char == "\0" else char for char in value)
    if text.endswith(" ") and len(value) > 1:
        text = text[:-1] + "\\ "
    return "\\" + text if text[:1] in (" ", "#") else text
