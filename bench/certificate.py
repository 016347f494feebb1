"""The certificate of the rows over TLS: made for each benchmark, its own issuer, of no use anywhere else."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from bench.load import LoadFailed

__all__ = ["Certificate", "make"]

DAYS = 2


@dataclass(frozen=True, slots=True)
class Certificate:
    """A chain and its key, both PEM files; the key is PKCS #8, which is all that granian reads."""

    certfile: Path
    keyfile: Path


def make(folder: Path) -> Certificate:
    """Make a certificate for 127.0.0.1, with a key on P-256 as public CAs issue it today."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Certificate(folder / "cert.pem", folder / "key.pem")
    argv = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-days", str(DAYS),
        "-subj", "/CN=bench", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(found.keyfile), "-out", str(found.certfile),
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadFailed(f"openssl makes no certificate: {done.stderr.strip().splitlines()[-1:] or done.returncode}")
    return found
