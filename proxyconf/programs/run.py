"""Finding an installed program, running it for a moment, and reading what it says."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path as FilePath

__all__ = [
    "ProgramFault", "ProgramMissing", "check", "find_program", "names_of", "output", "run_command", "said", "version", "version_in",
]  # fmt: skip

_SECONDS = 60
# Debian's names, and those of Red Hat, Arch, the source and the container images.
_OTHER_NAMES = {"apache2": ("httpd",)}
_ESCAPES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class ProgramMissing(Exception):
    """A program that is needed is not installed."""


class ProgramFault(Exception):
    """A program said no, or nothing that can be understood."""


def names_of(program: str) -> tuple[str, ...]:
    """Return the names that a program has here or there, in the order in which they are tried."""
    return (program, *_OTHER_NAMES.get(program, ()))


def find_program(name: str) -> str:
    """Return the path of a program: on PATH, or beside the Python that runs (a virtual environment)."""
    names, folder = names_of(name), FilePath(sys.executable).parent
    for one in names:
        found = shutil.which(one) or shutil.which(str(folder / one))
        if found is not None:
            return found
    raise ProgramMissing(f"{' or '.join(names)} is not installed: not on PATH, nor at {folder / name}")


def _run(
    command: tuple[str, ...], folder: str, environment: Mapping[str, str] | None = None, *, own_session: bool = False
) -> subprocess.CompletedProcess[bytes]:
    program = find_program(command[0])
    try:
        return subprocess.run(
            [program, *command[1:]], cwd=folder, capture_output=True, check=False, timeout=_SECONDS,
            stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})},
            start_new_session=own_session,
        )  # fmt: skip
    except OSError as error:
        raise ProgramFault(f"{program} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ProgramFault(f"{' '.join(command)} did not end within {_SECONDS} s") from error


def version(command: tuple[str, ...]) -> str:
    """Return the version that a program names, wherever it prints it."""
    done = _run(command, os.curdir)
    # Some print the path that they were called by, and a folder may hold a number too.
    text = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace").replace(find_program(command[0]), "")
    found = version_in(text)
    if done.returncode or found is None:
        raise ProgramFault(f"{' '.join(command)} names no version; give one in 'targets'")
    return found


def version_in(text: str) -> str | None:
    """Return the first version in what a program printed."""
    match = re.search(r"([0-9]+\.[0-9]+(?:\.[0-9]+)?)", text)
    return match.group(1) if match else None


def run_command(words: tuple[str, ...], environment: Mapping[str, str]) -> None:
    """Run a command in the current folder, out of reach of Ctrl-C; raises `ProgramFault` with what it said."""
    done = _run(words, os.curdir, environment, own_session=True)
    if done.returncode:
        raise ProgramFault(f"'{shlex.join(words)}' says: {said(done.stderr, done.stdout) or f'exit {done.returncode}'}")


def output(words: tuple[str, ...]) -> bytes:
    """Run a command and return what it prints; raises `ProgramFault` with what it said if it fails."""
    done = _run(words, os.curdir)
    if done.returncode:
        raise ProgramFault(f"'{shlex.join(words)}' says: {said(done.stderr) or f'exit {done.returncode}'}")
    return done.stdout


def check(command: tuple[str, ...], files: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Let a program check files, or raise `ProgramFault` with what it said."""
    with tempfile.TemporaryDirectory(prefix="proxyconf-") as folder:
        for name, text in files.items():
            path = FilePath(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        # A check may create what the proxy would: a CA, a cache. Not in the user's home.
        home = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), folder)
        here = tuple(word.replace("{folder}", folder) for word in command)
        done = _run(here, folder, {**home, **environment})
    if done.returncode:
        words = said(done.stderr, done.stdout).replace(f"{folder}/", "")
        shown = " ".join(word.replace("{folder}/", "") for word in command)
        raise ProgramFault(f"'{shown}' says: {words or f'exit {done.returncode}'}")


# What a program says besides the fault: that there was one.
_SUMMARY = re.compile(r"test (is|failed)|configuration file .* test|Fatal errors found|Error\(s\) found", re.IGNORECASE)


def said(stderr: bytes, stdout: bytes = b"") -> str:
    """Return what a program said last about what is wrong; of a JSON log line, its message."""
    for stream in (stderr, stdout):
        lines = [line for line in stream.decode("utf-8", "replace").strip().splitlines() if line.strip()]
        telling = [line for line in lines if not _SUMMARY.search(line)] or lines
        if telling:
            return _ESCAPES.sub(" ", _message(telling[-1].strip()))
    return ""


def _message(line: str) -> str:
    try:
        entry = json.loads(line)
    except ValueError:
        return line
    return str(entry["msg"]) if isinstance(entry, dict) and "msg" in entry else line
