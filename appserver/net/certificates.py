"""Certificates from files: read, tried, and what is in them; every fault names the file."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Certificate", "CertificateError", "Password", "load_chain", "read_certificate", "read_password"]

_PEM_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
# OpenSSL's X509_V_FLAG_NO_CHECK_TIME, which the ssl module has no name for.
NO_CHECK_TIME = 0x200000
# A client's and a server's flights, until both have all they need (TLS 1.2).
FLIGHTS = 6

Password = Callable[[], str]


class CertificateError(Exception):
    """A file that cannot be used; the text begins with its name."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of ours: its PEM text, the names it is for, the end of its validity (seconds of the epoch)."""

    pem: str
    names: tuple[str, ...]
    not_after: float

    def is_for(self, host: str) -> bool:
        """Tell whether a client that asks for `host` may be shown it (RFC 9525 6.3)."""
        host = host.lower().rstrip(".")
        wildcard = "*." + host.partition(".")[2]
        return host in self.names or wildcard in self.names


def read_password(source: str, environ: Mapping[str, str] = os.environ) -> Password | None:
    """Return what tells the password of a key, `source` being file:PATH or env:NAME, or None without one."""
    kind, _, name = source.partition(":")
    if not kind:
        return None

    def read() -> str:
        if kind == "env":
            if name not in environ:
                raise CertificateError(f"{source}: there is no such variable in the environment")
            return environ[name]
        return _read(name).rstrip("\r\n")

    return read


def load_chain(context: ssl.SSLContext, certfile: str, keyfile: str, password: Password | None) -> None:
    """Load a certificate, its chain and its key into the context; raises CertificateError."""
    if not _PEM_CERTIFICATE.search(_read(certfile)):
        raise CertificateError(f"{certfile}: has no whole certificate in PEM form")
    key = keyfile or certfile
    if not _PRIVATE_KEY.search(_read(key)):
        raise CertificateError(f"{key}: has no private key in PEM form" + ("" if keyfile else "; name its keyfile"))
    # Without a callable OpenSSL would ask the terminal.
    asked: list[str] = []

    def answer() -> str:
        asked.append(key)
        if password is None:
            raise CertificateError(f"{key}: is encrypted; say where its password is by keyfile_password")
        return password()

    try:
        context.load_cert_chain(certfile, keyfile or None, answer)
    except ssl.SSLError as error:
        if asked:
            raise CertificateError(f"{key}: the password is wrong, or the key is broken") from None
        # A key of another certificate, or of another kind.
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
            raise CertificateError(f"{key}: is not the key of {certfile}") from None
        raise CertificateError(f"{certfile}, {key}: {error.reason or 'broken, or only half written'}") from None


def read_certificate(certfile: str, keyfile: str, password: Password | None) -> Certificate:
    """Try a certificate in a handshake with ourselves, and return what a client would see. Raises CertificateError."""
    found = _PEM_CERTIFICATE.search(_read(certfile))
    assert found is not None, "it was loaded before"
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load_chain(server, certfile, keyfile, password)
    try:
        seen = _handshake(server, ssl.PEM_cert_to_DER_cert(found[0]))
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "verify_message", "") or getattr(error, "reason", "") or str(error)
        raise CertificateError(f"{certfile}: cannot be shown to a client ({reason})") from None
    alternatives = [str(value).lower() for kind, value in seen.get("subjectAltName", ()) if kind == "DNS"]
    common = [value.lower() for rdn in seen.get("subject", ()) for name, value in rdn if name == "commonName"]
    names = alternatives if "subjectAltName" in seen else common
    return Certificate(found[0] + "\n", tuple(names), ssl.cert_time_to_seconds(seen["notAfter"]))


def _handshake(server: ssl.SSLContext, certificate: bytes) -> dict[str, Any]:
    """Return the certificate as a client decodes it that trusts it, whatever the time: the ssl module has no other way."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cadata=certificate)
    client.verify_flags = ssl.VerifyFlags(client.verify_flags | ssl.VERIFY_X509_PARTIAL_CHAIN | NO_CHECK_TIME)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True))
    for _ in range(FLIGHTS):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return dict(ends[0].getpeercert() or {})


def _read(path: str) -> str:
    try:
        with open(path, encoding="latin-1") as file:
            return file.read()
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from None
