"""A proxy between a client and an application: the real program, running what was rendered for its version.

`@proves("h2c_upstream")` runs a test on every installed version of every proxy whose table says that it can.
"""

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
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypercorn.asyncio import serve
from hypercorn.config import Config

from proxyconf.facts.table import Version, table
from proxyconf.facts.target import Target
from proxyconf.output.bundle import Bundle
from proxyconf.programs.run import ProgramMissing, find_program, version
from proxyconf.proxies.contract import render
from proxyconf.proxies.registry import names, proxy
from proxyconf.spec.read import SiteFile, load
from tests.support.ports import free_port

__all__ = [
    "DEADLINE", "PROVED", "REPOSITORY", "SITE", "Installed", "Origin", "Stack", "Stacks", "certificate", "fields_of", "free_port", "installed", "listens",
    "origin", "proves", "rendered", "rendered_file", "serving", "stack", "until", "with_rights",
]  # fmt: skip

T = TypeVar("T", bound=Callable[..., None])
PROVED: dict[str, tuple[str, ...]] = {}
"""The capabilities that a test proves, by its name."""
REPOSITORY = Path(__file__).resolve().parents[2]
DEADLINE = 20.0


@dataclass(frozen=True)
class Installed:
    """One version of one proxy that can be started here."""

    proxy: str
    version: Version
    program: str

    def __str__(self) -> str:
        return f"{self.proxy}-{self.version}"

    def can(self, capability: str) -> bool:
        """Whether the table says so."""
        return table(self.proxy).can(capability, self.version)

    @property
    def permanent(self) -> tuple[int, ...]:
        """What a permanent redirect may be answered with: Traefik's of a GET is 301."""
        return (301, 308) if self.proxy == "traefik" else (308,)

    def command(self, words: tuple[str, ...], folder: Path) -> list[str]:
        """Return one of the proxy's commands on this program."""
        return [self.program, *(word.replace("{folder}", str(folder)) for word in words[1:])]


@cache
def installed(name: str = "") -> tuple[Installed, ...]:
    """Return the versions that are here: on PATH, in the virtual environment, and in build/proxies (tools/proxies.py)."""
    found: dict[tuple[str, Version], Installed] = {}
    for one in [name] if name else names():
        word, *rest = proxy(one).program.version
        programs = [str(path) for path in sorted(REPOSITORY.glob(f"build/proxies/{one}/*/bin/{word}"))]
        with suppress(ProgramMissing):  # then only those of build/proxies
            programs.insert(0, find_program(word))
        for program in programs:
            number = Version.parse(version((program, *rest)))
            found.setdefault((one, number), Installed(one, number, program))
    return tuple(found.values())


def proves(*capabilities: str, proxies: tuple[str, ...] = ()) -> Callable[[T], T]:
    """Return the mark that runs a test on each installed proxy whose table has all of these capabilities."""
    reason = f"no proxy that is installed can: {', '.join(capabilities)}"
    nobody = [pytest.param(None, marks=pytest.mark.skip(reason=reason))]
    able = [one for one in installed() if all(one.can(name) for name in capabilities) and one.proxy in (proxies or names())]

    def mark(test: T) -> T:
        PROVED[test.__name__] = capabilities
        return cast(T, pytest.mark.parametrize("on", able or nobody, ids=str)(test))

    return mark


def until(ready: Callable[[], bool], what: str) -> None:
    """Wait for something, within the deadline."""
    end = time.monotonic() + DEADLINE
    while not ready():
        assert time.monotonic() < end, f"{what}: not within {DEADLINE} s"
        time.sleep(0.01)


