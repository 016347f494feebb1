"""Two configurations of one proxy before the same origin, loaded in turn."""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from string import Template

from bench import loadgen
from bench.load import output
from bench.process import ServerFailed, ServerProcess, cpu_seconds, free_port
from proxyconf.facts.table import Version
from proxyconf.facts.target import Target
from proxyconf.programs.run import version
from proxyconf.proxies.contract import render
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import load

__all__ = ["Contest", "Result", "Run", "by_hand", "protocol", "rendered"]

FOLDER = Path(__file__).parent
CONNECTIONS, SERVED_SECONDS = 32, 15.0
Files = dict[str, str]


def by_hand(folder: str, name: str, ports: dict[str, str]) -> Files:
    """Return what was written by hand: `minimal` does the same as what is rendered, `bare` has the hop alone."""
    paths = (FOLDER / folder / file for file in _names(name))
    return {path.name: _filled(path, ports) for path in paths if path.exists()}


def _names(name: str) -> Sequence[str]:
    """Return the names of files that stand in a proxy's commands, and those that it watches."""
    program = proxy(name).program
    return [*(word.rpartition("{folder}/")[2] for word in program.run if "{folder}/" in word), *program.watches]


def protocol(name: str) -> str:
    """Return what the hop speaks: HTTP/2, but for Apache."""
    return "http1" if name == "apache" else "h2c"


def _filled(path: Path, ports: dict[str, str]) -> str:
    return Template(path.read_text()).safe_substitute(ports)


def rendered(name: str, program: Path, ports: dict[str, str]) -> Files:
    """Return what proxyconf renders of the plain site for this program."""
    file = load("site.yaml", (FOLDER / "site.yaml").read_bytes(), {**ports, "PROTOCOL": protocol(name)})
    found = Version.parse(version((str(program), *proxy(name).program.version[1:])))
    target = replace(Target.of(name, file.spec), version=found)
    # The folder is root's, and only nginx opens something there as its workers.
    bundle = render(proxy(name), file.deployment, replace(target, user="root") if name == "nginx" else target)
    if bundle.refused:
        raise ValueError(f"{name}: {'; '.join(finding.message for finding in bundle.findings)}")
    return bundle.files


@dataclass(frozen=True)
class Run:
    """What one load came to."""

    rate: float
    cpu_each: float
    """CPU-seconds of the proxy for each request."""
    failed: int


@dataclass(frozen=True)
class Result:
    """The runs of one configuration, one for each round; the figures are medians."""

    runs: tuple[Run, ...]

    @property
    def rate(self) -> float:
        """Requests per second."""
        return median(run.rate for run in self.runs)

    @property
    def cpu_each(self) -> float:
        """CPU-seconds of the proxy for each request."""
        return median(run.cpu_each for run in self.runs)

    @property
    def failed(self) -> int:
        """How many requests failed."""
        return sum(run.failed for run in self.runs)

    def cost_beside(self, other: Result) -> float:
        """Return the median of the rounds' own ratios of CPU time: a shared machine's speed drifts from round to round."""
        return median(mine.cpu_each / theirs.cpu_each for mine, theirs in zip(self.runs, other.runs, strict=True))

    def rate_beside(self, other: Result) -> float:
        """Return the median of the rounds' own ratios of requests per second."""
        return median(mine.rate / theirs.rate for mine, theirs in zip(self.runs, other.runs, strict=True))


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
            runs: dict[str, list[Run]] = {label: [] for label in started}
            for _ in range(rounds):
                for label in chance.sample(list(started), len(started)):
                    runs[label].append(self._load(started[label], self._seconds))
        return {label: Result(tuple(of)) for label, of in runs.items()}

    def _start(self, make: Callable[[dict[str, str]], Files], exits: ExitStack) -> ServerProcess:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="bench-proxy-")))
        port = free_port()
        for name, text in make({"EDGE_PORT": str(port), "APP_PORT": str(self._origin_port)}).items():
            (folder / name).write_text(text)
        program = proxy(self._name).program
        command = [str(self._program), *(word.replace("{folder}", str(folder)) for word in program.run[1:])]
        environment = {"HOME": str(folder), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", **program.environment}
        process = exits.enter_context(ServerProcess(command, port, folder, folder / "proxy.log", environment))
        self._wait_until_served(port)
        return process

    def _wait_until_served(self, port: int) -> None:
        """Wait: some proxies accept connections before they have read their sites."""
        end = time.monotonic() + SERVED_SECONDS
        while True:
            with closing(HTTPConnection("127.0.0.1", port, timeout=SERVED_SECONDS)) as client:
                client.request("GET", "/", headers={"Host": loadgen.AUTHORITY})
                status = client.getresponse().status
            if status == HTTPStatus.OK:
                return
            if time.monotonic() > end:
                raise ServerFailed(f"{self._name} answers {status}")
            time.sleep(0.05)  # it listens before it has read its sites

    def _load(self, process: ServerProcess, seconds: float) -> Run:
        load = loadgen.arguments(Path(self._generator[-1]), process.port, CONNECTIONS, 1, http1=True, seconds=seconds)
        argv = [*self._generator[:-1], *load]
        before = cpu_seconds(process.pid)
        counts = loadgen.parse(output(argv, seconds + 30))
        used = cpu_seconds(process.pid) - before
        return Run(counts.rate, used / max(1, counts.ok), counts.failed)
