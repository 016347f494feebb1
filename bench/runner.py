"""The measuring itself: start, check, calibrate, then interleaved rounds; latency, memory and soak after them."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from bench import bodies, certificate
from bench.certificate import Certificate
from bench.figures import Latency, Run, Table
from bench.hop import Hop
from bench.load import Counts, LoadFailed
from bench.loadgen import PATHS
from bench.loads import GENERATOR_SECONDS, SLOWEST_RATE, Loads
from bench.process import ServerFailed, ServerProcess, cpu_seconds, free_port, memory
from bench.progress import Progress
from bench.scenarios import CLIENT_APP, MEMORY_RUNS, POST_BODY, ROAD_APP, SOAK, Scenario
from bench.servers import KERNEL, LIMIT, Server

__all__ = ["Bench", "Plan", "Target"]

CALIBRATION_SECONDS = 0.4
HANDSHAKE_SECONDS = 1.6
"""Added where connections begin with a TLS handshake: 64 of them may take all of the warm-up."""
SETTLE_SECONDS = 0.5
TIMEOUT_SECONDS = GENERATOR_SECONDS + 10
"""A run may last so long, and six times its planned duration, before it is ended."""

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured, and how. `cores` is "one" (a server is held on one core) or "all".

    `latency_rounds` is how many times each pair is measured at a fixed rate: `rate`, or half of what the slowest server
    can do. `hop` is the proxy in between, if any.
    """

    scenarios: Sequence[Scenario]
    servers: Sequence[Server]
    rounds: int
    seconds: float
    seed: int
    cores: str
    soak: int
    bin_dir: Path
    work: Path
    loadgen: Path
    latency_rounds: int = 0
    rate: float = 0
    hop: str = ""

    def pins(self) -> tuple[list[str], list[str]]:
        """Return the argv prefixes that hold the server and the load generator on their cores."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            return [], []
        server = ["taskset", "-c", str(cores[0])] if self.cores == "one" else []
        return server, ["taskset", "-c", str(cores[-1])]

    def groups(self) -> list[list[Scenario]]:
        """Return the scenarios by application, and TLS: one server process is put through each group."""
        return [list(group) for _, group in groupby(self.scenarios, lambda scenario: (scenario.app, scenario.tls))]

    def latency_rounds_of(self, scenario: Scenario) -> int:
        """Return how often this scenario is measured at a fixed rate; our generator speaks no TLS."""
        return 0 if scenario.tls else self.latency_rounds

    def memory_runs(self) -> list[Scenario]:
        """Return the scenarios after which memory is read: those of one application, one process."""
        found = [scenario for scenario in self.scenarios if scenario.id in MEMORY_RUNS]
        return [scenario for scenario in found if scenario.app == found[0].app]

    def serves(self, server: Server, scenario: Scenario) -> bool:
        """Whether the scenario can be put to this server; a proxy in between speaks what the server does."""
        return server.id != LIMIT if self.hop else server.serves(scenario)


@dataclass(frozen=True, slots=True)
class Target:
    """A running server and the port the load goes to: its own, or that of the proxy before it."""

    server: Server
    process: ServerProcess
    port: int


def lay_out_files(folder: Path, scenario: Scenario) -> None:
    """Make what nghttpd serves: the answer at the root, and where heads vary at every path that is asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_bytes(scenario.answer)
    if not scenario.varied or (folder / PATHS[-1]).exists():
        return
    (folder / PATHS[0]).parent.mkdir(exist_ok=True)
    for path in PATHS:
        with contextlib.suppress(FileExistsError):  # an earlier run was interrupted
            (folder / path).symlink_to("../index.html")


Measure = Callable[[int, Target, Scenario], None]


