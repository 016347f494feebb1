"""The command line: `proxyconf render | check | schema`."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from proxyconf import __version__, backend
from proxyconf.findings import Finding, Level, SiteError, nearest, shown
from proxyconf.native import NativeError, ProgramMissing, decided, validate
from proxyconf.output import FileError, read, write
from proxyconf.render import Bundle, names, renderer
from proxyconf.schema import schema_text
from proxyconf.site import SiteFile, load

__all__ = ["main"]

OK, FINDINGS, USAGE, REFUSED, UNVERIFIED, MISSING = range(6)
_APPSERVER = "appserver"
_DEFAULT = "caddy"  # the target of a site that names none

app = App(
    name="proxyconf",
    help="Render the proxy's configuration and the app server's from one site file.",
    version=f"proxyconf {__version__} ({', '.join(names())})",
)


class Stop(Exception):
    """The command ends here, with this exit code and these lines on stderr."""

    def __init__(self, code: int, *lines: str) -> None:
        """Keep both."""
        super().__init__("\n".join(lines))
        self.code, self.lines = code, lines


Set = Annotated[
    tuple[str, ...], Parameter(name="--set", negative="", help="NAME=VALUE: what ${NAME} stands for in the file.")
]
SitePath = Annotated[Path, Parameter(help="The site file.")]


@app.command
def render(
    target: Annotated[str, Parameter(help="A proxy, `appserver`, or `all`.")],
    site: SitePath,
    *,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Write into this folder; default: stdout.")
    ] = None,
    set_: Set = (),
) -> int:
    """Render a site file for a proxy, for the app server, or for all of its targets."""
    wanted = _targets(target)
    file = _load(site, set_)
    bundles = {name: _bundle(name, file) for name in wanted or _all(file)}
    findings = [finding for bundle in bundles.values() for finding in bundle.findings]
    _say(file, findings)
    if any(bundle.refused for bundle in bundles.values()):
        return _verdict(findings)
    files = {
        name: text for bundle in bundles.values() for name, text in bundle.stamped(file.document.digest).files.items()
    }
    if output is not None:
        _print("".join(f"{path}\n" for path in write(output, files)))
    elif len(files) == 1:
        _print(*files.values())
    else:
        _print("\n".join(f"# ==> {name}\n{text}" for name, text in files.items()))
    return OK


@app.command
def check(
    site: SitePath,
    *,
    native: Annotated[
        bool, Parameter(negative="", help="Also let the installed proxies check what is rendered.")
    ] = False,
    set_: Set = (),
) -> int:
    """Check a site file: its form, its sense, and whether its targets can do it."""
    file = _load(site, set_)
    bundles = {name: _bundle(name, file) for name in _all(file)}
    findings = [finding for bundle in bundles.values() for finding in bundle.findings]
    _say(file, findings)
    verdict = _verdict(findings)
    if verdict in (USAGE, REFUSED):
        return verdict
    for name, bundle in bundles.items():
        if native and bundle.validate:
            validate(bundle.stamped(file.document.digest))
            _print(f"{name}: accepted by '{' '.join(bundle.validate)}'\n")
    if verdict == OK:
        _print(f"{site}: fine for {', '.join(_described(name, file) for name in bundles)}\n")
    return verdict


@app.command
def schema() -> int:
    """Print the JSON Schema of a site file, for editors."""
    _print(schema_text())
    return OK


def _targets(target: str) -> tuple[str, ...]:
    """Return what to render; nothing stands for all that the site names."""
    known = (*names(), _APPSERVER, "all")
    if target not in known:
        raise Stop(USAGE, f"proxyconf: there is no target {shown(target)}{nearest(target, known)}")
    return () if target == "all" else (target,)


def _all(file: SiteFile) -> list[str]:
    proxies = [target.proxy for target in file.spec.targets] or [_DEFAULT]
    return [*proxies, *([_APPSERVER] if file.spec.appserver else [])]


def _load(path: Path, settings: Sequence[str]) -> SiteFile:
    variables: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise Stop(USAGE, f"proxyconf: --set takes NAME=VALUE, not {shown(setting)}")
        variables[name] = value
    file = load(str(path), read(path), variables)
    unknown = [
        Finding(
            Level.ERROR,
            ("targets", index, "proxy"),
            f"there is no proxy {shown(target.proxy)}{nearest(target.proxy, names())}",
        )
        for index, target in enumerate(file.spec.targets)
        if target.proxy not in names()
    ]
    if unknown:
        raise file.failure(unknown)
    return file


def _bundle(name: str, file: SiteFile) -> Bundle:
    if name == _APPSERVER:
        return backend.render(file.spec)
    proxy = renderer(name)
    return proxy.render(file.spec, decided(proxy, file.spec))


def _described(name: str, file: SiteFile) -> str:
    return name if name == _APPSERVER else f"{name} {decided(renderer(name), file.spec).version}"


def _say(file: SiteFile, findings: list[Finding]) -> None:
    """Print findings on stderr; notes and warnings say that they are no more than that."""
    for finding in findings:
        place = file.document.find(finding)
        kind = f"{finding.level.value}: " if finding.level in (Level.NOTE, Level.WARNING) else ""
        _complain(f"{file.document.name}:{place.line}:{place.column}: {kind}{finding.message}")


def _verdict(findings: list[Finding]) -> int:
    codes = {Level.ERROR: USAGE, Level.REFUSED: REFUSED, Level.WARNING: FINDINGS, Level.NOTE: OK}
    levels = {finding.level for finding in findings}
    return next((codes[level] for level in Level if level in levels), OK)


def _print(*texts: str) -> None:
    for text in texts:
        sys.stdout.write(text)
    sys.stdout.flush()


def _complain(*lines: str) -> None:
    for line in lines:
        sys.stderr.write(f"{line}\n")


def _command(arguments: Sequence[str]) -> int:
    """Run a command; every mistake of a user becomes a `Stop`."""
    try:
        command, bound, _ = app.parse_args(list(arguments), exit_on_error=False, print_error=False)
        return command(*bound.args, **bound.kwargs) or OK
    except CycloptsError as error:
        raise Stop(USAGE, f"proxyconf: {' '.join(str(error).split())} Try 'proxyconf --help'.") from error
    except SiteError as error:
        raise Stop(USAGE, *error.lines) from error
    except FileError as error:
        raise Stop(USAGE, f"proxyconf: {error}") from error
    except ProgramMissing as error:
        raise Stop(MISSING, f"proxyconf: {error}") from error
    except NativeError as error:
        raise Stop(UNVERIFIED, f"proxyconf: {error}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _command(sys.argv[1:] if arguments is None else arguments)
    except Stop as stop:
        _complain(*stop.lines)
        return stop.code
    except BrokenPipeError:
        # The reader of our output is gone (| head); leave nothing to be flushed at exit.
        sys.stderr.close()
        return OK
