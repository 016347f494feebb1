r"""TLS of a listener: contexts made from files, exchanged when the files change.

    files --read, tried--> LoadedTls --in use--> each new connection
      '--changed, or asked for--> read, tried --fine--> takes its place; connections that are open keep theirs
                                        \------bad----> the old one stays, and a line of the log says so
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from appserver.errors import ConfigError
from appserver.events import Event
from appserver.net.certificates import Certificate, CertificateError, load_chain, read_certificate, read_password

__all__ = ["LoadedTls", "Tls", "TlsFiles"]

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
VERIFY = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
# Of TLS 1.2: forward secrecy and AEAD only, so that none of them is on the list of RFC 9113 appendix A.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!aDSS"
EPHEMERAL = ("kx-ecdhe", "kx-dhe", "kx-any")  # the last is TLS 1.3's
SOON_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What a listener's options say. `option` is how errors name where they were given."""

    option: str
    certfile: Sequence[str]
    keyfile: Sequence[str]
    keyfile_password: str = ""
    ca_certs: str = ""
    cert_reqs: str = "none"
    crl_file: str = ""
    ciphers: str = ""
    min_version: str = "1.2"

    @property
    def paths(self) -> list[str]:
        """Every file that is read."""
        kind, _, secret = self.keyfile_password.partition(":")
        found = [*self.certfile, *self.keyfile, self.ca_certs, self.crl_file, secret if kind == "file" else ""]
        return [path for path in found if path]


class LoadedTls:
    """The contexts of one reading of the files; the first certificate is for whoever asks for no name of the others."""

    def __init__(self, files: TlsFiles, protocols: Sequence[str]) -> None:
        self._names: list[tuple[Certificate, ssl.SSLContext]] = []
        self._certificates: dict[ssl.SSLContext, Certificate] = {}
        keys = files.keyfile or [""] * len(files.certfile)
        for certfile, keyfile in zip(files.certfile, keys, strict=True):
            context = _context(files, protocols)
            password = read_password(files.keyfile_password)
            load_chain(context, certfile, keyfile, password)
            certificate = read_certificate(certfile, keyfile, password)
            self._names.append((certificate, context))
            self._certificates[context] = certificate
        self.context = self._names[0][1]
        if len(self._names) > 1:
            self.context.sni_callback = self._choose
        # By name: IANA's number, and whether HTTP/2 may be spoken over it.
        self._ciphers = {
            str(cipher["name"]): (int(cipher["id"]) & 0xFFFF, bool(cipher["aead"]) and cipher["kea"] in EPHEMERAL)
            for cipher in self.context.get_ciphers()
        }

    @property
    def certificates(self) -> list[Certificate]:
        """All of them, in the order of the option."""
        return [certificate for certificate, _ in self._names]

    def certificate_of(self, connection: ssl.SSLObject) -> Certificate:
        """Return the certificate that this client was shown."""
        return self._certificates[connection.context]

    def cipher_suite(self, connection: ssl.SSLObject) -> int | None:
        """Return IANA's number of the cipher suite."""
        return self._cipher(connection)[0]

    def allows_http2(self, connection: ssl.SSLObject) -> bool:
        """Tell whether HTTP/2 may be spoken over this cipher suite (RFC 9113 9.2.2)."""
        return self._cipher(connection)[1]

    def _cipher(self, connection: ssl.SSLObject) -> tuple[int | None, bool]:
        cipher = connection.cipher()
        return self._ciphers.get(cipher[0], (None, False)) if cipher else (None, False)

    def _choose(self, connection: ssl.SSLObject, host: str | None, _: ssl.SSLContext) -> None:
        """Show the first certificate that is for this name (RFC 6066 3)."""
        for certificate, context in self._names:
            if host and certificate.is_for(host):
                connection.context = context
                return


class Tls:
    """A listener's TLS, kept current. `loaded` is for the next connection."""

    def __init__(self, files: TlsFiles, protocols: Sequence[str]) -> None:
        """Read the files; raises ConfigError naming the option and the file."""
        self._files = files
        self._protocols = protocols
        self._seen = self._stamp()
        self._changing: object = None
        try:
            self.loaded = LoadedTls(files, protocols)
        except CertificateError as error:
            raise ConfigError(f"{files.option}: {error}") from None
        self._warn()

    def tick(self) -> None:
        """Read files that have changed, once they have stopped changing; called about once a second."""
        stamp = self._stamp()
        if stamp == self._seen:
            self._changing = None
        elif stamp == self._changing:
            self.reload()
        else:
            self._changing = stamp

    def reload(self) -> None:
        """Read the files again; what is wrong with them is logged, and the old ones stay in use."""
        self._seen = self._stamp()
        self._changing = None
        try:
            self.loaded = LoadedTls(self._files, self._protocols)
        except CertificateError as error:
            Event.TLS_KEPT.log(option=self._files.option, reason=error)
            return
        names = ", ".join(name for certificate in self.loaded.certificates for name in certificate.names)
        Event.TLS_RELOADED.log(option=self._files.option, names=names)
        self._warn()

    def _warn(self) -> None:
        for certificate, path in zip(self.loaded.certificates, self._files.certfile, strict=True):
            left = certificate.not_after - time.time()
            if left < SOON_SECONDS:
                when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(certificate.not_after))
                Event.CERTIFICATE_EXPIRES.log(path=path, verb="expired" if left < 0 else "expires", when=when)

    def _stamp(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(path) for path in self._files.paths]


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def _context(files: TlsFiles, protocols: Sequence[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[files.min_version]
    # RFC 9113 9.2.1: no compression (OpenSSL's default) and no renegotiation.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(list(protocols))
    try:
        context.set_ciphers(files.ciphers or CIPHERS)
    except ssl.SSLError:
        raise CertificateError(f"ciphers {files.ciphers!r}: OpenSSL knows none of them") from None
    context.verify_mode = VERIFY[files.cert_reqs]
    if files.ca_certs:
        _load_authorities(context, files.ca_certs, "certificate")
    if files.crl_file:
        _load_authorities(context, files.crl_file, "list of revoked certificates")
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
    return context


def _load_authorities(context: ssl.SSLContext, path: str, what: str) -> None:
    try:
        context.load_verify_locations(path)
    except ssl.SSLError:
        raise CertificateError(f"{path}: has no {what} in PEM form, or is broken") from None
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}") from None
