"""Where the benchmark runs: a venv with our wheel and the peers, here or inside a newer Debian release."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine import COMMIT_VARIABLE, commit
from bench.release import Release
from bench.sources import copy, fingerprint

__all__ = ["RELEASE", "ROOT", "Place", "PlaceError", "enter", "prepare", "prepare_checkout", "prune"]

ROOT = Path(__file__).resolve().parent.parent
RELEASE = "forky"
PACKAGES = (
    "python3", "python3-venv", "python3-dev", "gcc", "libc6-dev", "pkg-config", "libnghttp2-dev",
    "nghttp2-client", "nghttp2-server", "curl", "util-linux",
)
INNER_SOURCE = "/mnt/lasthop"
INNER_VENV = "/opt/lasthop-bench/venv"
INNER_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Say = Callable[[str], None]


class PlaceError(Exception):
    """The place cannot be prepared; the text says what failed and where the log is."""


@dataclass(frozen=True, slots=True)
class Place:
    """A prepared venv; `compiled` is the command that compiled the kernel."""

    bin_dir: Path
    compiled: str


def prepare(venv: Path, work: Path, say: Say, hop: bool = False) -> Place:
    """Make the venv if absent, install the peers if they changed and our wheel if the sources did.

    With `hop` the proxy and what renders its configuration are installed too.
    """
    bin_dir = _venv(venv, work, say)
    _peers(venv, work, say)
    try:
        _ours(ROOT, venv, work, say, ("uvloop", "proxyconf", "caddy") if hop else ("uvloop",))
    except PlaceError as error:
        say(f"appserver is not installed: {error}")
    return Place(bin_dir, _compile_line(venv / "wheel.log"))


def prepare_checkout(source: Path, venv: Path, work: Path, say: Say) -> Path:
    """Install our wheel, built from those sources, in a venv of its own; return its folder of programs."""
    bin_dir = _venv(venv, work, say)
    stamp = venv / "starlette"
    if not stamp.exists():
        _must([str(bin_dir / "pip"), "install", "-q", "setuptools>=77", "Cython>=3.1", "starlette"], work / "pip.log")
        stamp.touch()
    _ours(source, venv, work, say, ("uvloop",))
    (venv / "lasthop.sha256").touch()
    return bin_dir


def prune(venv: Path, keep: int) -> None:
    """Remove the venvs of other checkouts but those installed last."""
    stamps = sorted(venv.parent.glob(f"{venv.name}-*/lasthop.sha256"), key=lambda stamp: stamp.stat().st_mtime)
    for stamp in stamps[:-keep]:
        shutil.rmtree(stamp.parent)


def _venv(venv: Path, work: Path, say: Say) -> Path:
    work.mkdir(parents=True, exist_ok=True)
    if not (venv / "bin/pip").exists():
        say(f"making a venv of Python {sys.version.split()[0]} in {venv}")
        _must([sys.executable, "-m", "venv", "--clear", str(venv)], work / "venv.log")
    return venv / "bin"


def _peers(venv: Path, work: Path, say: Say) -> None:
    wanted = Path(__file__).with_name("peers.txt")
    stamp = venv / "peers.txt"
    if stamp.exists() and stamp.read_bytes() == wanted.read_bytes():
        return
    say("installing the peers")
    pip = [str(venv / "bin/pip"), "install", "-q"]
    _must([*pip, "setuptools>=77", "Cython>=3.1"], work / "pip.log")
    try:
        _must([*pip, "-r", str(wanted)], work / "pip.log")
    except PlaceError:
        lines = [line for line in wanted.read_text().splitlines() if line and not line.startswith("#")]
        for line in lines:
            _try([*pip, line], work / "pip.log", lambda error: say(f"a peer is missing: {error}"))
        return
    shutil.copyfile(wanted, stamp)


def _ours(root: Path, venv: Path, work: Path, say: Say, extras: tuple[str, ...]) -> None:
    """Build the wheel from a copy of the sources, so that nothing of the checkout is measured, and install it."""
    stamp = venv / "lasthop.sha256"
    had, *installed = stamp.read_text().split() if stamp.exists() else [""]
    state = fingerprint(root)
    if had == state and set(extras) <= set(installed):
        return
    stamp.unlink(missing_ok=True)
    pip = str(venv / "bin/pip")
    # Before the build: should that fail, no older state of the checkout must be measured in its place.
    _try([pip, "uninstall", "-q", "-y", "lasthop"], work / "pip.log", say)
    say("building the wheel of this checkout" if root == ROOT else f"building the wheel of {root.name}")
    try:
        wheel = _wheel(root, venv, work, "kernel")
    except PlaceError as error:
        say(f"the kernel cannot be built: {error}")
        wheel = _wheel(root, venv, work, "pure")
    _must([pip, "install", "-q", f"{wheel}[{','.join(extras)}]"], work / "pip.log")
    stamp.write_text(" ".join([state, *extras]))


def _wheel(root: Path, venv: Path, work: Path, build: str) -> Path:
    source, wheels = work / "source", work / "wheels"
    for folder in (source, wheels):
        shutil.rmtree(folder, ignore_errors=True)
    copy(root, source)
    argv = [str(venv / "bin/pip"), "wheel", "-v", "--no-build-isolation", "--no-deps", "-w", str(wheels), str(source)]
    path = f"{venv / 'bin'}:{os.environ.get('PATH', '')}"
    _must(argv, venv / "wheel.log", {**os.environ, "APPSERVER_BUILD": build, "PATH": path})
    return next(wheels.glob("lasthop-*.whl"))


def _compile_line(log: Path) -> str:
    """Return the compiler's command line for the kernel, from the log of the build."""
    text = log.read_text(errors="replace") if log.exists() else ""
    match = re.search(r"^\s*(\S*(?:gcc|cc|clang)\S* .*-c \S*_kernel\.c\b.*)$", text, re.MULTILINE)
    return match[1].strip() if match else ""


