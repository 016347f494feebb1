"""Apache's own view of what is rendered: every golden, and every hostile text, byte for byte."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import BinaryIO

import pytest

from proxyconf.document.findings import SiteError
from proxyconf.facts.table import table
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load
from proxyconf.syntax.apache import formatted, quote, substitution
from proxyconf.syntax.words import Raw
from proxyconf.verbs.site import bundle
from tests.interop.hop import DEADLINE, Installed, certificate, free_port, installed, listens, proves, until

GOLDENS = sorted((Path(__file__).resolve().parents[1] / "unit/proxyconf/proxies/golden/apache").glob("*.txt"))


def prepared(site: str, folder: Path) -> str:
    """Return a site whose files are there: those of /etc and /run, with everything that is in quotes."""
    certificate(folder, "shop.example")
    for name in ("etc/ssl", "run", "srv"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    pem, key = (folder / "cert.pem").read_bytes(), (folder / "key.pem").read_bytes()
    for name in ("ssl/shop.pem", "ssl/clients.pem", "a b\\;{}\"'#é.pem", "k.pem", "ssl/shop.key", "ssl/shop key.pem"):
        (folder / "etc" / name).write_bytes(pem + key)
    site = site.replace("/etc/", f"{folder}/etc/").replace("/run/app", f"{folder}/run/app").replace("app_2", "127.0.0.1")
    return site.replace("/opt/httpd/modules", "/usr/lib/apache2/modules").replace("user: shop", "user: www-data")


def check(on: Installed, folder: Path, files: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Let Apache check a configuration."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    command = on.command(proxy("apache").program.check, folder)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: str(path.stem))
@proves("tls_files", proxies=("apache",))
def test_apache_accepts_every_golden(on: Installed, golden: Path, tmp_path: Path) -> None:
    site = prepared(golden.read_text().partition("----------\n")[0], tmp_path)
    if 'version: "' not in site:
        site = site.replace("proxy: apache", f'proxy: apache, version: "{on.version}"')
    try:
        made = bundle("apache", load("site.yaml", site.encode(), {}))
    except SiteError:
        return
    if not made.refused:
        done = check(on, tmp_path, made.stamped("0" * 64).files)
        assert done.returncode == 0, done.stderr
        assert [line for line in done.stderr.splitlines() if "AH01909" not in line] == ["Syntax OK"]


@proves("tls_files", proxies=("apache",))
def test_who_has_the_modules_elsewhere_is_told_what_to_write(on: Installed, tmp_path: Path) -> None:
    made = bundle("apache", load("site.yaml", b'sites: [{hostnames: [a.example], upstream: "http1://127.0.0.1:8000"}]\nlisteners: {http: {}}\n', {}))
    nowhere = {name: text.replace('/mod_proxy.so">', '/mod_none.so">') for name, text in made.files.items()}
    done = check(on, tmp_path, nowhere)
    assert done.returncode != 0
    assert "define MODULES, WORKERS and TYPES at the top" in done.stderr


HOSTILE = [
    "a b", "{", "}", "{}", ";", "$", "$$", "$1", "%1", "${HOME}", "${DOLLAR}", "${", "$\\{HOME}", "\\", "\\\\", '"', '\\"', '"\\', "'",
    "`", "#", "# x", "%", "%%", "%{HOME}e", "%{REMOTE_ADDR}", "%s", "é", "🙂", "\u00a0", "a}b{c", "x;y", "$(id)", "~", "^", "|", "&",
    "<", ">", "</Location>", "=", "@", "*", "\\n", "-f", "!", "expr", "[", "]", ",",
]  # fmt: skip
START = """
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule env_module /usr/lib/apache2/modules/mod_env.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule headers_module /usr/lib/apache2/modules/mod_headers.so
LoadModule rewrite_module /usr/lib/apache2/modules/mod_rewrite.so
ServerName localhost
PidFile httpd.pid
DefaultRuntimeDir .
ErrorLog /dev/stderr
MaxKeepAliveRequests 0
User www-data
Group www-data
Define DOLLAR "$"
RewriteEngine On
"""


@proves("respond", proxies=("apache",))
def test_apache_reads_every_word_as_it_was_meant(on: Installed, tmp_path: Path) -> None:
    """A word alone, one that `Header` formats, and one that `RewriteRule` substitutes."""
    words = [first + second for first in HOSTILE for second in ("", *HOSTILE[::3])]
    port = free_port()
    lines = [START, f"Listen 127.0.0.1:{port}"]
    for at, text in enumerate(words):
        lines.append(f'RewriteRule "^/to/{at}\\z" {substitution(Raw("http://x/"), text)} [R=302,NE,L]')
        lines.append(f'<Location "/{at}">\nSetEnv V {quote(text)}\nHeader always set X-Word "<%{{V}}e>"')
        lines.append(f'Header always set X-Formatted {formatted(f"<{text}>")}\n</Location>')
    (tmp_path / "httpd.conf").write_text("\n".join(lines) + "\n")
    tmp_path.chmod(0o755)
    process = subprocess.Popen(on.command(proxy("apache").program.run, tmp_path), cwd=tmp_path, start_new_session=True)
    try:
        until(lambda: listens(("127.0.0.1", port)) or process.poll() is not None, "Apache")
        assert process.poll() is None, "Apache did not start"
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as client, client.makefile("rb") as answers:
            for at, text in enumerate(words):
                word, target = (_fields(client, answers, path) for path in (f"/{at}", f"/to/{at}"))
                assert word[b"x-word"] == f"<{text}>"
                assert word[b"x-formatted"] == f"<{text}>"
                assert target[b"location"] == f"http://x/{text}"
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _fields(client: socket.socket, answers: BinaryIO, path: str) -> dict[bytes, str]:
    """Ask on an open connection and return the fields of the answer."""
    client.sendall(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    fields = {}
    while (line := answers.readline()) not in (b"\r\n", b""):
        name, _, value = line.rstrip(b"\r\n").partition(b": ")
        fields[name.lower()] = value.decode()
    return fields


def test_the_tried_versions_hold_the_installed_ones() -> None:
    if not installed("apache"):
        pytest.skip("apache: python -m tools.proxies apache")
    assert all(table("apache").oldest <= one.version <= table("apache").newest for one in installed("apache"))
