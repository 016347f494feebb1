"""Hand-written configurations of real proxies, as targets of `proxyconf verify`: what an expert would write, no more.

They stand for configurations that proxyconf did not render; each names the features that it promises.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from bench.release import Release, missing
from proxyconf.verify.address import Address
from proxyconf.verify.certificates import make
from proxyconf.verify.edge.link import Edge
from proxyconf.verify.outcome import Report, Result
from proxyconf.verify.probes.catalogue import PROBES
from proxyconf.verify.probes.probe import Probe
from proxyconf.verify.program import Program
from proxyconf.verify.runner import verify
from proxyconf.verify.stack import LocalStack
from proxyconf.verify.subject import Feature, Prefix, Subject
from tests.support.ports import free_port

__all__ = ["TARGETS", "Place", "Quiet", "Target", "origin_program", "tried"]

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
HOST = "shop.test"
LIMIT, TIMEOUT = 2**20, 1.0
LOOKED_WITH = {Feature.ORIGIN, Feature.RAW_ORIGIN, Feature.HINTED, Feature.TCP_HOP, Feature.STACK}
EDGE = {Feature.TLS, Feature.HTTP1, Feature.HTTP2, Feature.UNKNOWN_HOST, Feature.REDIRECT, Feature.FORWARDED,
        Feature.CONTROL_CHARACTERS}  # fmt: skip
PASSED_ON = {Feature.CLIENT_GONE, Feature.EARLY_HINTS, Feature.TRAILERS, Feature.STREAMED_REQUEST, Feature.STREAMED_RESPONSE, Feature.GRPC,
             Feature.WEBSOCKET, Feature.PREFIX, Feature.BODY_LIMIT, Feature.BODY_LIMIT_STREAMED, Feature.BROKEN_RESPONSES,
             Feature.RESPONSE_TIMEOUT}  # fmt: skip
ALL = frozenset(LOOKED_WITH | EDGE | PASSED_ON)


@dataclass(frozen=True)
class Place:
    """Folder and ports of one run."""

    folder: Path
    https: int = field(default_factory=free_port)
    http: int = field(default_factory=free_port)
    one: int = field(default_factory=free_port)
    two: int = field(default_factory=free_port)

    @property
    def control(self) -> Path:
        return self.folder / "control.sock"

    def fill(self, text: str) -> str:
        """Put this place's values for the words in capitals."""
        values = {"FOLDER": self.folder, "HTTPS": self.https, "HTTP": self.http, "ONE": self.one, "TWO": self.two}
        for word, value in values.items():
            text = text.replace(f"@{word}@", str(value))
        return text


@dataclass(frozen=True)
class Target:
    """One proxy and what its configuration promises."""

    name: str
    files: Mapping[str, str]
    argv: tuple[str, ...]
    features: frozenset[Feature]
    release: str = ""  # the Debian release whose binary it is
    reload: signal.Signals | tuple[str, ...] | None = None
    stop: signal.Signals = signal.SIGTERM
    hop: str = "HTTP/2"
    hop_connections: int = 4
    forwarded: frozenset[str] = frozenset({"for", "proto", "host"})

    def unavailable(self) -> str:
        """Say why it cannot be run here, empty if it can."""
        if self.release:
            return missing()
        return "" if self._program() else f"{self.argv[0]} is not installed"

    def _program(self) -> str | None:
        return shutil.which(self.argv[0]) or shutil.which(str(BIN / self.argv[0]))

    def edited(self, old: str, new: str) -> Target:
        """Return it with a text of its configuration replaced; it must be there."""
        assert any(old in text for text in self.files.values()), f"{self.name} has no {old!r}"
        return replace(self, files={name: text.replace(old, new) for name, text in self.files.items()})

    def demand(self) -> None:
        """Skip, or fail in CI, where it cannot be run."""
        if reason := self.unavailable():
            (pytest.fail if "LASTHOP_CI" in os.environ else pytest.skip)(f"{self.name}: {reason}")

    def prepare(self, place: Place) -> tuple[Subject, Program]:
        """Write the configuration; returns what to verify and how to run it."""
        certificates = make(place.folder, [HOST])
        both = certificates.certificate.read_bytes() + certificates.key.read_bytes()
        (place.folder / "both.pem").write_bytes(both)
        for name, text in self.files.items():
            (place.folder / name).write_text(place.fill(text))
        argv = [place.fill(word) for word in self.argv]
        if self.release:
            release = Release.named(self.release).ensure([self.argv[0]])
            place.folder.chmod(0o755)
            argv = release.inside(argv, {place.folder: str(place.folder)}, str(place.folder))
        else:
            argv[0] = self._program() or argv[0]
        reload = self.reload
        if isinstance(reload, tuple):
            reload = tuple(place.fill(word) if word != self.argv[0] else argv[0] for word in reload)
        home = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"), str(place.folder))
        ready = (Address(f"127.0.0.1:{place.https}"), Address(f"127.0.0.1:{place.http}"))
        program = Program(self.name, tuple(argv), place.folder, ready, home, reload=reload, stop=self.stop)
        subject = Subject(
            self.name, self.release, Edge(HOST, place.https, ca=certificates.ca), self.features, hop=self.hop,
            origins=(f"127.0.0.1:{place.one}", f"127.0.0.1:{place.two}"), forwarded=self.forwarded,
            hop_connections=self.hop_connections, body_limit=LIMIT, response_timeout=TIMEOUT,
            health_seconds=5.0, prefix=Prefix("/pre", "/new"), redirect=Edge(HOST, place.http, tls=False),
        )  # fmt: skip
        return subject, program


