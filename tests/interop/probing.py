"""Probes of the sites in examples/: what is asked is data beside each site, and every proxy has to answer it alike.

A probe is one line of `probes.yaml`: what is asked, what is expected, and, for a proxy that answers otherwise, what it
answers instead and why. `differences` asks them all; a difference that is not declared and one that is declared and not
there are both reported.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import grpc
import httpx
import yaml
from cryptography import x509

from proxyconf.document.findings import Rule
from proxyconf.output.bundle import Bundle
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load
from proxyconf.spec.units import Size
from tests.interop.hop import DEADLINE, Installed, Stack, certificate, free_port, rendered_file, serving, until
from tests.support.sites import without

__all__ = ["Example", "Probe", "Run", "asked", "differences", "example", "rendered_example"]

KINDS = ("get", "head", "post", "put", "delete", "options", "websocket", "events", "grpc", "certificate")
OPTIONS = {"host", "fields", "body", "chunked", "http1", "from", "cleartext", "expect", "differs", "times", "needs"}
HANDSHAKE = {
    "connection": "Upgrade", "upgrade": "websocket", "sec-websocket-version": "13", "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}  # fmt: skip
HELLO = bytes([0x81, 0x85, 1, 2, 3, 4]) + bytes(char ^ mask for char, mask in zip(b"hello", b"\1\2\3\4\1", strict=True))


@dataclass(frozen=True)
class Probe:
    """One question."""

    kind: str
    target: str
    host: str
    expect: Mapping[str, Any]
    differs: Mapping[str, Mapping[str, Any]]
    """By proxy: what it answers instead, and `because`."""
    options: Mapping[str, Any]

    @classmethod
    def read(cls, entry: Mapping[str, Any], host: str) -> Probe:
        """Read one entry of a `probes.yaml`."""
        kinds = [kind for kind in KINDS if kind in entry]
        unknown = entry.keys() - OPTIONS - set(KINDS)
        assert len(kinds) == 1, f"one of {', '.join(KINDS)}: {entry}"
        assert not unknown, f"unknown: {unknown} in {entry}"
        differs = entry.get("differs", {})
        assert all("because" in words for words in differs.values()), f"a difference says because: {entry}"
        return cls(kinds[0], str(entry[kinds[0]]), entry.get("host", host), entry["expect"], differs, entry)

    def __str__(self) -> str:
        about = [f"{name}={self.options[name]}" for name in ("fields", "body", "from", "cleartext", "http1") if name in self.options]
        return " ".join([self.kind, f"{self.host}{self.target if self.target != self.host else ''}", *about])

    def expected(self, name: str) -> dict[str, Any]:
        """Return what a proxy is to answer."""
        return {**self.expect, **{key: value for key, value in self.differs.get(name, {}).items() if key != "because"}}


@dataclass(frozen=True)
class Example:
    """A folder of examples/: a site, the probes, and whatever files the site names."""

    folder: Path
    probes: tuple[Probe, ...]
    upstreams: Mapping[str, str]
    """The name of each upstream by the variable that holds its address."""
    values: Mapping[str, str] = field(default_factory=dict)
    """Further variables."""
    proxies: tuple[str, ...] = ()
    """Which have to have it, whole; others may be refused what their tables lack."""
    in_parts: bool = False
    """Whether they then get the rest."""
    certificates: Mapping[str, list[str]] = field(default_factory=dict)
    """The names of each certificate."""


def example(folder: Path) -> Example:
    """Read an example."""
    data = yaml.safe_load((folder / "probes.yaml").read_text())
    host = data.pop("host")
    probes = tuple(Probe.read(entry, host) for entry in data.pop("probes"))
    return Example(folder, probes, data.pop("upstreams"), proxies=tuple(data.pop("proxies")), **data)


@dataclass
class Run:
    """An example behind its upstreams, for any proxy."""

    example: Example
    places: Mapping[str, str]
    """The address of each variable's upstream."""
    files: Path

    @property
    def upstream_of(self) -> dict[str, str]:
        """The name of the upstream at each address."""
        return {self.places[variable]: name for variable, name in self.example.upstreams.items()}


