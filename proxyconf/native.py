"""The installed proxies: where a program is, which version it has, and what it says about its files."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path as FilePath

from proxyconf.capability import Version
from proxyconf.render import Bundle, Renderer, Target
from proxyconf.spec import Spec

__all__ = ["NativeError", "ProgramMissing", "ask_version", "decided", "find_program", "validate"]

_SECONDS = 60
_ESCAPES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class ProgramMissing(Exception):
    """A program that is needed is not installed."""


class NativeError(Exception):
    """A program said no, or nothing that can be understood."""


def find_program(name: str) -> str:
    """Return the path of a program: on PATH, or beside the Python that runs (a virtual environment)."""
    beside = FilePath(sys.executable).parent / name
    found = shutil.which(name) or shutil.which(str(beside))
    if found is None:
        raise ProgramMissing(f"{name} is not installed: not on PATH, nor at {beside}")
    return found


def _run(
    command: tuple[str, ...], folder: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    program = find_program(command[0])
    try:
        return subprocess.run(
            [program, *command[1:]], cwd=folder, capture_output=True, check=False, timeout=_SECONDS,
            stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})},
        )  # fmt: skip
    except OSError as error:
        raise NativeError(f"{program} cannot be run: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise NativeError(f"{' '.join(command)} did not end within {_SECONDS} s") from error


def ask_version(renderer: Renderer) -> Version:
    """Return the version of the installed program."""
    done = _run(renderer.version_command, os.curdir)
    match = re.search(r"([0-9]+\.[0-9]+(?:\.[0-9]+)?)", done.stdout.decode("utf-8", "replace"))
    if done.returncode or match is None:
        raise NativeError(f"{' '.join(renderer.version_command)} names no version; give one in 'targets'")
    return Version.parse(match.group(1))


def decided(renderer: Renderer, spec: Spec) -> Target:
    """Return the target for a renderer; a version of `auto` asks the installed program."""
    target = Target.of(renderer.name, spec)
    wanted = next((wanted for wanted in spec.targets if wanted.proxy == renderer.name), None)
    if wanted is None or wanted.version != "auto":
        return target
    return replace(target, version=ask_version(renderer))


def validate(bundle: Bundle) -> None:
    """Let the proxy check its files, or raise `NativeError` with what it said."""
    with tempfile.TemporaryDirectory(prefix="proxyconf-") as folder:
        for name, text in bundle.files.items():
            FilePath(folder, name).write_text(text, encoding="utf-8")
        # A check may create what the proxy would: a CA, a cache. Not in the user's home.
        home = dict.fromkeys(("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"), folder)
        done = _run(bundle.validate, folder, home)
    if done.returncode:
        raise NativeError(f"'{' '.join(bundle.validate)}' says: {_said(done.stderr) or f'exit {done.returncode}'}")


def _said(stderr: bytes) -> str:
    """Return the last line of a program's stderr; of a JSON log line, its message."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    last = lines[-1] if lines else ""
    try:
        entry = json.loads(last)
    except ValueError:
        entry = None
    return _ESCAPES.sub(" ", str(entry["msg"]) if isinstance(entry, dict) and "msg" in entry else last)
