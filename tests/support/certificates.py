"""Throw-away certificates: an authority, what it signs, what it revokes.

    authority = Authority("Test CA")
    authority.issue(folder, "a", ["a.test"])      # a.pem (certificate), a.key, a.both.pem
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

__all__ = ["Authority", "Issued"]

PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
DAY = timedelta(days=1)


@dataclass
class Issued:
    """A certificate and its key, as files."""

    certfile: Path
    keyfile: Path
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(PEM).decode("ascii")


def subject_name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Authority:
    """Signs certificates that live for two days around now, or are over."""

    def __init__(self, name: str = "Lasthop Test CA") -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = subject_name(name)
        now = datetime.now(UTC)
        self.certificate = (
            x509.CertificateBuilder().subject_name(self.name).issuer_name(self.name).public_key(self.key.public_key())
            .serial_number(x509.random_serial_number()).not_valid_before(now - DAY).not_valid_after(now + 2 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )  # fmt: skip

    def write(self, path: Path) -> Path:
        path.write_bytes(self.certificate.public_bytes(PEM))
        return path

    def issue(
        self, folder: Path, stem: str, hosts: Sequence[str] = (), *, subject: x509.Name | None = None, password: str = "",
        expired: bool = False, use_rsa: bool = False,
    ) -> Issued:  # fmt: skip
        """Write STEM.pem and STEM.key, the key encrypted if there is a password, and STEM.both.pem with both."""
        key = rsa.generate_private_key(65537, 2048) if use_rsa else ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC) - (10 * DAY if expired else timedelta())
        builder = (
            x509.CertificateBuilder().subject_name(subject or subject_name(stem)).issuer_name(self.name)
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY).not_valid_after(now + 2 * DAY)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )  # fmt: skip
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
        made = builder.sign(self.key, hashes.SHA256())
        secret = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        issued = Issued(folder / f"{stem}.pem", folder / f"{stem}.key", made)
        issued.certfile.write_bytes(made.public_bytes(PEM))
        issued.keyfile.write_bytes(key.private_bytes(PEM, PKCS8, secret))
        (folder / f"{stem}.both.pem").write_bytes(issued.keyfile.read_bytes() + issued.certfile.read_bytes())
        return issued

    def revoke(self, path: Path, *revoked: Issued) -> Path:
        """Write a list of revoked certificates."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.name)
        builder = builder.last_update(now - DAY).next_update(now + DAY)
        for issued in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(issued.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now - DAY).build())
        path.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(PEM))
        return path


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