def _must(argv: Sequence[str], log: Path, environment: dict[str, str] | None = None) -> None:
    with log.open("w") as out:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environment, check=False
        )
    if done.returncode:
        lines = re.findall(r"^.*\b(?:[A-Z]\w*)?(?:Error|error): \S.*$", log.read_text(errors="replace"), re.MULTILINE)
        raise PlaceError(f"{(lines or [f'exit {done.returncode}'])[0].strip()[:200]} (see {log})")


def _try(argv: Sequence[str], log: Path, tell: Say) -> None:
    try:
        _must(argv, log)
    except PlaceError as error:
        tell(str(error))


def enter(arguments: Sequence[str], say: Say) -> int:
    """Run the benchmark inside the newer release; results land in this checkout's build/bench."""
    release = Release.named(RELEASE).ensure(PACKAGES, say)
    inner = ["python3", "-m", "bench", *arguments, "--place", "here", "--venv", INNER_VENV]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    environment |= {"PATH": INNER_PATH, "HOME": "/root", "LC_ALL": "C.UTF-8", COMMIT_VARIABLE: commit(ROOT)}
    links = environment.get("PIP_FIND_LINKS", "")
    if links.startswith("/") and not (release.root / links.lstrip("/")).exists():
        del environment["PIP_FIND_LINKS"]
    argv = release.inside(inner, {ROOT: INNER_SOURCE}, INNER_SOURCE)
    return wait_for(argv, {**environment, "PYTHONDONTWRITEBYTECODE": "1"})


def wait_for(argv: Sequence[str], environment: dict[str, str]) -> int:
    """Run a program to its end; a signal is left to it, so that it can stop what it started."""
    with subprocess.Popen(argv, env=environment) as inner:
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        # The terminal sends INT to both of us; TERM came to this process alone.
        signal.signal(signal.SIGINT, lambda number, frame: None)
        signal.signal(signal.SIGTERM, lambda number, frame: inner.terminate())
        try:
            return inner.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
