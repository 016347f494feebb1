"""`proxyconf`: runs a command, and makes of every mistake of a user one clear line."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from contextlib import suppress

from cyclopts import CycloptsError

from proxyconf.cli import applying, checking, editing, importing, knowledge, pairing, proving, rendering, reporting
from proxyconf.cli.app import app
from proxyconf.cli.console import INTERRUPTED, MISSING, OK, UNVERIFIED, USAGE, Stop, complain
from proxyconf.document.findings import SiteError
from proxyconf.output.files import STDIN, FileError
from proxyconf.programs.run import ProgramFault, ProgramMissing
from proxyconf.syntax.templates import TemplateFault
from proxyconf.verbs.explain import NotKnown
from proxyconf.verbs.template import NoTemplates

__all__ = ["COMMANDS", "main"]

COMMANDS = (editing, importing, checking, rendering, applying, pairing, proving, reporting, knowledge)
"""The modules whose commands are registered with `app`."""


def _command(arguments: Sequence[str]) -> int:
    """Run a command; every mistake of a user becomes a `Stop`."""
    try:
        # A dash is stdin, for a reader of options it would be one without a name.
        words = [str(STDIN) if word == "-" else word for word in arguments]
        command, bound, _ = app.parse_args(words, exit_on_error=False, print_error=False)
        return command(*bound.args, **bound.kwargs) or OK
    except CycloptsError as error:
        raise Stop(USAGE, f"proxyconf: {' '.join(str(error).split())} Try 'proxyconf --help'.") from error
    except SiteError as error:
        raise Stop(USAGE, *error.lines) from error
    except (FileError, TemplateFault, NoTemplates, NotKnown) as error:
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
    except KeyboardInterrupt:
        complain("proxyconf: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output is gone (| head); leave nothing to be flushed at exit.
        with suppress(OSError):
            sys.stderr.close()
        return OK