def origin_program(place: Place) -> Program:
    """Return the probe origin behind such a proxy."""
    binds = [word for port in (place.one, place.two) for word in ("--bind", f"127.0.0.1:{port}")]
    argv = (sys.executable, "-m", "proxyconf.verify.origin", "--control", str(place.control), *binds)
    ready = (Address(f"unix:{place.control}"),)
    return Program("origin", argv, place.folder, ready, {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])})


class Quiet:
    """A run that nobody watches."""

    def trying(self, probe: Probe) -> None:
        """Say nothing."""

    def done(self, result: Result) -> None:
        """Say nothing."""


def tried(target: Target, folder: Path, *names: str) -> dict[str, Result]:
    """Run a target and try some probes on it, all of them by default; returns the results by id."""
    target.demand()
    # Sockets need a short name, and programs of other releases see the temporary folder only.
    with tempfile.TemporaryDirectory(prefix="pv-", ignore_cleanup_errors=True) as short:
        place = Place(Path(short))
        subject, program = target.prepare(place)

        async def run() -> Report:
            async with LocalStack(program, origin_program(place), place.control) as stack:
                return await verify(subject, [probe for probe in PROBES if not names or probe.id in names], Quiet(), stack)

        report = asyncio.run(run())
        for log in place.folder.glob("*.log"):
            shutil.copyfile(log, folder / log.name)
    return {result.probe.id: result for result in report.results}


CADDY = """{
	admin unix/@FOLDER@/admin.sock
	auto_https off
	persist_config off
	grace_period 10s
}
http://:@HTTP@ {
	bind 127.0.0.1
	redir https://shop.test:@HTTPS@{uri} 308
}
https://shop.test:@HTTPS@ {
	bind 127.0.0.1
	tls cert.pem cert.pem.key
	request_header -X-Forwarded-*
	request_header -Forwarded
	request_header -X-Real-IP
	request_body {
		max_size 1MiB
	}
	@ws {
		header Connection *Upgrade*
		header Upgrade websocket
	}
	reverse_proxy @ws 127.0.0.1:@ONE@
	# Flushed at once, one in four of gRPC's errors comes as a head and an empty DATA frame: no status.
	@grpc header Content-Type application/grpc*
	reverse_proxy @grpc h2c://127.0.0.1:@ONE@
	handle_path /pre/* {
		rewrite * /new{uri}
		reverse_proxy h2c://127.0.0.1:@ONE@
	}
	reverse_proxy 127.0.0.1:@ONE@ 127.0.0.1:@TWO@ {
		flush_interval -1
		lb_policy round_robin
		health_uri /healthz
		health_interval 1s
		transport http {
			versions h2c
			response_header_timeout 1s
		}
	}
}
https://:@HTTPS@ {
	bind 127.0.0.1
	tls cert.pem cert.pem.key
	respond 421
}
"""

