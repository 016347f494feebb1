"""Two configurations of one proxy before the same origin, loaded in turn."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from string import Template

from bench import loadgen
from bench.load import output
from bench.process import ServerProcess, cpu_seconds, free_port
from proxyconf.facts.table import Version
from proxyconf.facts.target import Target
from proxyconf.programs.run import version
from proxyconf.proxies.contract import render
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load

__all__ = ["Contest", "Result", "minimal", "rendered"]

FOLDER = Path(__file__).parent
CONNECTIONS = 32
Files = dict[str, str]


def minimal(name: str, ports: dict[str, str]) -> Files:
    """Return what somebody would write by hand; nothing if nobody has."""
    files = {file: FOLDER / "minimal" / file for file in _names(name)}
    return {file: _filled(path, ports) for file, path in files.items() if path.exists()}


def _names(name: str) -> Sequence[str]:
    """Return the names of the files that a proxy's commands read."""
    words = proxy(name).program.run
    return [word.rpartition("{folder}/")[2] for word in words if "{folder}/" in word]


def _filled(path: Path, ports: dict[str, str]) -> str:
    return Template(path.read_text()).safe_substitute(ports)


def rendered(name: str, program: Path, ports: dict[str, str]) -> Files:
    """Return what proxyconf renders of the plain site for this program."""
    file = load("site.yaml", (FOLDER / "site.yaml").read_bytes(), ports)
    found = Version.parse(version((str(program), *proxy(name).program.version[1:])))
    bundle = render(proxy(name), file.deployment, replace(Target.of(name, file.spec), version=found, user="root"))
    if bundle.refused:
        raise ValueError(f"{name}: {'; '.join(finding.message for finding in bundle.findings)}")
    return bundle.files


@dataclass(frozen=True)
class Result:
    """What one configuration did: medians over the rounds."""

    rate: float
    cpu_each: float
    """CPU-seconds of the proxy for each request."""
    failed: int


class Contest:
    """Configurations of one proxy that run side by side; each round loads one after the other, in random order."""

    def __init__(self, name: str, program: Path, origin_port: int, generator: list[str], seconds: float) -> None:
        self._name, self._program, self._origin_port = name, program, origin_port
        self._generator, self._seconds = generator, seconds

    def run(self, configurations: Mapping[str, Callable[[dict[str, str]], Files]], rounds: int, seed: int) -> dict[str, Result]:
        """Return what each configuration did."""
        chance = random.Random(seed)
        with ExitStack() as exits:
            started = {label: self._start(make, exits) for label, make in configurations.items()}
            for process in started.values():
                self._load(process, 0.2)
            runs: dict[str, list[Result]] = {label: [] for label in started}
            for _ in range(rounds):
                for label in chance.sample(list(started), len(started)):
                    runs[label].append(self._load(started[label], self._seconds))
        return {
            label: Result(median(one.rate for one in of), median(one.cpu_each for one in of), sum(one.failed for one in of))
            for label, of in runs.items()
        }

    def _start(self, make: Callable[[dict[str, str]], Files], exits: ExitStack) -> ServerProcess:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="bench-proxy-")))
        port = free_port()
        for name, text in make({"EDGE_PORT": str(port), "APP_PORT": str(self._origin_port)}).items():
            (folder / name).write_text(text)
        program = proxy(self._name).program
        command = [str(self._program), *(word.replace("{folder}", str(folder)) for word in program.run[1:])]
        environment = {"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **program.environment}
        return exits.enter_context(ServerProcess(command, port, folder, folder / "proxy.log", environment))

    def _load(self, process: ServerProcess, seconds: float) -> Result:
        load = loadgen.arguments(Path(self._generator[-1]), process.port, CONNECTIONS, 1, http1=True, seconds=seconds)
        argv = [*self._generator[:-1], *load]
        before = cpu_seconds(process.pid)
        counts = loadgen.parse(output(argv, seconds + 30))
        used = cpu_seconds(process.pid) - before
        return Result(counts.rate, used / max(1, counts.ok), counts.failed)