def rendered_example(run: Run, running: Stack) -> Bundle:
    """Render an example for a proxy on free ports; without what its table lacks, where the example comes in parts."""
    folder = running.folder
    for name, hosts in run.example.certificates.items():
        place = folder / name
        place.mkdir(exist_ok=True)
        certificate(place, *hosts)
        for made, wanted in (("cert.pem", f"{name}.pem"), ("key.pem", f"{name}.pem.key")):
            (folder / wanted).write_bytes((place / made).read_bytes())
    folder.chmod(0o755)
    values = {
        "HTTP": f"127.0.0.1:{running.http_port}", "HTTPS": f"127.0.0.1:{running.port}", "TLS": str(folder),
        "METRICS": f"127.0.0.1:{free_port()}", "BALANCER": "127.0.0.9", "STAFF": "127.0.0.7", "FILES": str(run.files),
        **run.places, **run.example.values,
    }  # fmt: skip
    data = yaml.safe_load((run.example.folder / "site.yaml").read_text())
    bundle = _rendered(data, values, running.on)
    lacking = [finding.path for finding in bundle.findings if finding.rule is Rule.CANNOT]
    if lacking and run.example.in_parts and running.on.proxy not in run.example.proxies:
        without(data, lacking)
        bundle = _rendered(data, values, running.on)
    return bundle


def _rendered(data: Any, values: Mapping[str, str], on: Installed) -> Bundle:
    return rendered_file(on, load("site.yaml", json.dumps(data).encode(), values))


@contextmanager
def asked(bundle: Bundle, stack: Stack, names: Mapping[str, list[str]]) -> Iterator[Asker]:
    """Run what was rendered, and yield what asks it."""
    with ExitStack() as exits:
        exits.enter_context(serving(stack, bundle, wait=False))
        asker = Asker(stack, {stack.folder / f"{name}.pem": hosts for name, hosts in names.items()}, exits)
        if proxy(stack.on.proxy).program.listens_first:
            until(lambda: asker.shows_certificates([hosts[0] for hosts in names.values()]), f"{stack.on}'s certificates")
        yield asker


