"""Another Debian release in a folder: newer or older programs and libraries without a container engine.

`ensure` bootstraps the release once into a cache folder; `inside` gives the argv that runs a program in it.
The mounts live in a mount namespace of that one program, so none outlives it and a removed folder
can never take the machine's own /proc with it. The folder shares the machine's network: what listens
on 127.0.0.1 in there is reached from out here.

From a shell: `python -m bench.release forky PACKAGE...` makes it and prints its folder;
`... --run PROGRAM ARGUMENT...` runs a program in it.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Release", "ReleaseError", "mirror", "missing"]

PATH_INSIDE = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CACHE_VARIABLE = "LASTHOP_RELEASES"
SCRIPTS = Path("/usr/share/debootstrap/scripts")
CA_BUNDLE = Path("etc/ssl/certs/ca-certificates.crt")

# $1 is the root, then pairs of folder and place, `--`, then the program.
ENTER = """
root=$1; shift
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/dev/shm"
while [ "$1" != -- ]; do mkdir -p "$root$2"; mount --bind "$1" "$root$2"; shift 2; done
shift
exec chroot "$root" "$@"
"""

Say = Callable[[str], None]


class ReleaseError(Exception):
    """The release cannot be made here; the text says why and what helps."""


def say_on_stderr(text: str) -> None:
    """Tell the user what is going on."""
    print(text, file=sys.stderr, flush=True)


def cache() -> Path:
    """Return the folder that holds all releases."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else Path.home() / ".cache" / "lasthop"


def mirror(apt: Path = Path("/etc/apt")) -> str:
    """Return the machine's own Debian mirror, as its apt sources name it."""
    for uri, suites in [*_deb822(apt), *_one_line(apt)]:
        if uri.startswith(("http:", "https:")) and not any("security" in suite for suite in suites):
            return uri.rstrip("/")
    raise ReleaseError(f"no Debian mirror in {apt}/sources.list.d/*.sources or {apt}/sources.list")


def _deb822(apt: Path) -> Iterator[tuple[str, list[str]]]:
    for path in sorted((apt / "sources.list.d").glob("*.sources")):
        for stanza in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            lines = [line for line in stanza.splitlines() if not line.startswith("#")]
            fields = dict(line.split(":", 1) for line in lines if re.match(r"[A-Za-z-]+:", line))
            if "deb" in fields.get("Types", "").split() and fields.get("Enabled", "yes").strip() != "no":
                for uri in fields.get("URIs", "").split():
                    yield uri, fields.get("Suites", "").split()


def _one_line(apt: Path) -> Iterator[tuple[str, list[str]]]:
    for path in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for match in re.finditer(r"^deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", text, re.MULTILINE):
            yield match[1], [match[2]]


def missing() -> str:
    """Return what keeps a release from being made or entered on this machine, or an empty string."""
    if not sys.platform.startswith("linux"):
        return "it needs Linux"
    if os.geteuid() != 0:
        return "it needs root"
    for program, package in (("debootstrap", "debootstrap"), ("unshare", "util-linux"), ("chroot", "coreutils")):
        if shutil.which(program) is None:
            return f"{program} is missing (apt-get install --no-install-recommends {package})"
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "" if probe.returncode == 0 else "this machine permits no mount namespaces"


