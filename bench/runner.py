"""The measuring itself: start, check, calibrate, then interleaved rounds; memory and soak at the end."""

from __future__ import annotations

import os
import random
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from bench import bodies, h2load
from bench.figures import Run, Table
from bench.process import ServerFailed, ServerProcess, cpu_seconds, free_port, memory
from bench.progress import Progress
from bench.scenarios import GET_RUNS, POST_BODY, Scenario
from bench.servers import KERNEL, Server

__all__ = ["Bench", "Plan"]

CALIBRATION_MS = 400
SETTLE_SECONDS = 0.5
PATIENCE = 6
"""A run may last so many times its planned duration, and ten seconds, before it is ended."""

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be measured, and how. `cores` is "one" (a server is held on one core) or "all"."""

    scenarios: Sequence[Scenario]
    servers: Sequence[Server]
    rounds: int
    seconds: float
    seed: int
    cores: str
    soak: int
    bin_dir: Path
    work: Path

    def pins(self) -> tuple[list[str], list[str]]:
        """Return the argv prefixes that hold the server and h2load on their cores."""
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            return [], []
        server = ["taskset", "-c", str(cores[0])] if self.cores == "one" else []
        return server, ["taskset", "-c", str(cores[-1])]

    def groups(self) -> list[tuple[str, list[Scenario]]]:
        """Return the scenarios by application: one server process is put through each group."""
        return [(app, list(group)) for app, group in groupby(self.scenarios, lambda scenario: scenario.app)]


@dataclass(slots=True)
class Bench:
    """One benchmark under way."""

    plan: Plan
    progress: Progress
    table: Table = field(default_factory=Table)
    commands: dict[str, list[str]] = field(default_factory=dict)
    """The argv of every server, by "server app", and of h2load, by scenario."""
    _sizes: dict[tuple[str, str], int] = field(default_factory=dict)
    _random: random.Random = field(default_factory=random.Random)

    def run(self) -> Table:
        """Measure everything."""
        self._random.seed(self.plan.seed)
        self._lay_out()
        for app, scenarios in self.plan.groups():
            self._group(app, scenarios)
        self._memory()
        return self.table

    @staticmethod
    def steps(plan: Plan) -> int:
        """Return how many steps the progress will show."""
        pairs = sum(server.serves(scenario) for server in plan.servers for scenario in plan.scenarios)
        gets = any(scenario.id in GET_RUNS for scenario in plan.scenarios)
        return pairs * (plan.rounds + 1) + (len(plan.servers) if gets else 0)

    def _lay_out(self) -> None:
        """Make the folder the servers run in: the applications, the files of nghttpd, and nothing to shadow a wheel."""
        work = self.plan.work
        work.mkdir(parents=True, exist_ok=True)
        for name in ("apps.py", "starlette_app.py"):
            shutil.copyfile(HERE / name, work / name)
        (work / "post.bin").write_bytes(POST_BODY)
        for app, scenarios in self.plan.groups():
            folder = self._www(app)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "index.html").write_bytes(scenarios[0].answer)

    def _www(self, app: str) -> Path:
        return self.plan.work / "www" / app.replace(":", "-")

    def _server(self, server: Server, app: str) -> ServerProcess:
        port = free_port()
        pin, _ = self.plan.pins()
        argv = [*pin, *server.argv(self.plan.bin_dir, app, port, self._www(app))]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        log = self.plan.work / f"{server.id}-{app.replace(':', '-')}.log"
        return ServerProcess(argv, port, self.plan.work, log, environment)

    def _group(self, app: str, scenarios: list[Scenario]) -> None:
        with ExitStack() as running:
            ready: list[tuple[Server, ServerProcess, Scenario]] = []
            for server in self.plan.servers:
                served = [scenario for scenario in scenarios if server.serves(scenario)]
                process = self._server(server, app)
                if served and self._starts(server, process, served, running):
                    fit = [scenario for scenario in served if self._fit(server, process, scenario)]
                    ready += [(server, process, scenario) for scenario in fit]
            for number in range(1, self.plan.rounds + 1):
                self._round(number, ready)

    def _starts(self, server: Server, process: ServerProcess, served: list[Scenario], running: ExitStack) -> bool:
        try:
            running.enter_context(process)
        except ServerFailed as error:
            self.progress.say(f"{server.title}: {error}")
            self.progress.skip(len(served) * (self.plan.rounds + 1))
            for scenario in served:
                self.table.cell(server.id, scenario.id).problem = str(error)
            return False
        self.commands[f"{server.id} {served[0].app}"] = process.argv
        return True

    def _give_up(self, server: Server, scenario: Scenario, problem: str, steps: int) -> None:
        self.table.cell(server.id, scenario.id).problem = problem
        self.progress.skip(steps)
        self.progress.say(f"{scenario.id}: {server.title}: {problem}")

    def _fit(self, server: Server, process: ServerProcess, scenario: Scenario) -> bool:
        """Check one answer and find out how many requests make a run."""
        url = f"http://127.0.0.1:{process.port}/"
        work = self.plan.work
        problem = bodies.wrong_answer(scenario, url, work / "post.bin", work / "answer.bin")
        if not problem:
            try:
                self._sizes[server.id, scenario.id] = self._calibrate(process, scenario)
            except h2load.LoadFailed as error:
                problem = str(error)
        if problem:
            self._give_up(server, scenario, problem, self.plan.rounds + 1)
            return False
        self.progress.step(f"{scenario.id} warm-up: {server.title}")
        return True

    def _calibrate(self, process: ServerProcess, scenario: Scenario) -> int:
        argv = self._load(process, scenario, 1)
        counts = h2load.run([*argv[:-1], "-D", f"{CALIBRATION_MS}ms", argv[-1]], 10)
        if counts.rate <= 0:
            raise h2load.LoadFailed("no request was answered in the warm-up")
        return scenario.sized(counts.rate, self.plan.seconds)

    def _load(self, process: ServerProcess, scenario: Scenario, requests: int) -> list[str]:
        _, pin = self.plan.pins()
        body = str(self.plan.work / "post.bin") if scenario.post else ""
        url = f"http://127.0.0.1:{process.port}/"
        load = h2load.arguments(
            url, requests, scenario.clients, scenario.streams, http1=scenario.http1, body=body
        )
        return [*pin, *load]

    def _round(self, number: int, ready: list[tuple[Server, ServerProcess, Scenario]]) -> None:
        """Measure every pair once: scenarios in random order, and the servers of each in random order."""
        scenarios = list({scenario.id: scenario for _, _, scenario in ready}.values())
        for scenario in self._random.sample(scenarios, len(scenarios)):
            rivals = [(server, process) for server, process, wanted in ready if wanted is scenario]
            for server, process in self._random.sample(rivals, len(rivals)):
                self._measure(number, server, process, scenario)

    def _measure(self, number: int, server: Server, process: ServerProcess, scenario: Scenario) -> None:
        cell = self.table.cell(server.id, scenario.id)
        if cell.problem:
            self.progress.skip(1)
            return
        try:
            run = self._once(number, process, scenario, self._sizes[server.id, scenario.id])
        except (h2load.LoadFailed, ServerFailed) as error:
            self._give_up(server, scenario, str(error), 1)
            return
        cell.runs.append(run)
        self.progress.step(f"{scenario.id} round {number}: {server.title} {run.rate:,.0f}/s")

    def _once(self, number: int, process: ServerProcess, scenario: Scenario, requests: int) -> Run:
        process.must_live()
        argv = self._load(process, scenario, requests)
        self.commands[scenario.id] = argv
        before = cpu_seconds(process.pid)
        counts = h2load.run(argv, PATIENCE * self.plan.seconds + 10)
        used = cpu_seconds(process.pid) - before
        process.must_live()
        wrong = not counts.failed and counts.data != counts.ok * len(scenario.answer)
        rate = counts.ok / counts.seconds if counts.seconds else 0.0
        return Run(number, counts.total, counts.seconds, rate, used, counts.failed, wrong)

    def _memory(self) -> None:
        """Read the memory of each server alone, after the GET runs; shared pages are not halved by a rival."""
        gets = [scenario for scenario in self.plan.scenarios if scenario.id in GET_RUNS]
        for server in self._random.sample(list(self.plan.servers), len(self.plan.servers)):
            runs = [scenario for scenario in gets if (server.id, scenario.id) in self._sizes]
            if not runs:
                self.progress.skip(1 if gets else 0)
                continue
            try:
                self._memory_of(server, runs)
            except (h2load.LoadFailed, ServerFailed) as error:
                self.progress.say(f"memory: {server.title}: {error}")
            self.progress.step(f"memory: {server.title}")

    def _memory_of(self, server: Server, runs: list[Scenario]) -> None:
        with self._server(server, runs[0].app) as process:
            for scenario in runs:
                self._once(0, process, scenario, self._sizes[server.id, scenario.id])
            time.sleep(SETTLE_SECONDS)
            before = self.table.memory[server.id] = memory(process.pid)
            if self.plan.soak and server.id == KERNEL:
                failed = sum(self._soak(process, scenario) for scenario in runs)
                time.sleep(SETTLE_SECONDS)
                self.table.soaked[server.id] = (before, memory(process.pid), failed)

    def _soak(self, process: ServerProcess, scenario: Scenario) -> int:
        """Put the soak's requests in one scenario of each protocol, the busiest; return how many failed."""
        if scenario.id not in ("h2-c16-m16", "h1-c64"):
            return 0
        self.progress.say(f"soak: {self.plan.soak:,} requests, {scenario.title}")
        requests = scenario.sized(self.plan.soak, 1)
        return h2load.run(self._load(process, scenario, requests), 60 + self.plan.soak / 1000).failed