def listens(address: tuple[str, int] | str) -> bool:
    """Say whether somebody accepts connections there."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as probe:
        return probe.connect_ex(address) == 0


@dataclass
class Origin:
    """An application behind a proxy, and what it saw. Paths choose what it does; any other is echoed as JSON."""

    address: str
    """Where it listens; empty: at several addresses, and each request says at which it came in."""
    instead: Callable[..., Any] | None = None
    """Another application in its place."""
    seen: list[dict[str, Any]] = field(default_factory=list)
    resets: int = 0
    at_once: int = 0
    most_at_once: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        if self.instead is not None:
            await self.instead(scope, receive, send)
            return
        self.seen.append(scope)
        if scope["type"] == "websocket":
            await self._echo(receive, send)
            return
        action = {"/hang": self._hang, "/hints": self._hints, "/events": self._events, "/trailers": self._trailers}.get(scope["path"], self._answer)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await action(scope, receive, send)
        finally:
            self.at_once -= 1

    async def _echo(self, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})

    async def _hang(self, scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.resets += 1

    async def _hints(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
        await self._answer(scope, receive, send)

    async def _events(self, scope: Any, receive: Any, send: Any) -> None:
        """Send one event and the next only when the client has left: it must not wait in a buffer."""
        headers = [(b"content-type", b"text/event-stream")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _trailers(self, scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        await send({"type": "http.response.body", "body": b"body"})
        await send({"type": "http.response.trailers", "headers": [(b"x-checksum", b"abc")]})

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        size, more = 0, True
        while more:
            event = await receive()
            size, more = size + len(event.get("body", b"")), event.get("more_body", False)
        await asyncio.sleep(0.2 if scope["path"] == "/slow" else 0)
        query = dict(pair.split("=", 1) for pair in scope["query_string"].decode().split("&") if "=" in pair)
        fields = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        body = {
            "version": scope["http_version"], "client": scope["client"], "size": size, "fields": fields,
            "path": scope["raw_path"].decode(), "query": scope["query_string"].decode(), "by": self.address or "{}:{}".format(*scope["server"]),
        }  # fmt: skip
        headers = [(b"content-type", b"application/json")]
        if "header" in query:
            headers.append((query["header"].encode(), query.get("value", "1").encode()))
        status = int(query.get("status", "200"))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})


def _address(bind: str) -> tuple[str, int] | str:
    host, _, port = bind.rpartition(":")
    return bind.removeprefix("unix:") if bind.startswith("unix:") else (host, int(port))


@contextmanager
def origin(bind: str, instead: Callable[..., Any] | None = None, *more: str) -> Iterator[Origin]:
    """Serve an Origin, or another application, by hypercorn in a thread of its own; `more` are further addresses."""
    app, stop, loop = Origin("" if more else bind, instead), asyncio.Event(), asyncio.new_event_loop()
    config = Config()
    config.bind, config.errorlog, config.graceful_timeout = [bind, *more], None, 0.2
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(serve(app, config, shutdown_trigger=stop.wait)), daemon=True,
    )  # fmt: skip
    thread.start()
    for one in (bind, *more):
        until(partial(listens, _address(one)), "hypercorn")
    try:
        yield app
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(DEADLINE)
        if not thread.is_alive():
            loop.close()


@dataclass
class Stack:
    """A running proxy."""

    on: Installed
    port: int
    http_port: int
    folder: Path
    process: subprocess.Popen[bytes] | None = None

    def ask(self, path: str = "/", host: str = "shop.test", **more: Any) -> httpx.Response:
        """Send one request over TLS and return the answer."""
        with self.client(**{key: more.pop(key) for key in ("http2", "local") if key in more}) as client:
            return client.request(more.pop("method", "GET"), path, **self.named(host, more))

    def ask_cleartext(self, path: str = "/", host: str = "shop.test", **more: Any) -> httpx.Response:
        """Send one request to the cleartext listener."""
        headers = [("host", host), *more.pop("headers", [])]
        return httpx.get(f"http://127.0.0.1:{self.http_port}{path}", headers=headers, **more)

    def named(self, host: str, more: dict[str, Any]) -> dict[str, Any]:
        """Return the options of a request to a host name."""
        headers = [("host", f"{host}:{self.port}"), *more.pop("headers", [])]
        return {"headers": headers, "extensions": {"sni_hostname": host}, **more}

    def tls(self) -> ssl.SSLContext:
        """Return what trusts the stack's certificate; names of .test resolve nowhere, so no name is checked."""
        context = ssl.create_default_context(cafile=self.folder / "cert.pem")
        context.check_hostname = False
        return context

    def client(self, http2: bool = True, local: str | None = None) -> httpx.Client:
        """Return a client of the TLS listener."""
        transport = httpx.HTTPTransport(verify=self.tls(), http2=http2, local_address=local)
        return httpx.Client(transport=transport, base_url=f"https://127.0.0.1:{self.port}", timeout=DEADLINE)

    def shows_its_certificate(self) -> bool:
        """Say whether the sites are read: before, there is no answer, or a certificate of nobody."""
        try:
            with self.connection():
                return True
        except OSError:
            return False

    @contextmanager
    def connection(self, alpn: str = "http/1.1") -> Iterator[ssl.SSLSocket]:
        """Open a bare TLS connection."""
        context = self.tls()
        context.set_alpn_protocols([alpn])
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE) as plain,
            context.wrap_socket(plain, server_hostname="shop.test") as client,
        ):
            yield client