@dataclass(slots=True)
class Bench:
    """One benchmark under way."""

    plan: Plan
    progress: Progress
    table: Table = field(default_factory=Table)
    commands: dict[str, list[str]] = field(default_factory=dict)
    """The argv of every server, by "server app", and of the load, by scenario."""
    _sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    _random: random.Random = field(default_factory=random.Random)
    _certificate: Certificate | None = None
    """What servers are given where the scenario is over TLS."""
    loads: Loads = field(init=False)

    def __post_init__(self) -> None:
        self.loads = Loads(self.plan.loadgen, self.plan.work / "post.bin", self.plan.pins()[1])

    def run(self) -> Table:
        """Measure everything."""
        self._random.seed(self.plan.seed)
        self._lay_out()
        for scenarios in self.plan.groups():
            self._group(scenarios)
        self._memory()
        return self.table

    @staticmethod
    def steps(plan: Plan) -> int:
        """Return how many steps the progress will show."""
        steps = sum(
            plan.rounds + 1 + plan.latency_rounds_of(scenario)
            for server in plan.servers for scenario in plan.scenarios if plan.serves(server, scenario)
        )
        return steps + (len(plan.servers) if plan.memory_runs() else 0)

    def _lay_out(self) -> None:
        """Make the folder the servers run in: the applications, the files of nghttpd, and nothing to shadow a wheel."""
        work = self.plan.work
        work.mkdir(parents=True, exist_ok=True)
        for name in ("apps.py", "file_apps.py", "granian_apps.py", "starlette_app.py"):
            shutil.copyfile(HERE / name, work / name)
        (work / "post.bin").write_bytes(POST_BODY)
        for scenarios in self.plan.groups():
            lay_out_files(self._www(scenarios[0].app), scenarios[0])
        if any(scenario.tls for scenario in self.plan.scenarios):
            self._certificate = certificate.make(work / "tls")

    def _www(self, app: str) -> Path:
        return self.plan.work / "www" / app.replace(":", "-")

    def _access_log(self, server: Server) -> Path:
        return self.plan.work / f"{server.id}.access.log"

    def _server(self, server: Server, app: str, tls: bool) -> ServerProcess:
        port = free_port()
        pin, _ = self.plan.pins()
        shown = self._certificate if tls else None
        argv = server.argv(self.plan.bin_dir, app, port, self._www(app), self._access_log(server), shown)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        log = self.plan.work / f"{server.id}-{app.replace(':', '-')}.log"
        return ServerProcess([*pin, *argv], port, self.plan.work, log, environment)

    def _start(self, server: Server, app: str, running: ExitStack, tls: bool = False) -> Target:
        """Start a server, and the proxy before it where there is one."""
        process = running.enter_context(self._server(server, app, tls))
        if not self.plan.hop:
            return Target(server, process, process.port)
        proxy = Hop(self.plan.hop, self.plan.bin_dir, self.plan.work).before(server, app, process.port)
        running.enter_context(proxy)
        self.commands[f"{self.plan.hop} before {server.id} {app}"] = proxy.argv
        return Target(server, process, proxy.port)

    def _group(self, scenarios: list[Scenario]) -> None:
        with ExitStack() as running:
            ready: list[tuple[Target, Scenario]] = []
            for server in self.plan.servers:
                served = [scenario for scenario in scenarios if self.plan.serves(server, scenario)]
                target = self._starts(server, served, running) if served else None
                if target:
                    ready += [(target, scenario) for scenario in served if self._fit(target, scenario)]
            for number in range(1, self.plan.rounds + 1):
                self._round(number, ready, self._measure)
            for scenario in scenarios:
                self._choose_rate(scenario)
            for number in range(1, self.plan.latency_rounds_of(scenarios[0]) + 1):
                self._round(number, ready, self._measure_latency)

    def _starts(self, server: Server, served: list[Scenario], running: ExitStack) -> Target | None:
        app = served[0].app
        try:
            if app == ROAD_APP and server.forwards:
                self._check_forwarding(server, served[0])
            target = self._start(server, app, running, served[0].tls)
        except ServerFailed as error:
            self.progress.say(f"{server.title}: {error}")
            self.progress.skip(len(served) * (self.plan.rounds + 1 + self.plan.latency_rounds_of(served[0])))
            for scenario in served:
                self.table.cell(server.id, scenario.id).problem = str(error)
            return None
        self.commands[f"{server.id} {app}{' tls' if served[0].tls else ''}"] = target.process.argv
        return target

    def _check_forwarding(self, server: Server, scenario: Scenario) -> None:
        """See that the server, started with the same options, tells the application what X-Forwarded-For says."""
        with ExitStack() as running:
            target = self._start(server, CLIENT_APP, running)
            url = f"http://127.0.0.1:{target.port}/"
            problem = bodies.wrong_client(scenario, url, self.plan.work / "answer.bin")
        if problem:
            raise ServerFailed(problem)

    def _give_up(self, server: Server, scenario: Scenario, problem: str, steps: int) -> None:
        self.table.cell(server.id, scenario.id).problem = problem
        self.progress.skip(steps)
        self.progress.say(f"{scenario.id}: {server.title}: {problem}")

    def _fit(self, target: Target, scenario: Scenario) -> bool:
        """Check one answer and find out how many requests make a run."""
        url = f"{scenario.scheme}://127.0.0.1:{target.port}/"
        work = self.plan.work
        problem = bodies.wrong_answer(scenario, url, work / "post.bin", work / "answer.bin")
        if not problem:
            try:
                self._sizes[target.server.id, scenario.id] = self._calibrate(target, scenario)
            except LoadFailed as error:
                problem = str(error)
        if problem:
            self._give_up(target.server, scenario, problem, self.plan.rounds + 1 + self.plan.latency_rounds_of(scenario))
            return False
        self.progress.step(f"{scenario.id} warm-up: {target.server.title}")
        return True

    def _calibrate(self, target: Target, scenario: Scenario) -> int:
        seconds = CALIBRATION_SECONDS + (HANDSHAKE_SECONDS if scenario.tls else 0)
        counts = self.loads.run(self._argv(target, scenario, seconds=seconds), TIMEOUT_SECONDS)
        if counts.ok <= 0:
            raise LoadFailed("no request was answered in the warm-up")
        return scenario.sized(counts.ok / counts.seconds, self.plan.seconds)

    def _argv(
        self, target: Target, scenario: Scenario, *, requests: int = 0, seconds: float = 0, rate: float = 0
    ) -> list[str]:
        return self.loads.argv(scenario, target.port, requests=requests, seconds=seconds, rate=rate)

    def _round(self, number: int, ready: list[tuple[Target, Scenario]], measure: Measure) -> None:
        """Measure every pair once: scenarios in random order, and the servers of each in random order."""
        scenarios = list({scenario.id: scenario for _, scenario in ready}.values())
        for scenario in self._random.sample(scenarios, len(scenarios)):
            rivals = [target for target, wanted in ready if wanted is scenario]
            for target in self._random.sample(rivals, len(rivals)):
                if self.table.cell(target.server.id, scenario.id).problem:
                    self.progress.skip(1)
                    continue
                try:
                    measure(number, target, scenario)
                except (LoadFailed, ServerFailed) as error:
                    self._give_up(target.server, scenario, str(error), 1)

    def _measure(self, number: int, target: Target, scenario: Scenario) -> None:
        server = target.server
        run = self._once(number, target, scenario, self._sizes[server.id, scenario.id])
        self.table.cell(server.id, scenario.id).runs.append(run)
        self.progress.step(f"{scenario.id} round {number}: {server.title} {run.rate:,.0f}/s")

    def _once(self, number: int, target: Target, scenario: Scenario, requests: int) -> Run:
        counts, used = self._put(target, scenario, self._argv(target, scenario, requests=requests))
        wrong = not counts.failed and counts.data != counts.ok * len(scenario.answer)
        rate = counts.ok / counts.seconds if counts.seconds else 0.0
        return Run(number, counts.total, counts.seconds, rate, used, counts.failed, wrong, counts.busy)

    def _put(self, target: Target, scenario: Scenario, argv: list[str]) -> tuple[Counts, float]:
        """Put a load on a server; return its outcome and the CPU-seconds that the server used."""
        process = target.process
        process.must_live()
        self.commands.setdefault(scenario.id, argv)
        before = cpu_seconds(process.pid)
        counts = self.loads.run(argv, TIMEOUT_SECONDS + 6 * self.plan.seconds)
        used = cpu_seconds(process.pid) - before
        process.must_live()
        self._empty_log(target.server)
        return counts, used

    def _empty_log(self, server: Server) -> None:
        """Keep an access log from filling the disk; the server appends to it."""
        log = self._access_log(server)
        if log.exists():
            os.truncate(log, 0)

    def _choose_rate(self, scenario: Scenario) -> None:
        """Take half of what the slowest server can do in this scenario, a rate that all of them keep, or what was asked."""
        rates = [self.table.cell(server.id, scenario.id).rate for server in self.plan.servers]
        slowest = min((rate for rate in rates if rate), default=0.0)
        if slowest and self.plan.latency_rounds_of(scenario):
            self.table.rates[scenario.id] = self.plan.rate or slowest / 2

    def _measure_latency(self, number: int, target: Target, scenario: Scenario) -> None:
        server, rate = target.server, self.table.rates[scenario.id]
        requests = max(1, round(rate * self.plan.seconds))
        counts, used = self._put(target, scenario, self._argv(target, scenario, requests=requests, rate=rate))
        if counts.latency is None:
            raise LoadFailed(f"none of {counts.total} requests was answered at {rate:,.0f} a second")
        found = counts.latency
        self.table.cell(server.id, scenario.id).latencies.append(
            Latency(number, rate, counts.total, found.p50, found.p99, found.max, used, counts.failed)
        )
        self.progress.step(f"{scenario.id} latency {number}: {server.title} p99 {found.p99 * 1e3:.2f} ms")

    def _memory(self) -> None:
        """Read the memory of each server alone, after the GET runs; shared pages are not halved by a rival."""
        gets = self.plan.memory_runs()
        for server in self._random.sample(list(self.plan.servers), len(self.plan.servers)):
            runs = [scenario for scenario in gets if (server.id, scenario.id) in self._sizes]
            if not runs:
                self.progress.skip(1 if gets else 0)
                continue
            try:
                self._memory_of(server, runs)
            except (LoadFailed, ServerFailed) as error:
                self.progress.say(f"memory: {server.title}: {error}")
            self.progress.step(f"memory: {server.title}")

    def _memory_of(self, server: Server, runs: list[Scenario]) -> None:
        with ExitStack() as running:
            target = self._start(server, runs[0].app, running)
            for scenario in runs:
                self._once(0, target, scenario, self._sizes[server.id, scenario.id])
            time.sleep(SETTLE_SECONDS)
            before = self.table.memory[server.id] = memory(target.process.pid)
            if self.plan.soak and server.id == KERNEL:
                failed = sum(self._soak(target, scenario) for scenario in runs if scenario.id in SOAK)
                time.sleep(SETTLE_SECONDS)
                self.table.soaked[server.id] = (before, memory(target.process.pid), failed)

    def _soak(self, target: Target, scenario: Scenario) -> int:
        """Put the soak's requests to the server in this scenario; return how many failed."""
        self.progress.say(f"soak: {self.plan.soak:,} requests, {scenario.heading}")
        argv = self._argv(target, scenario, requests=scenario.sized(self.plan.soak, 1))
        return self.loads.run(argv, TIMEOUT_SECONDS + self.plan.soak / SLOWEST_RATE).failed