class Asker:
    """Clients of one running proxy, each opened once."""

    def __init__(self, stack: Stack, certificates: Mapping[Path, list[str]], exits: ExitStack) -> None:
        self._stack, self._certificates, self._exits = stack, certificates, exits
        self._clients: dict[tuple[Any, ...], httpx.Client] = {}

    def observe(self, probe: Probe, upstream_of: Mapping[str, str]) -> dict[str, Any]:
        """Ask, and return what is seen of all that the probe expects."""
        ask = getattr(self, f"_{probe.kind}", self._http)
        found: dict[str, Any] = ask(probe, upstream_of)
        return found

    def _http(self, probe: Probe, upstream_of: Mapping[str, str]) -> dict[str, Any]:
        times = int(probe.options.get("times", 1))
        answers = [self._send(probe) for _ in range(times)]
        seen = {key: _seen(key, wanted, answers[-1], upstream_of, self._tidy) for key, wanted in probe.expect.items() if key != "statuses"}
        if "statuses" in probe.expect:
            seen["statuses"] = sorted({answer.status_code for answer in answers})
        return seen

    def _send(self, probe: Probe) -> httpx.Response:
        client = self._client(probe.host, not probe.options.get("http1"), probe.options.get("from"), bool(probe.options.get("cleartext")))
        size = Size.parse(probe.options["body"]).bytes if "body" in probe.options else 0
        content: Any = (b"x" * 8192 for _ in range(size // 8192)) if probe.options.get("chunked") else b"x" * size if size else None
        fields = {"accept-encoding": "identity", **probe.options.get("fields", {})}
        return client.request(probe.kind.upper(), "/", content=content, **self._named(probe, fields))

    def _named(self, probe: Probe, fields: Mapping[str, str]) -> dict[str, Any]:
        port = self._stack.http_port if probe.options.get("cleartext") else self._stack.port
        # The target as it stands: a client would tidy it.
        extensions = {"sni_hostname": probe.host, "target": probe.target.encode()}
        return {"headers": {"host": f"{probe.host}:{port}", **fields}, "extensions": extensions}

    def _tls(self) -> ssl.SSLContext:
        """Return a context of its own for whoever offers protocols; the names resolve nowhere, so none is checked."""
        context = ssl.create_default_context()
        context.check_hostname = False
        for file in self._certificates:
            context.load_verify_locations(file)
        return context

    def shows_certificates(self, hosts: list[str]) -> bool:
        """Say whether the sites are read: before, there is a certificate of nobody."""
        try:
            for host in hosts:
                with (
                    socket.create_connection(("127.0.0.1", self._stack.port)) as client,
                    self._tls().wrap_socket(client, server_hostname=host.replace("*", "any")),
                ):
                    pass
        except OSError:
            return False
        return True

    def _certificate_of(self, host: str) -> Path | None:
        """Return the certificate that names a host; a connection is for the hosts of its certificate (RFC 9110, section 4.3.3)."""
        wanted = {host, f"*.{host.partition('.')[2]}"}
        return next((file for file, hosts in self._certificates.items() if wanted & set(hosts)), None)

    def _client(self, host: str, http2: bool = True, local: str | None = None, cleartext: bool = False) -> httpx.Client:
        key = (None if cleartext else self._certificate_of(host), http2, local, cleartext)
        if key not in self._clients:
            transport = httpx.HTTPTransport(verify=self._tls(), http2=http2 and not cleartext, local_address=local)
            base = f"http://127.0.0.1:{self._stack.http_port}" if cleartext else f"https://127.0.0.1:{self._stack.port}"
            self._clients[key] = self._exits.enter_context(httpx.Client(transport=transport, base_url=base, timeout=DEADLINE))
        return self._clients[key]

    def _tidy(self, text: str) -> str:
        """Return a text without the ports that this run happens to have."""
        return text.replace(f":{self._stack.port}", "").replace(f":{self._stack.http_port}", "")

    def _connection(self, host: str) -> ssl.SSLSocket:
        plain = self._exits.enter_context(socket.create_connection(("127.0.0.1", self._stack.port), timeout=DEADLINE))
        return self._exits.enter_context(self._tls().wrap_socket(plain, server_hostname=host))

    def _certificate(self, probe: Probe, upstream_of: Mapping[str, str]) -> dict[str, Any]:
        der = self._connection(probe.host).getpeercert(binary_form=True)
        assert der
        names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return {"names": names.value.get_values_for_type(x509.DNSName)}

    def _websocket(self, probe: Probe, upstream_of: Mapping[str, str]) -> dict[str, Any]:
        fields = {"host": f"{probe.host}:{self._stack.port}", **HANDSHAKE, **probe.options.get("fields", {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        client = self._connection(probe.host)
        client.sendall(f"GET {probe.target} HTTP/1.1\r\n{head}\r\n".encode())
        answer, rest = _until_blank(client)
        status = int(answer.split(b" ", 2)[1])
        if status != 101:
            return {"status": status}
        client.sendall(HELLO)
        while len(rest) < 7 and (piece := client.recv(65536)):
            rest += piece
        return {"status": status, "echo": rest[2:].decode()}

    def _events(self, probe: Probe, upstream_of: Mapping[str, str]) -> dict[str, Any]:
        fields = {"accept": "text/event-stream", "accept-encoding": "gzip"}
        with self._client(probe.host).stream("GET", "/", **self._named(probe, fields)) as answer:
            return {"status": answer.status_code, "first": next(answer.iter_raw()).decode(errors="replace")}

    def _grpc(self, probe: Probe, upstream_of: Mapping[str, str]) -> dict[str, Any]:
        pem = b"".join(path.read_bytes() for path in sorted(self._stack.folder.glob("*.pem")))
        options = [("grpc.ssl_target_name_override", probe.host), ("grpc.default_authority", f"{probe.host}:{self._stack.port}")]
        with grpc.secure_channel(f"127.0.0.1:{self._stack.port}", grpc.ssl_channel_credentials(pem), options) as channel:
            try:
                said = channel.unary_unary(probe.target)(b"hello", timeout=DEADLINE)
            except grpc.RpcError as error:
                return {"code": error.code().name, "details": error.details()}
        return {"code": "OK", "message": said.decode()}


def _until_blank(client: ssl.SSLSocket) -> tuple[bytes, bytes]:
    said = b""
    while b"\r\n\r\n" not in said:
        piece = client.recv(65536)
        assert piece, said
        said += piece
    head, _, rest = said.partition(b"\r\n\r\n")
    return head, rest


def _seen(key: str, wanted: Any, answer: httpx.Response, upstream_of: Mapping[str, str], tidy: Callable[[str], str]) -> Any:
    """Return what an answer has of one thing that is expected."""
    plain: dict[str, Callable[[], Any]] = {
        "status": lambda: answer.status_code,
        "body": lambda: answer.text,
        "json": answer.json,
        "not": lambda: wanted if wanted not in answer.text else answer.text[:200],
        "has": lambda: wanted if wanted in answer.text else answer.text[:200],
        "location": lambda: tidy(_absolute(answer)),
        "by": lambda: upstream_of.get(_echoed(answer).get("by", ""), "nobody"),
        "path": lambda: _echoed(answer).get("path"),
        "query": lambda: _echoed(answer).get("query"),
        "size": lambda: _echoed(answer).get("size"),
        "fields": lambda: {name: _value(answer.headers.get_list(name), wanted[name], tidy) for name in wanted},
        "sees": lambda: {name: _value(_fields(answer, name), wanted[name], tidy) for name in wanted},
    }
    return plain[key]()


def _value(found: list[str], wanted: str | None, tidy: Callable[[str], str]) -> str | None:
    """Return a field's value; several are joined; `/.../` expects an expression."""
    if not found:
        return None
    value = tidy(", ".join(found))
    if wanted and wanted.startswith("/") and wanted.endswith("/") and len(wanted) > 2 and re.fullmatch(wanted[1:-1], value):
        return wanted
    return value


def _absolute(answer: httpx.Response) -> str:
    """Return where a redirect leads; a path alone leads to the same site."""
    location = answer.headers.get("location", "")
    return str(answer.request.url.join(location)).replace("127.0.0.1", answer.request.headers["host"]) if location.startswith("/") else location


def _echoed(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = json.loads(answer.text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _fields(answer: httpx.Response, name: str) -> list[str]:
    return [value for field_name, value in _echoed(answer).get("fields", []) if field_name == name]


def differences(probes: tuple[Probe, ...], asker: Asker, on: Installed, upstream_of: Mapping[str, str]) -> list[str]:
    """Ask every probe and return a line for each that is answered otherwise than expected."""
    found: list[str] = []
    for probe in probes:
        if not all(on.can(name) for name in probe.options.get("needs", ())):
            continue
        expected = probe.expected(on.proxy)
        try:
            seen = asker.observe(replace(probe, expect=expected), upstream_of)
        except (OSError, httpx.HTTPError, AssertionError, StopIteration) as error:
            seen = {"error": f"{type(error).__name__}: {error}"}
        found += [f"{probe}: {key}: {seen.get(key)!r}, expected {value!r}" for key, value in expected.items() if seen.get(key) != value]
        found += [f"{probe}: {seen['error']}"] if "error" in seen else []
        if on.proxy in probe.differs and "error" not in seen and not _differs(probe, expected):
            found.append(f"{probe}: what is declared for {on.proxy} is no difference")
    return found


def _differs(probe: Probe, expected: Mapping[str, Any]) -> bool:
    return any(probe.expect.get(key) != value for key, value in expected.items())


