"""TLS of a listener: what the files come to, which certificate is shown, and files that change."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from appserver.errors import ConfigError
from appserver.events import Event
from appserver.net.certificates import Certificate, CertificateError, read_certificate, read_password
from appserver.net.handshake import TlsFacts, distinguished_name
from appserver.net.tls import LoadedTls, Tls, TlsFiles
from tests.support.certificates import Authority, Issued
from tests.support.events import EventLog

BOTH = ("h2", "http/1.1")
OPTION = "server.certfile"
AUTHORITY = Authority()


@pytest.fixture
def log() -> Iterator[EventLog]:
    log = EventLog()
    log.open()
    yield log
    log.shut()


def files(*issued: Issued, **more: Any) -> TlsFiles:
    return TlsFiles(OPTION, [str(one.certfile) for one in issued], [str(one.keyfile) for one in issued], **more)


def shake(loaded: LoadedTls, host: str = "", **client: Any) -> tuple[ssl.SSLObject, ssl.SSLObject]:
    """Return the client's and the server's side of a handshake."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(client.pop("alpn", list(BOTH)))
    if "ciphers" in client:
        context.set_ciphers(client.pop("ciphers"))
    if "chain" in client:
        context.load_cert_chain(*client.pop("chain"))
    for name, value in client.items():
        setattr(context, name, value)
    here, there = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        context.wrap_bio(here, there, server_hostname=host or None),
        loaded.context.wrap_bio(there, here, server_side=True),
    )
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends


def shown(loaded: LoadedTls, host: str = "") -> str:
    """Return the PEM of the certificate that a client sees that asks for this host."""
    certificate = shake(loaded, host)[0].getpeercert(binary_form=True)
    assert certificate is not None
    return ssl.DER_cert_to_PEM_cert(certificate)


# Names


def test_each_client_is_shown_the_certificate_for_its_name(tmp_path: Path) -> None:
    a = AUTHORITY.issue(tmp_path, "a", ["a.test", "www.a.test"])
    b = AUTHORITY.issue(tmp_path, "b", ["b.test", "*.b.test"], use_rsa=True)
    c = AUTHORITY.issue(tmp_path, "c.test")  # a common name alone
    loaded = LoadedTls(files(a, b, c), BOTH)

    for host, issued in {
        "": a, "a.test": a, "WWW.a.test": a, "b.test": b, "x.b.test": b, "x.y.b.test": a, "c.test": c, "else.test": a,
    }.items():  # fmt: skip
        assert shown(loaded, host) == issued.pem, host


def test_what_is_in_a_certificate(tmp_path: Path) -> None:
    issued = AUTHORITY.issue(tmp_path, "a", ["A.test", "127.0.0.1"], expired=True)

    certificate = read_certificate(str(issued.certfile), str(issued.keyfile), None)

    assert (certificate.pem, certificate.names) == (issued.pem, ("a.test",))
    assert certificate.not_after == issued.certificate.not_valid_after_utc.timestamp()


def test_a_wildcard_is_one_label() -> None:
    certificate = Certificate("", ("*.a.test", "b.test"), 0)

    assert [certificate.is_for(host) for host in ("x.a.test", "x.a.test.", "B.TEST")] == [True] * 3
    assert [certificate.is_for(host) for host in ("a.test", "x.y.a.test", "x.b.test", "", ".")] == [False] * 5


# What is agreed


@pytest.mark.parametrize(
    ("protocols", "offered", "chosen"),
    [
        (("h2", "http/1.1"), ["http/1.1", "h2"], "h2"),
        (("http/1.1", "h2"), ["h2", "http/1.1"], "http/1.1"),
        (("h2",), ["h2", "http/1.1"], "h2"),
        (("http/1.1",), ["h2", "http/1.1"], "http/1.1"),
        (("h2", "http/1.1"), ["spdy/3"], None),
    ],
)
def test_our_order_of_protocols_counts(
    tmp_path: Path, protocols: tuple[str, ...], offered: list[str], chosen: str | None
) -> None:
    loaded = LoadedTls(files(AUTHORITY.issue(tmp_path, "a")), protocols)

    assert shake(loaded, alpn=offered)[1].selected_alpn_protocol() == chosen


def test_every_default_cipher_is_fit_for_http2(tmp_path: Path) -> None:
    loaded = LoadedTls(files(AUTHORITY.issue(tmp_path, "a", use_rsa=True)), BOTH)

    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        server = shake(loaded, maximum_version=version)[1]
        assert loaded.allows_http2(server)
        suite = loaded.cipher_suite(server)
        assert suite is not None
        assert suite >> 8 == (0xC0 if version is ssl.TLSVersion.TLSv1_2 else 0x13)
    assert all(fit for _, fit in loaded._ciphers.values())


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA256", "AES128-SHA"])
def test_a_cipher_of_the_blocklist_is_not_fit_for_http2(tmp_path: Path, cipher: str) -> None:
    loaded = LoadedTls(files(AUTHORITY.issue(tmp_path, "a", use_rsa=True), ciphers=cipher), BOTH)

    server = shake(loaded, maximum_version=ssl.TLSVersion.TLSv1_2, ciphers=cipher)[1]

    assert server.cipher() is not None
    assert not loaded.allows_http2(server)


