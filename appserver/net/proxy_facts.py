"""What a PROXY header says: addresses, and the TLVs of version 2 (haproxy.org, doc/proxy-protocol.txt, section 2.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from appserver.net.crc32c import crc32c

__all__ = ["ProxyError", "ProxyFacts", "TlsOfClient", "Tlvs", "read_tlvs"]

ALPN, AUTHORITY, CRC32C, NOOP, UNIQUE_ID, SSL, NETNS = 0x01, 0x02, 0x03, 0x04, 0x05, 0x20, 0x30
# Inside of SSL.
VERSION, COMMON_NAME, CIPHER, SIGNATURE, KEY, GROUP, SCHEME, CERTIFICATE = range(0x21, 0x29)
SSL_HEAD = 5  # a byte of flags, four of the verdict on the client's certificate
CLIENT_SSL, CLIENT_CERT_CONNECTION, CLIENT_CERT_SESSION = 1, 2, 4
MAX_UNIQUE_ID = 128


class ProxyError(ValueError):
    """The bytes are no valid header; the text says what is wrong, as the end of a sentence."""


@dataclass(frozen=True, slots=True)
class TlsOfClient:
    """How the client speaks TLS to the proxy. Texts are "" where the header does not say."""

    is_tls: bool
    cert_in_connection: bool
    cert_in_session: bool
    verify: int
    version: str
    cipher: str
    common_name: str
    signature_algorithm: str
    key_algorithm: str
    group: str
    signature_scheme: str
    certificate: bytes

    @property
    def verified(self) -> bool:
        """Whether the client presented a certificate, and the proxy found it in order."""
        return self.verify == 0 and (self.cert_in_connection or self.cert_in_session)

    def extension(self) -> dict[str, Any]:
        """Return it as the scope has it."""
        return {
            "tls": self.is_tls,
            "client_cert": self.cert_in_connection or self.cert_in_session,
            "client_cert_verified": self.verified,
            "verify": self.verify,
            "version": self.version or None,
            "cipher": self.cipher or None,
            "common_name": self.common_name or None,
            "signature_algorithm": self.signature_algorithm or None,
            "key_algorithm": self.key_algorithm or None,
            "group": self.group or None,
            "signature_scheme": self.signature_scheme or None,
            "certificate": self.certificate or None,
        }


@dataclass(frozen=True, slots=True)
class Tlvs:
    """The TLVs of a header, and what those mean that the specification names; of two alike the first counts."""

    raw: tuple[tuple[int, bytes], ...] = ()
    alpn: bytes | None = None
    authority: str | None = None
    unique_id: bytes | None = None
    netns: str | None = None
    tls: TlsOfClient | None = None


@dataclass(frozen=True, slots=True)
class ProxyFacts:
    """One header. `client` and `server` are (host, port), None where it names no addresses of TCP."""

    version: int
    command: str
    family: str
    client: tuple[str, int] | None = None
    server: tuple[str, int] | None = None
    tlvs: Tlvs = field(default_factory=Tlvs)
    _extension: dict[str, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Prepare what each request gets a copy of."""
        tlvs = self.tlvs
        self._extension.update(
            version=self.version, command=self.command, family=self.family, client=self.client, server=self.server,
            alpn=tlvs.alpn, authority=tlvs.authority, unique_id=tlvs.unique_id, netns=tlvs.netns,
            ssl=None if tlvs.tls is None else tlvs.tls.extension(), tlvs=None,
        )  # fmt: skip

    @property
    def is_tls(self) -> bool:
        """Whether the client speaks TLS to the proxy."""
        return self.tlvs.tls is not None and self.tlvs.tls.is_tls

    def extension(self) -> dict[str, Any]:
        """Return it as `scope["extensions"]["proxy_protocol"]`: a dictionary of the caller's own, for every request."""
        extension = self._extension.copy()
        if extension["ssl"] is not None:
            extension["ssl"] = extension["ssl"].copy()
        extension["tlvs"] = [*self.tlvs.raw]
        return extension


def read_tlvs(header: bytes, start: int) -> Tlvs:
    """Read the TLVs from `start` to the end of the whole header, and check its CRC32C if it has one."""
    raw: list[tuple[int, bytes]] = []
    for kind, at, value in _walk(header, start):
        if kind == CRC32C:
            _check_crc(header, at, value, [known for known, _ in raw])
        if kind == UNIQUE_ID and len(value) > MAX_UNIQUE_ID:
            raise ProxyError(f"a PROXY header with a unique id of {len(value)} bytes")
        if kind != NOOP:
            raw.append((kind, value))
    first = dict(reversed(raw))
    return Tlvs(
        raw=tuple(raw),
        alpn=first.get(ALPN),
        authority=_text(first[AUTHORITY]) if AUTHORITY in first else None,
        unique_id=first.get(UNIQUE_ID),
        netns=_text(first[NETNS]) if NETNS in first else None,
        tls=_read_ssl(first[SSL]) if SSL in first else None,
    )


def _walk(data: bytes, start: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield type, place of the value and value of each TLV; they must end where the data ends."""
    while start < len(data):
        at = start + 3
        end = at + int.from_bytes(data[start + 1 : at], "big")
        if end > len(data) or at > len(data):
            raise ProxyError("a PROXY header with a TLV that goes beyond its end")
        yield data[start], at, data[at:end]
        start = end


def _check_crc(header: bytes, at: int, value: bytes, before: list[int]) -> None:
    if len(value) != 4 or CRC32C in before:
        raise ProxyError("a PROXY header with a CRC32C that is not of four bytes, or with two of them")
    if crc32c(header[:at] + bytes(4) + header[at + 4 :]) != int.from_bytes(value, "big"):
        raise ProxyError("a PROXY header whose CRC32C is wrong")


def _read_ssl(value: bytes) -> TlsOfClient:
    if len(value) < SSL_HEAD:
        raise ProxyError("a PROXY header with an SSL TLV that is too short")
    found = dict(reversed([(kind, inner) for kind, _, inner in _walk(value, SSL_HEAD)]))
    texts = {kind: _text(found.get(kind, b"")) for kind in (VERSION, COMMON_NAME, CIPHER, SIGNATURE, KEY, GROUP, SCHEME)}
    return TlsOfClient(
        is_tls=bool(value[0] & CLIENT_SSL),
        cert_in_connection=bool(value[0] & CLIENT_CERT_CONNECTION),
        cert_in_session=bool(value[0] & CLIENT_CERT_SESSION),
        verify=int.from_bytes(value[1:SSL_HEAD], "big"),
        version=texts[VERSION],
        cipher=texts[CIPHER],
        common_name=texts[COMMON_NAME],
        signature_algorithm=texts[SIGNATURE],
        key_algorithm=texts[KEY],
        group=texts[GROUP],
        signature_scheme=texts[SCHEME],
        certificate=found.get(CERTIFICATE, b""),
    )


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise ProxyError("a PROXY header with a text that is not UTF-8") from None
