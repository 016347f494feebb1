"""A site file as a stack on this machine: rendered for one proxy, moved to loopback, with something behind it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxyconf.backend.presets import PRESETS
from proxyconf.facts.gate import Gate
from proxyconf.facts.table import Version
from proxyconf.facts.target import Target
from proxyconf.programs.run import find_program, version
from proxyconf.proxies.contract import Program as ProxyProgram
from proxyconf.proxies.contract import Proxy, render
from proxyconf.proxies.registry import proxy
from proxyconf.spec.deployment import Deployment
from proxyconf.spec.read import SiteFile
from proxyconf.spec.root import Spec
from proxyconf.verify import certificates, promises
from proxyconf.verify.address import Address
from proxyconf.verify.certificates import Certificates
from proxyconf.verify.program import Process, Program
from proxyconf.verify.promises import ANY_NAME
from proxyconf.verify.relocate import HOP_NAME, Relocation
from proxyconf.verify.servers import Behind, Refused, configured, origin_program, server_program, with_server
from proxyconf.verify.stack import LocalStack
from proxyconf.verify.subject import Feature, Subject

if TYPE_CHECKING:  # it brings the Docker SDK
    from proxyconf.verify.container import Image

__all__ = ["Prepared", "prepared", "prepared_listener"]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything that one run needs."""

    subject: Subject
    stack: LocalStack
    files: tuple[Path, ...]  # what was rendered
    notes: tuple[str, ...]  # what is otherwise than in the site file


def prepared(
    file: SiteFile, name: str, folder: Path, behind: Behind, hostname: str = "", image: Image | None = None
) -> Prepared:
    """Render a site for an installed proxy, or the one in an image, into `folder`, which has a short name: sockets go there too.

    Raises `Refused`, `NothingToAsk`, `ProgramMissing`, `ProgramFault`.
    """
    ready = _ready(file, name, folder, behind, image)
    target, deployment = ready.target, ready.deployment
    subject = promises.subject(deployment, Gate(target, deployment.spec.policy), ready.kind.program, ready.certificates, hostname)
    notes = (*_version_note(file, name, target), *ready.scaled)
    return Prepared(_looked_at(subject, behind), ready.stack, ready.written, notes)


def prepared_listener(file: SiteFile, name: str, folder: Path, behind: Behind) -> Prepared:
    """Do the same for a file whose first listener passes bytes on: of such a one only the PROXY header is promised."""
    ready = _ready(file, name, folder, behind, None)
    subject = promises.listener_subject(ready.deployment, ready.target, ready.certificates)
    return Prepared(_looked_at(subject, behind), ready.stack, ready.written, tuple(ready.scaled))


@dataclass(frozen=True, slots=True)
class _Ready:
    """A stack that can be started, and what it was made of."""

    kind: Proxy[Any]
    target: Target
    deployment: Deployment
    certificates: Certificates
    stack: LocalStack
    written: tuple[Path, ...]
    scaled: Sequence[str]


def _ready(file: SiteFile, name: str, folder: Path, behind: Behind, image: Image | None) -> _Ready:
    made = certificates.make(folder, [*_names(file.spec), ANY_NAME, HOP_NAME])
    moved = Relocation(made, folder)
    deployment = moved.deployment(with_server(file.spec, behind))
    kind = proxy(name)
    target = _installed(kind, deployment.spec, folder, image)
    bundle = render(kind, deployment, target)
    if bundle.refused:
        raise Refused(f"{target.proxy} {target.version}", bundle.findings)
    control = folder / "control.sock"
    files = dict(bundle.stamped(file.document.digest).files)
    if behind.is_origin:
        server = _origin(deployment, moved, made, control, folder)
    else:
        found, more = configured(deployment, target)
        server, files = server_program(behind, found, control, folder), {**files, **more}
    written = _write(folder, files)
    fixed = (*written, made.ca, made.certificate, made.key)
    program = replace(_program(kind.program, name, deployment, folder, target, in_image=image is not None), fixed=fixed)
    stack = LocalStack(program, server, control if behind.answers_probes else None, image.start if image else Process)
    return _Ready(kind, target, deployment, made, stack, written, moved.scaled)


