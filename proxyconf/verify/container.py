"""A program of verify in its container image: the same folder at the same place, what was rendered read-only in it.

On the host's network, because probes look at loopback addresses: of the client, of the upstream, of the listener.
That needs an engine of this machine. This module alone imports the Docker SDK, an extra: pip install 'lasthop[docker]'.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import docker
import docker.errors
import docker.types
import requests

from proxyconf.programs.run import ProgramFault, ProgramMissing, names_of, version_in
from proxyconf.verify.address import Address
from proxyconf.verify.program import Program, ProgramError, Running

__all__ = ["LABEL", "Container", "Image"]

LABEL = "proxyconf.verify"
SECONDS = 60
API = "1.41"  # Docker 20.10's; later engines speak it, too
UNREACHABLE = (
    "this Docker engine does not share this machine's network (it is remote, rootless or Docker Desktop);"
    " use one that runs on this Linux machine, or leave --image out and install the proxy"
)


class Image:
    """An image on this machine's engine, to be closed after use; raises `ProgramMissing`."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self.name, self._client = name, _engine()
        try:
            self._get(say)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the engine."""
        self._client.close()

    def _get(self, say: Callable[[str], None]) -> None:
        """See to it that the image is there."""
        try:
            self._client.images.get(self.name)
        except docker.errors.ImageNotFound:
            say(f"pulling {self.name}")
            self._pull()
        except docker.errors.APIError as error:
            raise ProgramMissing(f"the image {self.name}: {_words(error)}") from error

    def _pull(self) -> None:
        try:
            self._client.images.pull(self.name)
        except docker.errors.APIError as error:
            raise ProgramMissing(f"the image {self.name} is not on this machine and could not be pulled: {_words(error)}") from error

    def version(self, command: tuple[str, ...]) -> str:
        """Return the version that a program in it names. Raises `ProgramMissing`, `ProgramFault`."""
        container = self._started(command, {}, [], "none", "/")
        try:
            code = int(container.wait(timeout=SECONDS)["StatusCode"])
            text = str(container.logs().decode("utf-8", "replace"))
        finally:
            container.remove(force=True)
        found = version_in(text)
        if code or found is None:
            raise ProgramFault(f"'{' '.join(command)}' in the image {self.name} names no version: {text.strip()[-200:]}")
        return found

    def start(self, program: Program) -> Container:
        """Start a program in it. Raises `ProgramMissing`."""
        mounts = [docker.types.Mount(str(program.folder), str(program.folder), "bind")]
        mounts += [docker.types.Mount(str(path), str(path), "bind", read_only=True) for path in program.fixed]
        return Container(program, self._started(program.argv, dict(program.environment), mounts, "host", str(program.folder)))

    def _started(self, argv: tuple[str, ...], environment: dict[str, str], mounts: list[Any], network: str, folder: str) -> Any:
        """Start a program by the first of its names that the image has."""
        *names, last = names_of(argv[0])
        for name in names:
            with contextlib.suppress(ProgramMissing):
                return self._started_as((name, *argv[1:]), environment, mounts, network, folder)
        return self._started_as((last, *argv[1:]), environment, mounts, network, folder)

    def _started_as(self, argv: tuple[str, ...], environment: dict[str, str], mounts: list[Any], network: str, folder: str) -> Any:
        try:
            container = self._client.containers.create(
                self.name, list(argv[1:]), entrypoint=[argv[0]], environment=environment, mounts=mounts, network_mode=network,
                # As the user who would run it here: what it writes is then that user's.
                user=f"{os.getuid()}:{os.getgid()}", working_dir=folder, labels={LABEL: ""},
            )  # fmt: skip
        except docker.errors.APIError as error:
            raise ProgramMissing(f"the image {self.name}: {_words(error)}") from error
        try:
            container.start()
        except docker.errors.APIError as error:
            container.remove(force=True)
            raise ProgramMissing(f"{argv[0]} in the image {self.name} cannot be run: {_words(error)}") from error
        return container


def _engine() -> Any:
    """Return a client of this machine's engine. Raises `ProgramMissing`."""
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not address.startswith("unix://"):
        raise ProgramMissing(f"{address}: {UNREACHABLE}")
    if not Address(f"unix:{address.removeprefix('unix://')}").accepts():
        raise ProgramMissing(f"no Docker engine answers at {address}; start one, or leave --image out and install the proxy")
    client = docker.DockerClient(address, version=API, timeout=SECONDS)
    try:
        said = client.info()
        if said.get("OperatingSystem") == "Docker Desktop" or "name=rootless" in (said.get("SecurityOptions") or ()):
            raise ProgramMissing(f"{address}: {UNREACHABLE}")
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        client.close()
        raise ProgramMissing(f"the Docker engine at {address} does not answer: {error}") from error
    except ProgramMissing:
        client.close()
        raise
    return client


def _words(error: docker.errors.APIError) -> str:
    return str(error.explanation or error)


class Container(Running):
    """A program that runs in a container of its own; it is ended by the container's id."""

    def __init__(self, program: Program, container: Any) -> None:
        super().__init__(program)
        self._container = container
        self._code: int | None = None
        self._removed = False

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs."""
        if self._code is None:
            self._container.reload()
            state = self._container.attrs["State"]
            self._code = None if state["Running"] else int(state["ExitCode"])
        return self._code

    @property
    def pid(self) -> int:
        """Its id within the container."""
        return 1

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it."""
        with self._told():
            self._container.kill(number.name)

    def command(self, argv: tuple[str, ...]) -> None:
        """Run a command in the same container."""
        program = self.program
        with self._told():
            done = self._container.exec_run(list(argv), environment=dict(program.environment), workdir=str(program.folder))
        if done.exit_code:
            raise ProgramError(f"{' '.join(argv)} ended with {done.exit_code}: {done.output.decode(errors='replace').strip()[-300:]}")

    def wait(self, seconds: float) -> bool:
        """Wait for its end; False if it does not come in time."""
        try:
            self._container.wait(timeout=seconds)
        except requests.exceptions.RequestException:  # the SDK tells a timeout by either of two
            return self.code is not None
        return True

    def kill(self) -> None:
        """End it at once, keep its log, remove it."""
        if self._removed:
            return
        if self.code is None:
            with contextlib.suppress(docker.errors.APIError):  # it ended just now
                self._container.kill()
            self._container.wait(timeout=SECONDS)
        assert self.code is not None
        with self.program.log.open("ab") as log:
            log.write(self._container.logs())
        self._container.remove(force=True)
        self._removed = True

    def said(self) -> str:
        """Return what it wrote so far."""
        return super().said() if self._removed else str(self._container.logs().decode("utf-8", "replace"))

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except docker.errors.APIError as error:
            raise ProgramError(f"{self.program.name} in its container: {_words(error)}") from error