NGINX = """worker_processes 1;
daemon off;
user root;
pid @FOLDER@/nginx.pid;
error_log @FOLDER@/nginx.err info;
worker_shutdown_timeout 30s;
events { worker_connections 1024; }
http {
  client_body_temp_path @FOLDER@/body; proxy_temp_path @FOLDER@/proxy; fastcgi_temp_path @FOLDER@/fastcgi;
  uwsgi_temp_path @FOLDER@/uwsgi; scgi_temp_path @FOLDER@/scgi;
  access_log off;
  map "$http_upgrade|$content_type" $route { default h2; "~*^websocket\\|" ws; "~*^\\|application/grpc(\\+|;|$)" grpc; }
  upstream app { server 127.0.0.1:@ONE@ max_fails=0; }
  upstream app_h1 { server 127.0.0.1:@ONE@ max_fails=0; }
  upstream app_grpc { server 127.0.0.1:@ONE@ max_fails=0; }
  ssl_certificate @FOLDER@/cert.pem; ssl_certificate_key @FOLDER@/cert.pem.key;
  proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
  proxy_set_header X-Forwarded-Host $http_host; proxy_set_header X-Forwarded-Port ""; proxy_set_header X-Forwarded-Prefix "";
  proxy_set_header X-Forwarded-Server ""; proxy_set_header X-Forwarded-User ""; proxy_set_header X-Forwarded-Ssl "";
  proxy_set_header X-Real-IP ""; proxy_set_header Forwarded ""; proxy_set_header TE trailers;
  server { listen 127.0.0.1:@HTTP@; server_name shop.test; return 308 https://shop.test:@HTTPS@$request_uri; }
  server { listen 127.0.0.1:@HTTPS@ ssl default_server; http2 on; server_name _; return 421; }
  server {
    listen 127.0.0.1:@HTTPS@ ssl; http2 on; server_name shop.test;
    early_hints 1; client_max_body_size 1m; http2_body_preread_size 1m; client_body_timeout 1h;
    proxy_buffering off; proxy_request_buffering off; proxy_read_timeout 1s; proxy_pass_trailers on;
    location /pre/ { proxy_http_version 2; proxy_pass http://app/new/; }
    location / {
      error_page 418 = @ws; error_page 419 = @grpc;
      if ($route = ws) { return 418; }
      if ($route = grpc) { return 419; }
      proxy_http_version 2; proxy_pass http://app;
    }
    location @ws {
      proxy_http_version 1.1; proxy_pass http://app_h1;
      proxy_set_header Upgrade websocket; proxy_set_header Connection upgrade;
      proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $remote_addr;
    }
    location @grpc { grpc_pass grpc://app_grpc; grpc_set_header Host $http_host; }
  }
}
"""

HAPROXY = """global
    log stdout format raw local0 info
    nbthread 2
    stats socket @FOLDER@/haproxy.sock
defaults
    mode http
    log global
    option http-no-delay
    timeout connect 5s
    timeout http-request 10s
    timeout client 1h
    timeout server 1s
    timeout tunnel 1h
frontend http
    bind 127.0.0.1:@HTTP@
    http-request redirect location https://shop.test:@HTTPS@%[pathq] code 308
frontend https
    bind 127.0.0.1:@HTTPS@ ssl crt @FOLDER@/both.pem alpn h2,http/1.1
    acl host_ok req.hdr(host),host_only -i -m str -- shop.test
    http-request deny deny_status 421 unless host_ok
    http-request deny deny_status 413 if { req.body_size gt 1048576 }
    http-request del-header _ -m sub
    http-request del-header x-forwarded -m beg
    http-request del-header forwarded
    http-request del-header x-real-ip
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-uri %[ssl_fc,iif(https,http)]://%[req.hdr(host)]%[pathq]
    http-request replace-path ^/pre/(.*) /new/\\1 if { path_beg /pre/ }
    default_backend app
backend app
    balance roundrobin
    http-reuse always
    option httpchk
    http-check send meth GET uri /healthz hdr Host shop.test
    http-check expect status 200-399
    server one 127.0.0.1:@ONE@ proto h2 check inter 500ms fall 2 rise 2
    server two 127.0.0.1:@TWO@ proto h2 check inter 500ms fall 2 rise 2
"""

TARGETS = (
    Target("caddy", {"Caddyfile": CADDY}, ("caddy", "run", "--adapter", "caddyfile", "--config", "Caddyfile"),
           ALL | {Feature.MULTIPLEXING, Feature.HEALTH_CHECK, Feature.RELOAD, Feature.GRACEFUL_STOP},
           reload=("caddy", "reload", "--force", "--adapter", "caddyfile", "--config", "Caddyfile",
                   "--address", "unix/@FOLDER@/admin.sock")),
    Target("nginx", {"nginx.conf": NGINX}, ("nginx", "-c", "@FOLDER@/nginx.conf"),
           ALL | {Feature.RELOAD, Feature.GRACEFUL_STOP},
           release="forky", reload=signal.SIGHUP, stop=signal.SIGQUIT),
    Target("haproxy", {"haproxy.cfg": HAPROXY}, ("haproxy", "-W", "-f", "@FOLDER@/haproxy.cfg"),
           (ALL - {Feature.BODY_LIMIT, Feature.BODY_LIMIT_STREAMED}) | {Feature.MULTIPLEXING, Feature.HEALTH_CHECK, Feature.RELOAD, Feature.GRACEFUL_STOP,
                  Feature.REQUEST_TRAILERS, Feature.WEBSOCKET_OVER_HTTP2},
           release="forky", reload=signal.SIGUSR2, stop=signal.SIGUSR1),
)  # fmt: skip