def _tls_addresses(deployment: Deployment) -> set[str]:
    """Return where the servers of TLS upstreams are."""
    secured = [upstream.options for upstream in deployment.upstreams if upstream.options.is_tls]
    return {str(server.address) for options in secured for server in options.servers}


def _origin(deployment: Deployment, moved: Relocation, made: Certificates, control: Path, folder: Path) -> Program:
    """Return the probe origin at every server's place, those of TLS upstreams with a certificate."""
    secured = _tls_addresses(deployment)
    named = secured | {address.replace(HOP_NAME, "127.0.0.1") for address in secured}
    plain = [Address(str(address)) for address in moved.servers.values() if str(address) not in named]
    if not secured:
        return origin_program(plain, control, folder)
    stranger = folder / "stranger"
    stranger.mkdir()
    pairs = (made, certificates.make(stranger, [HOP_NAME]))
    return origin_program(plain, control, folder, [Address(address) for address in sorted(secured)], pairs)


def _names(spec: Spec) -> list[str]:
    return sorted({name for site in spec.sites for name in site.hostnames if name != "any"})


def _installed(kind: Proxy[Any], spec: Spec, folder: Path, image: Image | None) -> Target:
    """Return the target for the program that is here, with a control interface where it can have one."""
    said = (image.version if image else version)(kind.program.version)
    found = replace(Target.of(kind.name, spec), version=Version.parse(said))
    can = Gate(found).can("admin_unix")
    return replace(found, admin=f"unix:{folder / 'admin.sock'}" if can else "off")


def _version_note(file: SiteFile, name: str, target: Target) -> list[str]:
    wanted = next((one.version for one in file.spec.targets if one.proxy == name), None)
    if wanted in (None, "auto") or Version.parse(str(wanted)) == target.version:
        return []
    return [f"the file asks for {name} {wanted}; {target.version} is what is run"]


def _write(folder: Path, files: Mapping[str, str]) -> tuple[Path, ...]:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    folder.chmod(0o755)  # some proxies read, and connect to sockets, as a user of their own
    return tuple(folder / name for name in files)


def _program(how: ProxyProgram, name: str, deployment: Deployment, folder: Path, target: Target, *, in_image: bool) -> Program:
    admin = target.admin.removeprefix("unix:")

    def command(words: tuple[str, ...]) -> tuple[str, ...]:
        filled = [word.replace("{folder}", str(folder)).replace("{admin}", admin) for word in words]
        return (filled[0] if in_image else find_program(filled[0]), *filled[1:])

    home = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), str(folder))
    addresses = [address for listener in deployment.listeners for address in listener.addresses]
    addresses += [address for passing in deployment.tcp_listeners for address in passing.addresses]
    ready = tuple(Address(str(address)) for address in addresses)
    return Program(
        name, command(how.run), folder, ready, {**home, **how.environment}, reload=_reload(how, command),
        stop=signal.Signals[how.stop or "SIGTERM"], stop_seconds=deployment.drain.seconds + 15,
    )  # fmt: skip


def _reload(how: ProxyProgram, command: Callable[[tuple[str, ...]], tuple[str, ...]]) -> signal.Signals | tuple[str, ...] | None:
    """Return the command or, without one, the signal; None if there is neither. `kill -NAME {pid}` is a signal, too."""
    if how.reload and how.reload[0] == "kill":
        return signal.Signals[f"SIG{how.reload[1].removeprefix('-')}"]
    if how.reload:
        return command(how.reload)
    return signal.Signals[how.reload_signal] if how.reload_signal else None


def _looked_at(subject: Subject, behind: Behind) -> Subject:
    """Add what there is to look with."""
    features = {Feature.STACK}
    if not any(origin.startswith("unix:") for origin in subject.origins):
        features.add(Feature.TCP_HOP)
    if behind.answers_probes:
        features |= {Feature.ORIGIN, *((Feature.RAW_ORIGIN, Feature.TLS_ORIGIN) if behind.is_origin else (Feature.APP_SERVER,))}
    believes = frozenset[str]() if behind.is_origin else PRESETS[behind.server].believes
    return replace(subject, features=subject.features | features, believes=believes)
