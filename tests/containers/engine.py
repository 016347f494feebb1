"""A Docker engine for tests, and images without a registry: what a Debian release in a folder has, or one program alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import docker
import docker.errors
import requests

from proxyconf.verify.address import Address

__all__ = ["VERSION", "answers", "debian_image", "engine", "program_image"]

SECONDS = 60
VERSION = "1.41"  # of the API, which Docker 20.10 and later speak
# Of a release: what its proxies need to run, and nothing that was installed to build with.
NEEDED = (
    "bin", "sbin", "lib", "lib64", "etc", "run", "tmp", "usr/bin/sh", "usr/bin/dash", "usr/sbin", "usr/lib64", "usr/lib/x86_64-linux-gnu", "usr/lib/nginx",
    "usr/share/nginx", "var/lib/nginx", "var/lib/haproxy", "var/log",
)  # fmt: skip
LEFT_OUT = ("*.a", "*/perl*", "*/gconv")


def answers(address: str | None = None) -> bool:
    """Return whether an engine answers, at the environment's address or at another."""
    address = address or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    # The SDK leaves a socket that nobody answers to the garbage collector.
    if address.startswith("unix://") and not Address(f"unix:{address.removeprefix('unix://')}").accepts():
        return False
    with closing(docker.DockerClient(address, version=VERSION)) as client:
        try:
            return bool(client.ping())
        except (docker.errors.DockerException, requests.exceptions.RequestException):
            return False


@contextmanager
def engine(folder: Path) -> Iterator[str]:
    """Start an engine that keeps everything in `folder`, without a network of its own; yields its address."""
    address = f"unix://{folder}/docker.sock"
    command = ["dockerd", f"--data-root={folder}/data", f"--exec-root={folder}/run", f"--pidfile={folder}/pid",
               f"--host={address}", "--bridge=none", "--iptables=false"]  # fmt: skip
    with (folder / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        end = time.monotonic() + SECONDS
        while not answers(address):
            assert process.poll() is None, (folder / "dockerd.log").read_text()[-2000:]
            assert time.monotonic() < end, f"dockerd did not answer within {SECONDS} s"
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(SECONDS)
        # It leaves its own network namespace mounted.
        subprocess.run(["umount", "-l", f"{folder}/run/netns/default"], check=False, stderr=subprocess.DEVNULL)
        shutil.rmtree(folder / "data", ignore_errors=True)


def debian_image(client: docker.DockerClient, root: Path, name: str, folder: Path) -> str:
    """Make an image of a release's folder; returns its name."""
    archive = folder / "release.tar"
    there = [part for part in NEEDED if (root / part).exists()]
    subprocess.run(["tar", "-C", str(root), *(f"--exclude={one}" for one in LEFT_OUT), "-cf", str(archive), *there], check=True)
    return _imported(client, archive, name)


def program_image(client: docker.DockerClient, program: Path, name: str, folder: Path) -> str:
    """Make an image that holds one program and nothing else; returns its name."""
    archive = folder / "program.tar"
    with tarfile.open(archive, "w") as out:
        out.add(program.resolve(), f"usr/bin/{program.name}")
    return _imported(client, archive, name)


def _imported(client: docker.DockerClient, archive: Path, name: str, changes: Sequence[str] = ("ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin",)) -> str:
    repository, _, tag = name.partition(":")
    client.api.import_image_from_file(str(archive), repository=repository, tag=tag, changes=list(changes))
    os.unlink(archive)
    return name