@dataclass(frozen=True, slots=True)
class Release:
    """One Debian release by its code name, and the folder it lives in."""

    name: str
    root: Path

    @classmethod
    def named(cls, name: str) -> Release:
        """Return the release at its place in the cache, made or not."""
        if not re.fullmatch(r"[a-z]+", name):
            raise ReleaseError(f"{name!r} is no Debian code name")
        return cls(name, cache() / f"debian-{name}")

    @property
    def notes(self) -> Path:
        """The file that says which packages were installed; there is none before the bootstrap is complete."""
        return self.root / "var/lib/lasthop-packages.json"

    def packages(self) -> set[str]:
        """Return the packages that were asked for so far."""
        return set(json.loads(self.notes.read_text())) if self.notes.exists() else set()

    def ensure(self, packages: Iterable[str], say: Say = say_on_stderr) -> Release:
        """Bootstrap the release if it is absent and install what it lacks."""
        wanted = set(packages)
        if self.notes.exists() and wanted <= self.packages():
            return self
        reason = missing()
        if reason:
            raise ReleaseError(f"Debian {self.name} cannot be set up here: {reason}")
        with self._alone():
            if not self.notes.exists():
                say(f"bootstrapping Debian {self.name} into {self.root} (once, about half a minute)")
                self._bootstrap()
            lacking = sorted(wanted - self.packages())
            if lacking:
                say(f"installing in Debian {self.name}: {' '.join(lacking)}")
                self._install(lacking)
        return self

    def inside(
        self, argv: Sequence[str], binds: Mapping[Path, str] | None = None, cwd: str = "/"
    ) -> list[str]:
        """Return the argv that runs `argv` in this release; it keeps its pid, so a signal reaches the program."""
        pairs = [str(part) for pair in (binds or {}).items() for part in pair]
        # Not the caller's PATH: a folder of it may be mounted inside, with the wrapper that brought us here.
        program = ["env", "-C", cwd, f"PATH={PATH_INSIDE}", *argv]
        return ["unshare", "--mount", "sh", "-ec", ENTER, "sh", str(self.root), *pairs, "--", *program]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        self.root.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{self.root}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _bootstrap(self) -> None:
        partial = Path(f"{self.root}.partial")
        for leftover in (partial, self.root):
            _remove(leftover)
        script = SCRIPTS / self.name
        self._must(
            ["unshare", "--mount", "debootstrap", "--variant=minbase", "--include=ca-certificates",
             self.name, str(partial), mirror(), str(script if script.exists() else SCRIPTS / "sid")],
        )
        _furnish(partial)
        partial.rename(self.root)
        self.notes.write_text("[]\n")

    def _install(self, packages: list[str]) -> None:
        _furnish(self.root)
        environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
        self._must(self.inside([*environment, "apt-get", "-qq", "update"]))
        self._must(self.inside([*environment, "apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages]))
        self.notes.write_text(json.dumps(sorted(self.packages() | set(packages))) + "\n")

    def _must(self, argv: list[str]) -> None:
        log = Path(f"{self.root}.log")
        with log.open("a") as out:
            done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False)
        if done.returncode:
            last = [line for line in log.read_text(errors="replace").splitlines() if line.strip()][-1:]
            raise ReleaseError(f"Debian {self.name}: exit {done.returncode}: {' '.join(last)} (see {log})")


def _remove(folder: Path) -> None:
    mounted = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    inner = [place for place in mounted if place.startswith(f"{folder.resolve()}/")]
    if inner:
        raise ReleaseError(f"{folder} is half made and has mounts ({' '.join(inner)}): unmount them and remove it")
    if folder.exists():
        shutil.rmtree(folder)


def _furnish(root: Path) -> None:
    """Give the release what it needs to reach mirror and index as the machine does, and nothing to start."""
    (root / "etc/apt/apt.conf.d/99lasthop").write_text('Acquire::Check-Valid-Until "false";\n')
    policy = root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    for file in ("etc/resolv.conf", "etc/hosts", "etc/pip.conf", str(CA_BUNDLE)):
        source = Path("/") / file
        if source.exists():
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).unlink(missing_ok=True)
            shutil.copyfile(source, root / file)


def main(argv: Sequence[str] | None = None) -> int:
    """Make a release, and print or use it."""
    parser = argparse.ArgumentParser(prog="python -m bench.release", description="Another Debian release in a folder.")
    parser.add_argument("release", help="code name, such as forky or trixie")
    parser.add_argument("packages", nargs="*", help="packages to install in it")
    parser.add_argument("--run", nargs=argparse.REMAINDER, help="run this program in it")
    options = parser.parse_args(argv)
    try:
        release = Release.named(options.release).ensure(options.packages)
    except ReleaseError as error:
        say_on_stderr(f"bench.release: {error}")
        return 1
    if options.run:
        return subprocess.run(release.inside(options.run), check=False).returncode
    print(release.root)
    return 0


if __name__ == "__main__":
    sys.exit(main())
