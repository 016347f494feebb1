"""`proxyconf`: its commands, and every mistake of a user as one clear line."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from proxyconf import __version__
from proxyconf.cli.console import MISSING, OK, REFUSED, UNVERIFIED, USAGE, Stop, complain, show, show_findings, verdict
from proxyconf.document.findings import SiteError, nearest, shown
from proxyconf.output.files import FileError, write
from proxyconf.programs.run import ProgramFault, ProgramMissing
from proxyconf.programs.run import check as check_files
from proxyconf.proxies.registry import names, proxy
from proxyconf.spec.read import SiteFile
from proxyconf.spec.schema import schema_text
from proxyconf.syntax.templates import TemplateFault
from proxyconf.verbs import site as sites
from proxyconf.verbs import template as templates

__all__ = ["main"]

app = App(
    name="proxyconf",
    help="Render the proxy's configuration and the app server's from one site file.",
    version=f"proxyconf {__version__} ({', '.join(names())})",
)


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
    template: Annotated[
        tuple[Path, ...], Parameter(negative="", help="A template of your own in place of the proxy's of that name.")
    ] = (),
    set_: Set = (),
) -> int:
    """Render a site file for a proxy, for the app server, or for all of its targets."""
    wanted = _wanted(target)
    if template and target in (sites.APPSERVER, "all"):
        raise Stop(USAGE, "proxyconf: --template belongs to one proxy; name it instead of " + shown(target))
    file = _open(site, set_)
    replaced = templates.replacements(target, template) if template else {}
    made = sites.rendered(file, list(wanted) or sites.targets(file), replaced)
    show_findings(file, made.findings)
    if any(bundle.refused for bundle in made.bundles.values()):
        return verdict(made.findings)
    digest = file.document.digest
    files = {name: text for bundle in made.bundles.values() for name, text in bundle.stamped(digest).files.items()}
    if output is not None:
        show("".join(f"{path}\n" for path in write(output, files)))
    elif len(files) == 1:
        show(*files.values())
    else:
        show("\n".join(f"# ==> {name}\n{text}" for name, text in files.items()))
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
    file = _open(site, set_)
    made = sites.rendered(file, sites.targets(file))
    show_findings(file, made.findings)
    code = verdict(made.findings)
    if code in (USAGE, REFUSED):
        return code
    for name, bundle in made.bundles.items():
        if native and name != sites.APPSERVER and proxy(name).program.check:
            program = proxy(name).program
            check_files(program.check, bundle.stamped(file.document.digest).files, program.environment)
            shown_command = " ".join(word.replace("{folder}/", "") for word in program.check)
            show(f"{name}: accepted by '{shown_command}'\n")
    if code == OK:
        show(f"{site}: fine for {', '.join(bundle.target for bundle in made.bundles.values())}\n")
    return code


@app.command
def verify(
    site: Annotated[Path | None, Parameter(help="The site file; without one give --url.")] = None,
    *,
    url: Annotated[str | None, Parameter(help="Probe a running stack from outside: https://HOST[:PORT][/PATH].")] = None,
    target: Annotated[tuple[str, ...], Parameter(negative="", help="Only these proxies. Default: the site's targets.")] = (),
    server: Annotated[str, Parameter(help="What answers behind the proxy: `origin`, `appserver`, `hypercorn`.")] = "origin",
    app_: Annotated[
        str | None, Parameter(name="--app", help="Your own application, as module:attribute; probes that need an origin are skipped.")
    ] = None,
    site_name: Annotated[str, Parameter(name="--hostname", help="The site of this name. Default: the file's first.")] = "",
    probe: Annotated[tuple[str, ...], Parameter(negative="", help="Only these probes.")] = (),
    connect_to: Annotated[str | None, Parameter(help="With --url: the address to connect to.")] = None,
    ca: Annotated[Path | None, Parameter(help="With --url: the CA to trust, as a PEM file.")] = None,
    insecure: Annotated[bool, Parameter(negative="", help="With --url: trust any certificate.")] = False,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Write JSON, JUnit and HTML reports, configuration and logs here.")
    ] = None,
    set_: Set = (),
) -> int:
    """Run the real proxy on this machine, or look at a running one, and prove what it does."""
    from proxyconf.cli import verify as verifying

    if (site is None) == (url is None):
        raise Stop(USAGE, "proxyconf: verify takes a site file or --url, one of the two")
    wanted = verifying.Wanted(target, server, app_, site_name, probe, output)
    if url is not None:
        return verifying.outside(url, wanted, verifying.Trust(connect_to, ca, insecure))
    assert site is not None
    return verifying.site(_open(site, set_), wanted)


@app.command
def template(
    action: Annotated[str, Parameter(help="`export`.")],
    name: Annotated[str, Parameter(help="A proxy.")],
    *,
    output: Annotated[
        Path | None, Parameter(name=["--output", "-o"], help="Write into this folder; default: stdout.")
    ] = None,
) -> int:
    """Export a proxy's templates, to be read, or changed and given to `render --template`."""
    if action != "export":
        raise Stop(USAGE, f"proxyconf: template knows no {shown(action)}{nearest(action, ['export'])}")
    if name not in names():
        raise Stop(USAGE, f"proxyconf: there is no proxy {shown(name)}{nearest(name, names())}")
    texts = templates.exported(name)
    if output is not None:
        show("".join(f"{path}\n" for path in write(output, texts)))
    else:
        show("\n".join(f"{{# ==> {file} #}}\n{text}" for file, text in texts.items()))
    return OK


@app.command
def schema() -> int:
    """Print the JSON Schema of a site file, for editors."""
    show(schema_text(names()))
    return OK


def _wanted(target: str) -> tuple[str, ...]:
    """Return what to render; nothing stands for all that the site names."""
    known = (*names(), sites.APPSERVER, "all")
    if target not in known:
        raise Stop(USAGE, f"proxyconf: there is no target {shown(target)}{nearest(target, known)}")
    return () if target == "all" else (target,)


def _open(path: Path, settings: Sequence[str]) -> SiteFile:
    variables: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name:
            raise Stop(USAGE, f"proxyconf: --set takes NAME=VALUE, not {shown(setting)}")
        variables[name] = value
    return sites.open_site(path, variables)


def _command(arguments: Sequence[str]) -> int:
    """Run a command; every mistake of a user becomes a `Stop`."""
    try:
        command, bound, _ = app.parse_args(list(arguments), exit_on_error=False, print_error=False)
        return command(*bound.args, **bound.kwargs) or OK
    except CycloptsError as error:
        raise Stop(USAGE, f"proxyconf: {' '.join(str(error).split())} Try 'proxyconf --help'.") from error
    except SiteError as error:
        raise Stop(USAGE, *error.lines) from error
    except (FileError, TemplateFault, templates.NoTemplates) as error:
        raise Stop(USAGE, f"proxyconf: {error}") from error
    except ProgramMissing as error:
        raise Stop(MISSING, f"proxyconf: {error}") from error
    except ProgramFault as error:
        raise Stop(UNVERIFIED, f"proxyconf: {error}") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _command(sys.argv[1:] if arguments is None else arguments)
    except Stop as stop:
        complain(*stop.lines)
        return stop.code
    except BrokenPipeError:
        # The reader of our output is gone (| head); leave nothing to be flushed at exit.
        sys.stderr.close()
        return OK
