"""`init`: a commented starter from four answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from proxyconf.backend.presets import PRESETS
from proxyconf.facts.table import table, table_names
from proxyconf.spec.addresses import ServerAddress
from proxyconf.spec.names import application, hostname

__all__ = ["QUESTIONS", "Answers", "Question", "starter"]


@dataclass(frozen=True, slots=True)
class Question:
    """One question: the flag that answers it, its words, and what an empty answer stands for."""

    name: str
    text: str
    default: str
    choices: tuple[str, ...] = ()

    def read(self, answer: str) -> str:
        """Return an answer as it is meant. Raises ValueError."""
        text = answer.strip() or self.default
        if self.choices and text not in self.choices:
            raise ValueError(f"one of {', '.join(self.choices)}")
        return _READERS[self.name](text)


@dataclass(frozen=True, slots=True)
class Answers:
    """The four answers."""

    hostname: str
    proxy: str
    server: str
    listens: str
    app: str = ""


def _address(text: str) -> str:
    return str(ServerAddress.parse(text))


QUESTIONS = (
    Question("hostname", "Which host name do clients use?", "shop.example.org"),
    Question("proxy", "Which proxy stands in front?", "caddy", table_names()),
    Question("server", "Which server runs the application?", "appserver", tuple(PRESETS)),
    Question("listens", "Where does it listen (HOST:PORT or unix:/PATH)?", "unix:/run/app/app.sock"),
)
_READERS: dict[str, Callable[[str], str]] = {
    "hostname": hostname, "proxy": str, "server": str, "listens": _address, "app": application,
}  # fmt: skip


def starter(answers: Answers) -> str:
    """Return a site file, checked by nothing yet but complete."""
    version = table(answers.proxy).newest
    h2c = PRESETS[answers.server].h2c and table(answers.proxy).can("h2c_upstream", version)
    automatic = table(answers.proxy).can("tls_automatic", version)
    app = answers.app or "app:app"
    lines = [
        "# One file for the proxy and the app server: proxyconf check, then proxyconf render all -o FOLDER.",
        "# Every key: proxyconf explain KEY, such as: proxyconf explain sites.routes",
        "version: 1",
        "",
        "targets:",
        f'- {{proxy: {answers.proxy}, version: "{version}"}}   # or auto: asks the installed program',
        "",
        "appserver:",
        f"  app: {json.dumps(app)}",
        f"  server: {answers.server}",
        "  drain: 30s",
        "",
        "listeners:",
        '  http: {address: ":80", redirect: https}',
        "  https:",
        '    address: ":443"',
        *_certificates(automatic),
        "",
        "# trust: {trusted_proxies: [private]}   # only if a load balancer stands in front of this proxy",
        "",
        "upstreams:",
        "  app:",
        f"    protocol: {'h2c' if h2c else 'http1'}",
        f"    servers: [{json.dumps(answers.listens)}]",
        "",
        "sites:",
        f"- hostnames: [{answers.hostname}]",
        "  upstream: app",
        "  limits: {request_body: 20MiB}",
        "  timeouts: {request: 30s}",
        "  # routes:",
        "  # - {path: /static/, static: {root: /srv/static, cache_control: immutable}}",
    ]
    return "\n".join(lines) + "\n"


def _certificates(automatic: bool) -> list[str]:
    if automatic:
        return ["    tls: {issuer: automatic}   # a public CA; internal: the proxy's own; certificates: [...]: files"]
    return [
        "    tls:",
        "      certificates:   # this proxy gets none by itself; an ACME client puts them here",
        "      - {cert: /etc/ssl/site.pem, key: /etc/ssl/site.key}",
    ]
