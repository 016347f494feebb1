"""What can stand behind the proxy: the probe origin, or an app server that runs the probe application or the user's."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from proxyconf.backend import appserver
from proxyconf.backend.facts import Facts, facts
from proxyconf.backend.presets import PRESETS, mismatches
from proxyconf.document.findings import Finding
from proxyconf.facts.target import Target
from proxyconf.programs.run import find_program
from proxyconf.spec.appserver import AppServer
from proxyconf.spec.deployment import Deployment
from proxyconf.spec.root import Spec
from proxyconf.verify.address import Address
from proxyconf.verify.certificates import Certificates
from proxyconf.verify.origin import asgi
from proxyconf.verify.program import Program

__all__ = ["ORIGIN", "SERVERS", "Behind", "Refused", "configured", "origin_program", "server_program", "with_server"]

ORIGIN, PROBE_APP = "origin", "proxyconf.verify.origin.asgi:app"
SERVERS = tuple(PRESETS)
STOP_MARGIN = 15.0


class Refused(Exception):
    """One end of the hop cannot do what the site asks; the findings say why."""

    def __init__(self, name: str, findings: Sequence[Finding]) -> None:
        """Keep both."""
        super().__init__(name)
        self.name, self.findings = name, tuple(findings)


@dataclass(frozen=True, slots=True)
class Behind:
    """What a user wants behind the proxy."""

    server: str = ORIGIN  # or one of SERVERS
    app: str | None = None  # the user's own application in place of the probe's
    cwd: Path | None = None  # where the user's application is found

    @property
    def is_origin(self) -> bool:
        """Whether it is the probe origin itself."""
        return self.server == ORIGIN

    @property
    def answers_probes(self) -> bool:
        """Whether it does what a probe asks for."""
        return self.app is None


def with_server(spec: Spec, behind: Behind) -> Spec:
    """Return the site with the wanted server at its end of the hop; everything else about it stays."""
    if behind.is_origin:
        return spec
    written = spec.appserver or AppServer(app=PROBE_APP)
    changes: dict[str, object] = {"server": behind.server, "app": behind.app or PROBE_APP}
    if behind.answers_probes:
        changes["workers"] = 1  # the probe application keeps what it saw in one process
    return spec.model_copy(update={"appserver": written.model_copy(update=changes)})


def configured(deployment: Deployment, target: Target) -> tuple[Facts, Mapping[str, str]]:
    """Return what the site's server is told, and its files if it has some. Raises `Refused`."""
    found, wrong = facts(deployment, [target])
    server = deployment.spec.appserver.server if deployment.spec.appserver else "appserver"
    if found is None:
        raise Refused(server, wrong)
    if wrong := tuple(mismatches(PRESETS[server], found)):
        raise Refused(server, wrong)
    if server != "appserver":
        return found, {}
    made = appserver.render(found)
    if made.refused:
        raise Refused(server, made.findings)
    return found, made.files


def origin_program(
    binds: Sequence[Address], control: Path, folder: Path, tls_binds: Sequence[Address] = (), certificates: Sequence[Certificates] = ()
) -> Program:
    """Return the probe origin, listening at `binds`, and at `tls_binds` with certificates: a trusted and an untrusted one."""
    words = [word for bind in binds for word in ("--bind", bind.text)]
    words += [word for bind in tls_binds for word in ("--bind-tls", bind.text)]
    for name, pair in zip(("--trusted", "--untrusted"), certificates, strict=False):
        words += [name, str(pair.certificate), str(pair.key)]
    argv = (sys.executable, "-m", "proxyconf.verify.origin", "--control", str(control), *words)
    return Program(ORIGIN, argv, folder, (Address(f"unix:{control}"),))


def server_program(behind: Behind, found: Facts, control: Path, folder: Path) -> Program:
    """Return the app server as its preset starts it. Raises `ProgramMissing`."""
    program, *words = PRESETS[behind.server].command(found)
    argv = (find_program(program), *(str(folder / word) if word == appserver.FILE else word for word in words))
    environment = {asgi.NAME: behind.server, "PYTHONDONTWRITEBYTECODE": "1"}
    environment[asgi.FEATURES] = "websocket"
    ready = [Address(str(bind)) for bind in found.binds]
    if behind.answers_probes:
        environment[asgi.CONTROL] = str(control)
        ready.append(Address(f"unix:{control}"))
    return Program(
        behind.server, argv, folder, tuple(ready), environment, behind.cwd, stop_seconds=found.drain_seconds + STOP_MARGIN
    )