def test_the_oldest_version(tmp_path: Path) -> None:
    issued = AUTHORITY.issue(tmp_path, "a")

    shake(LoadedTls(files(issued), BOTH), maximum_version=ssl.TLSVersion.TLSv1_2)
    with pytest.raises(ssl.SSLError):
        shake(LoadedTls(files(issued, min_version="1.3"), BOTH), maximum_version=ssl.TLSVersion.TLSv1_2)


# Clients with certificates


def test_client_certificates(tmp_path: Path) -> None:
    ca = str(AUTHORITY.write(tmp_path / "ca.pem"))
    issued, known, gone = (AUTHORITY.issue(tmp_path, name) for name in ("a", "known", "gone"))
    stranger = Authority("Another").issue(tmp_path, "stranger")
    crl = str(AUTHORITY.revoke(tmp_path / "crl.pem", gone))

    def tried(client: Issued | None, **more: Any) -> bool:
        chain: dict[str, Any] = {} if client is None else {"chain": (client.certfile, client.keyfile)}
        try:
            server = shake(LoadedTls(files(issued, ca_certs=ca, **more), BOTH), **chain)[1]
        except ssl.SSLError:
            return False
        return (server.getpeercert(binary_form=True) is not None) is (client is not None)

    for reqs in ("optional", "required"):
        assert tried(None, cert_reqs=reqs) is (reqs == "optional")
        assert tried(known, cert_reqs=reqs)
        assert not tried(stranger, cert_reqs=reqs)
        assert tried(gone, cert_reqs=reqs)
        assert not tried(gone, cert_reqs=reqs, crl_file=crl)
        assert tried(known, cert_reqs=reqs, crl_file=crl)


# Mistakes


def test_passwords(tmp_path: Path) -> None:
    issued = AUTHORITY.issue(tmp_path, "a", password="secret")
    (tmp_path / "password").write_text("secret\n")

    for source in (f"file:{tmp_path}/password", "env:THE_PASSWORD"):
        read = read_password(source, {"THE_PASSWORD": "secret"})
        assert read_certificate(str(issued.certfile), str(issued.keyfile), read).pem == issued.pem
    for source, words in {
        "": "is encrypted; say where its password is by keyfile_password",
        "env:NOWHERE": "env:NOWHERE: there is no such variable in the environment",
        "env:WRONG": "the password is wrong, or the key is broken",
        f"file:{tmp_path}/none": "none: No such file or directory",
    }.items():
        with pytest.raises(CertificateError) as caught:
            read_certificate(str(issued.certfile), str(issued.keyfile), read_password(source, {"WRONG": "x"}))
        assert words in str(caught.value)
        assert "secret" not in str(caught.value)


def test_files_that_cannot_be_used(tmp_path: Path) -> None:
    a, b, rsa = (AUTHORITY.issue(tmp_path, name, use_rsa=name == "rsa") for name in ("a", "b", "rsa"))
    (tmp_path / "half.pem").write_text(a.certfile.read_text()[:300])
    (tmp_path / "half.key").write_text(a.keyfile.read_text()[:100])
    (tmp_path / "empty").touch()
    broken = a.certfile.read_text().replace("M", "N")
    (tmp_path / "broken.pem").write_text(broken)

    def reason(certfile: object, keyfile: object, **more: Any) -> str:
        with pytest.raises(ConfigError) as caught:
            Tls(TlsFiles(OPTION, [str(certfile)], [str(keyfile)] if keyfile else [], **more), BOTH)
        return str(caught.value).removeprefix(f"{OPTION}: ").replace(f"{tmp_path}/", "")

    assert reason(tmp_path / "none", a.keyfile) == "none: No such file or directory"
    assert reason(tmp_path, a.keyfile).endswith(": Is a directory")
    assert reason(a.certfile, tmp_path / "none") == "none: No such file or directory"
    assert reason(a.certfile, b.keyfile) == "b.key: is not the key of a.pem"
    assert reason(a.certfile, rsa.keyfile) == "rsa.key: is not the key of a.pem"
    assert reason(a.certfile, "") == "a.pem: has no private key in PEM form; name its keyfile"
    assert reason(a.certfile, a.certfile) == "a.pem: has no private key in PEM form"
    assert reason(a.keyfile, a.keyfile) == "a.key: has no whole certificate in PEM form"
    assert reason(tmp_path / "half.pem", a.keyfile) == "half.pem: has no whole certificate in PEM form"
    assert reason(a.certfile, tmp_path / "half.key").startswith("a.pem, half.key: ")
    assert "broken.pem" in reason(tmp_path / "broken.pem", a.keyfile)
    assert reason(a.certfile, a.keyfile, ciphers="NOTHING") == "ciphers 'NOTHING': OpenSSL knows none of them"
    need = {"cert_reqs": "required"}
    assert reason(a.certfile, a.keyfile, ca_certs=str(tmp_path / "none"), **need) == "none: No such file or directory"
    assert reason(a.certfile, a.keyfile, ca_certs=str(tmp_path / "empty"), **need).startswith("empty: has no certificate")