def certificate(folder: Path, *hosts: str) -> None:
    """Write a throw-away certificate, cert.pem and key.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lasthop test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    # Some proxies find the key by the name of the certificate only.
    for file in ("key.pem", "cert.pem.key"):
        (folder / file).write_bytes(key.private_bytes(pem, pkcs8, plain))
    folder.chmod(0o755)


SITE = """
listeners:
  http: {address: "127.0.0.1:${HTTP}", redirect: https}
  https:
    address: "127.0.0.1:${HTTPS}"
    tls: {certificates: [{cert: "${DIR}/cert.pem", key: "${DIR}/cert.pem.key"}]}
upstreams: {app: {protocol: h2c, servers: ["${APP}"]}}
sites:
- hostnames: [shop.test]
  upstream: app
"""


def rendered(on: Installed, running: Stack, app: str, site: str) -> Bundle:
    """Render a site for the version that is installed."""
    # Where the hop cannot be h2c the same is asked of HTTP/1.1.
    if not on.can("h2c_upstream"):
        site = site.replace("protocol: h2c", "protocol: http1")
    if not on.can("forwarded_for_alone"):
        site = f"policy: {{features: {{forwarded_for_alone: degrade}}}}\n{site}"
    values = {"HTTP": running.http_port, "HTTPS": running.port, "DIR": running.folder, "APP": app}
    file = load("site.yaml", site.encode(), {name: str(value) for name, value in values.items()})
    return rendered_file(on, file)


def rendered_file(on: Installed, file: SiteFile) -> Bundle:
    """Render a site file for the version that is installed."""
    # Started as root, a proxy gives its workers to another user, who may not read what the test writes.
    target = replace(Target.of(on.proxy, file.spec), version=on.version, user="root" if os.geteuid() == 0 else "")
    bundle = render(proxy(on.proxy), file.deployment, target)
    if any(finding.path[-1:] == ("user",) for finding in bundle.findings):
        return render(proxy(on.proxy), file.deployment, replace(target, user=""))
    return bundle


def with_rights() -> tuple[str, ...]:
    """Return what lets workers of another user read what a test wrote: they keep the rights of root."""
    return ("setpriv", "--securebits", "+no_setuid_fixup") if os.geteuid() == 0 else ()


@contextmanager
def stack(on: Installed, folder: Path, app: str, site: str = SITE, *, wait: bool = True) -> Iterator[Stack]:
    """Render a site for an installed proxy and run it; `wait`: until it shows our certificate, if it listens before."""
    running = Stack(on, free_port(), free_port(), folder)
    if not (folder / "cert.pem").exists():
        certificate(folder, "shop.test")
    bundle = rendered(on, running, app, site)
    assert not bundle.refused, [finding.message for finding in bundle.findings]
    with serving(running, bundle, wait=wait):
        yield running


@contextmanager
def serving(running: Stack, bundle: Bundle, *, wait: bool = True) -> Iterator[None]:
    """Write what was rendered into the stack's folder and run its proxy; `wait` as above."""
    on, folder = running.on, running.folder
    for name, text in bundle.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    program = proxy(on.proxy).program
    home = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(folder))
    with (folder / "proxy.log").open("wb") as log:
        running.process = process = subprocess.Popen(
            [*with_rights(), *on.command(program.run, folder)], cwd=folder, env={**os.environ, **home, **program.environment},
            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    try:
        until(lambda: listens(("127.0.0.1", running.port)) or process.poll() is not None, on.proxy)
        assert process.poll() is None, (folder / "proxy.log").read_text()
        if wait and program.listens_first:
            until(running.shows_its_certificate, f"{on.proxy}'s certificate")
        yield
    finally:
        # The group: workers of a master that is killed would stay.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Stacks:
    """Running proxies of a module, each started once for a site, all ended with it."""

    def __init__(self, app: Origin, factory: pytest.TempPathFactory, exits: ExitStack) -> None:
        self._app, self._factory, self._exits = app, factory, exits
        self._running: dict[tuple[Installed, str], Stack] = {}

    def get(self, on: Installed, site: str = SITE) -> Stack:
        """Return the proxy that runs a site."""
        if (on, site) not in self._running:
            folder = self._factory.mktemp(on.proxy)
            self._running[on, site] = self._exits.enter_context(stack(on, folder, self._app.address, site))
        return self._running[on, site]


def fields_of(response: httpx.Response, *prefixes: str) -> dict[str, list[str]]:
    """Return the fields that the application saw, those whose names are or begin with one of `prefixes`."""
    found: dict[str, list[str]] = {}
    for name, value in response.json()["fields"]:
        if not prefixes or name.startswith(prefixes):
            found.setdefault(name, []).append(value)
    return found
