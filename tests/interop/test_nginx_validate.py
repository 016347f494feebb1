"""nginx's own view of what is rendered: every golden, and every hostile text, byte for byte."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from proxyconf.document.findings import SiteError
from proxyconf.facts.table import table
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load
from proxyconf.syntax.nginx import DOLLAR, body
from proxyconf.syntax.words import Unquotable
from proxyconf.verbs.site import bundle
from tests.interop.hop import DEADLINE, Installed, certificate, free_port, installed, listens, proves, until

GOLDENS = sorted((Path(__file__).resolve().parents[1] / "unit/proxyconf/proxies/golden/nginx").glob("*.txt"))


def prepared(site: str, folder: Path) -> str:
    """Return a site whose files are there: those of /etc and /run, with everything that is in quotes."""
    certificate(folder, "shop.example")
    for name in ("etc/ssl", "run", "srv"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    pem, key = (folder / "cert.pem").read_bytes(), (folder / "key.pem").read_bytes()
    for name in ("ssl/shop.pem", "ssl/clients.pem", "a b\\;{}\"'#é.pem", "k.pem", "ssl/shop.key", "ssl/shop key.pem"):
        (folder / "etc" / name).write_bytes(pem + key)
    return site.replace("/etc/", f"{folder}/etc/").replace("/run/app", f"{folder}/run/app").replace("app_2", "127.0.0.1")


def check(on: Installed, folder: Path, text: str) -> None:
    """Let nginx check a configuration."""
    import subprocess

    (folder / "nginx.conf").write_text(text)
    done = subprocess.run(on.command(proxy("nginx").program.check, folder), cwd=folder, capture_output=True, text=True, check=False)
    said = [line for line in done.stderr.splitlines() if "ssl_stapling" not in line]
    assert done.returncode == 0, said
    assert not [line for line in said if "[warn]" in line or "[emerg]" in line]


@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: str(path.stem))
@proves("tls_files", proxies=("nginx",))
def test_nginx_accepts_every_golden(on: Installed, golden: Path, tmp_path: Path) -> None:
    site = prepared(golden.read_text().partition("----------\n")[0], tmp_path)
    if "mode: tcp" in site and "targets:" not in site:
        # Here it is a module in a file, as in all of Debian.
        site = f"targets: [{{proxy: nginx, modules: [stream_dynamic]}}]\n{site}"
    if 'version: "' not in site:
        site = site.replace("proxy: nginx", f'proxy: nginx, version: "{on.version}"')
    elif f'version: "{on.version}"' not in site:
        return  # for another version
    try:
        made = bundle("nginx", load("site.yaml", site.encode(), {}))
    except SiteError:
        return
    if not made.refused:
        check(on, tmp_path, made.stamped("0" * 64).files["nginx.conf"])


HOSTILE = [
    "a b", "{", "}", "{}", ";", "$", "$$", "$host", "${host}", "${dollar}", "$1", "\\", "\\\\", '"', '\\"', '"\\', "'", "`", "#",
    "# x", "\t", "\n", "\\n", "\\t", "%", "%s", "é", "🙂", "\u00a0", "a}b{c", "x;y", "$(id)", "~", "^", "|", "&", "<", "=", "@", "*",
]  # fmt: skip


@proves("respond", proxies=("nginx",))
def test_nginx_reads_every_word_as_it_was_meant(on: Installed, tmp_path: Path) -> None:
    import os
    import signal
    import subprocess

    words = [first + second for first in HOSTILE for second in HOSTILE]
    port = free_port()
    lines = []
    for at, text in enumerate(words):
        try:
            lines.append(f"location = /{at} {{ return 200 {body(text)}; }}")
        except Unquotable:
            raise AssertionError(f"{text!r} was refused") from None
    (tmp_path / "nginx.conf").write_text(
        f"{'user root;' if os.geteuid() == 0 else ''} error_log stderr; events {{}} http {{ access_log off; keepalive_requests 10000;"
        f' geo $dollar {{ default "$"; }} server {{ listen 127.0.0.1:{port}; {" ".join(lines)} }} }}'
    )
    process = subprocess.Popen(on.command(proxy("nginx").program.run, tmp_path), start_new_session=True)
    try:
        until(lambda: listens(("127.0.0.1", port)), "nginx")
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as client, client.makefile("rb") as answers:
            for at, text in enumerate(words):
                client.sendall(f"GET /{at} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
                length = 0
                while (line := answers.readline()) not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                assert answers.read(length).decode() == text
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert DOLLAR in body("$")


def test_the_tried_versions_hold_the_installed_ones() -> None:
    if not installed("nginx"):
        pytest.skip("nginx: python -m tools.proxies nginx")
    assert all(table("nginx").oldest <= one.version <= table("nginx").newest for one in installed("nginx"))