def test_a_key_in_the_same_file(tmp_path: Path) -> None:
    issued = AUTHORITY.issue(tmp_path, "a")

    assert shown(LoadedTls(TlsFiles(OPTION, [str(tmp_path / "a.both.pem")], []), BOTH)) == issued.pem


# Files that change


def replace(folder: Path, stem: str, *hosts: str, **more: Any) -> Issued:
    """Issue under another name, and put it in the place of the old files, as certbot and Kubernetes do."""
    issued = AUTHORITY.issue(folder, "new", hosts, **more)
    os.replace(issued.keyfile, folder / f"{stem}.key")
    os.replace(issued.certfile, folder / f"{stem}.pem")
    return issued


def test_changed_files_are_read_once_they_have_stopped_changing(tmp_path: Path, log: EventLog) -> None:
    first = AUTHORITY.issue(tmp_path, "a", ["a.test"])
    tls = Tls(files(first), BOTH)
    tls.tick()
    before = tls.loaded

    os.replace(AUTHORITY.issue(tmp_path, "half").keyfile, first.keyfile)
    tls.tick()
    second = replace(tmp_path, "a", "b.test")
    tls.tick()
    assert (tls.loaded, log.records) == (before, [])
    tls.tick()

    assert shown(tls.loaded) == second.pem
    assert shown(before) == first.pem, "connections that have begun are left alone"
    assert log.only(Event.TLS_RELOADED) == {"option": OPTION, "names": "b.test"}
    tls.tick()
    tls.tick()
    assert len(log.records) == 1


@pytest.mark.parametrize("fault", ["missing", "half", "key of another"])
def test_bad_files_leave_the_old_ones_in_use(tmp_path: Path, log: EventLog, fault: str) -> None:
    issued = AUTHORITY.issue(tmp_path, "a")
    tls = Tls(files(issued), BOTH)
    if fault == "missing":
        issued.keyfile.unlink()
    elif fault == "half":
        issued.certfile.write_text(issued.pem[:100])
    else:
        os.replace(AUTHORITY.issue(tmp_path, "b").keyfile, issued.keyfile)

    for _ in range(5):
        tls.tick()

    assert shown(tls.loaded) == issued.pem
    assert log.only(Event.TLS_KEPT)["option"] == OPTION, "it is said once"
    later = replace(tmp_path, "a")
    tls.tick()
    tls.tick()
    assert shown(tls.loaded) == later.pem


def test_an_expired_certificate_is_used_and_said(tmp_path: Path, log: EventLog) -> None:
    issued = AUTHORITY.issue(tmp_path, "a", expired=True)
    tls = Tls(files(issued), BOTH)

    assert log.only(Event.CERTIFICATE_EXPIRES)["path"] == str(issued.certfile)
    assert shown(tls.loaded) == issued.pem
    tls.reload()
    assert [record.levelname for record in log.records] == ["WARNING", "INFO", "WARNING"]


# Names of clients


def test_distinguished_names() -> None:
    subject = ((("countryName", "DE"),), (("organizationName", "Müller, Söhne"),), (("commonName", "a"), ("userId", "7")))
    assert distinguished_name(subject) == "CN=a+UID=7,O=Müller\\, Söhne,C=DE"
    for value, escaped in {"#1": "\\#1", " a ": "\\ a\\ ", 'a"b+<c>;\\': 'a\\"b\\+\\<c\\>\\;\\\\', " ": "\\ ", "\0": "\\00"}.items():
        assert distinguished_name(((("commonName", value),),)) == f"CN={escaped}"


def test_the_name_of_a_client_is_what_another_library_reads(tmp_path: Path) -> None:
    pairs = [(NameOID.COUNTRY_NAME, "DE"), (NameOID.ORGANIZATION_NAME, 'A "B", C+D'), (NameOID.COMMON_NAME, "#x <y>; ")]
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])
    ca = str(AUTHORITY.write(tmp_path / "ca.pem"))
    issued, client = AUTHORITY.issue(tmp_path, "a"), AUTHORITY.issue(tmp_path, "client", subject=name)

    server = shake(
        LoadedTls(files(issued, ca_certs=ca, cert_reqs="required"), BOTH), chain=(client.certfile, client.keyfile)
    )[1]

    decoded: Any = server.getpeercert()
    assert distinguished_name(decoded["subject"]) == name.rfc4514_string()


def test_each_request_has_an_extension_of_its_own() -> None:
    facts = TlsFacts("server", ("client", "issuer"), "CN=client", 0x0304, 0x1301)
    first, second = facts.extension(), facts.extension()
    first["client_cert_chain"].clear()
    first.clear()
    assert second == facts.extension() == {
        "server_cert": "server", "client_cert_chain": ["client", "issuer"], "client_cert_name": "CN=client",
        "client_cert_error": None, "tls_version": 0x0304, "cipher_suite": 0x1301,
    }  # fmt: skip
