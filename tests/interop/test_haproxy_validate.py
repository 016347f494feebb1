"""`haproxy -c` on everything that is rendered, and hostile texts as HAProxy itself reads them."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from proxyconf.document.findings import SiteError
from proxyconf.facts.table import table
from proxyconf.facts.target import Target
from proxyconf.output.bundle import Bundle
from proxyconf.proxies.contract import render
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load
from proxyconf.syntax.haproxy import body, formatted, quote
from proxyconf.syntax.words import Unquotable
from tests.interop.hop import Installed, certificate, free_port, installed, listens, until
from tests.unit.proxyconf.proxies.test_hostile import HOSTILE

GOLDENS = sorted((Path(__file__).resolve().parents[1] / "unit/proxyconf/proxies/golden/haproxy").glob("*.txt"))
INSTALLED = installed("haproxy") or [pytest.param(None, marks=pytest.mark.skip(reason="python -m tools.proxies haproxy"))]
everywhere = pytest.mark.parametrize("on", INSTALLED, ids=str)


def said(on: Installed, folder: Path, files: Mapping[str, str]) -> str:
    """Let HAProxy check a configuration and return what it complains about; warnings count."""
    for file, text in files.items():
        (folder / file).write_text(text)
    command = on.command(proxy("haproxy").program.check, folder)
    done = subprocess.run([*command, "-dW"], cwd=folder, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stderr


def with_files(text: str, folder: Path) -> str:
    """Put real files where the configuration names some in /etc and /srv; a machine's own name servers know no name of ours."""
    certificate(folder, "shop.example")
    pem = (folder / "cert.pem").read_bytes() + (folder / "key.pem").read_bytes()
    for path in [path for line in text.splitlines() for path in words(line) if re.match(r"/(etc|srv)/", path)]:
        place = Path(f"{folder}{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        for name in (str(place), f"{place}.key"):
            Path(name).write_bytes(b"<h1>page</h1>" if path.startswith("/srv/") else pem)
    text = re.sub(r"(?<=['\s])/(etc|srv)/", rf"{folder}/\1/", text)
    return re.sub(r"\b(far\.example|app-2)(?=:\d)", "localhost", text)


def words(line: str) -> list[str]:
    """Return the words of a line as HAProxy reads them."""
    found = re.findall(r"""(?:'[^']*'|\\.|"(?:\\.|[^"\\])*"|[^\s'"\\])+""", line)
    return [re.sub(r"'([^']*)'|\\(.)", lambda match: match[1] if match[1] is not None else match[2], word) for word in found]


@everywhere
@pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: str(path.stem))
def test_haproxy_accepts_every_golden(golden: Path, on: Installed, tmp_path: Path) -> None:
    site = golden.read_text().partition("----------\n")[0]
    variables = dict(line[8:].split("=", 1) for line in site.splitlines() if line.startswith("# --set "))
    try:
        file = load("site.yaml", site.encode(), variables)
    except SiteError:
        return
    target = replace(Target.of("haproxy", file.spec), version=on.version, user="")
    bundle = render(proxy("haproxy"), file.deployment, target)
    if bundle.refused:
        # The newest refuses what its golden says, an older one more.
        assert on.version < table("haproxy").newest or "\nglobal\n" not in golden.read_text()
        return
    stamped = bundle.stamped("0" * 64).files
    assert said(on, tmp_path, {**stamped, "haproxy.cfg": with_files(stamped["haproxy.cfg"], tmp_path)}) == ""


PAIRS = [first + second for first in HOSTILE for second in HOSTILE]


@contextmanager
def running(on: Installed, folder: Path, lines: list[str]) -> Iterator[int]:
    """Run HAProxy with rules of a frontend."""
    port = free_port()
    head = ["defaults", " mode http", *(f" timeout {name} 5s" for name in ("connect", "client", "server"))]
    text = "\n".join([*head, "frontend f", f" bind 127.0.0.1:{port}", *lines, ""])
    assert said(on, folder, {"haproxy.cfg": text}) == ""
    folder.chmod(0o755)
    process = subprocess.Popen(
        on.command(proxy("haproxy").program.run, folder), cwd=folder, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        until(lambda: listens(("127.0.0.1", port)), "haproxy")
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def asked(port: int, path: str) -> tuple[str, str]:
    """Return the body of an answer and its field X-Said."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return text.decode(), (answer.getheader("X-Said") or "").encode("latin-1").decode()


@everywhere
def test_haproxy_reads_every_word_as_it_was_meant(on: Installed, tmp_path: Path) -> None:
    texts = []
    for text in [*HOSTILE, *PAIRS[:: len(PAIRS) // 250]]:
        try:
            quote(text)
        except Unquotable:
            continue
        texts.append(text)
    lines = [
        f" http-request return status 200 content-type text/plain string {quote(text)} hdr X-Said {formatted(f'<{text}>')}"
        f" if {{ path -m str /{at} }}" for at, text in enumerate(texts)
    ]  # fmt: skip
    with running(on, tmp_path, lines) as port:
        read = [asked(port, f"/{at}") for at in range(len(texts))]
    assert len(texts) > 150
    assert [text for text, _ in read] == texts
    assert [field for _, field in read] == [f"<{text}>" for text in texts]


@everywhere
def test_haproxy_reads_lines_and_patterns_as_they_were_meant(on: Installed, tmp_path: Path) -> None:
    long = "x" * 8000
    texts = ["one\ntwo\r\n\tthree\n", "$HOME ${HOME} \"q\" 'w' \\n \\ # %[env(HOME)]\n", "\n", long]
    values = ["-f /etc/passwd", "}", "a' || 'b", "--", "-i", "$HOME", "%%", "\\", "\"x\""]
    lines = [f" http-request return status 200 content-type text/plain string {body(text)} if {{ path /{at} }}" for at, text in enumerate(texts)]
    for at, value in enumerate(values):
        lines.append(f" acl said{at} req.fhdr(x-say) -m str -- {quote(value)}")
        lines.append(f" http-request return status 200 content-type text/plain string v{at} if said{at}")
    with running(on, tmp_path, lines) as port:
        assert [asked(port, f"/{at}")[0] for at in range(len(texts))] == texts
        for at, value in enumerate(values):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", "/none", headers={"X-Say": value})
            assert connection.getresponse().read().decode() == f"v{at}"
            connection.close()


@everywhere
def test_hostile_file_names_reach_haproxy_byte_for_byte(on: Installed, tmp_path: Path) -> None:
    texts = [text for text in HOSTILE if "/" not in text and text.isprintable()]
    for at in range(0, len(texts), 12):
        _read_as_certificates([tmp_path / f"{text} x.pem" for text in texts[at : at + 12]], on, tmp_path)


def _read_as_certificates(names: list[Path], on: Installed, tmp_path: Path) -> None:
    paths = [json.dumps(str(name), ensure_ascii=False).replace("${", "$${") for name in names]
    pairs = ", ".join(f"{{cert: {path}, key: {path}}}" for path in paths)
    listener = f"{{address: '127.0.0.1:443', tls: {{certificates: [{pairs}]}}}}"
    site = f"listeners: {{https: {listener}}}\nsites: [{{hostnames: [shop.example], upstream: 'h2c://127.0.0.1:8000'}}]\n"
    file = load("site.yaml", site.encode(), {})
    bundle: Bundle = render(proxy("haproxy"), file.deployment, replace(Target.of("haproxy", file.spec), version=on.version))
    certificate(tmp_path, "shop.example")
    for name in names:
        name.write_bytes((tmp_path / "cert.pem").read_bytes() + (tmp_path / "key.pem").read_bytes())
    assert said(on, tmp_path, bundle.files) == ""
    names[-1].unlink()
    assert "unable to stat" in said(on, tmp_path, bundle.files)


def test_the_tried_versions_hold_the_installed_ones() -> None:
    for on in installed("haproxy"):
        assert table("haproxy").oldest <= on.version <= table("haproxy").newest
