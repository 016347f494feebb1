"""The command: `python -m bench`, what it is given, where it goes, and how it ends.

Exit 0: measured. 1: ours was asked for and failed a run or gave a wrong body, or (--strict) a bar is not met.
2: the options are wrong. 5: something that is needed cannot be had here. 130: interrupted.
"""

from __future__ import annotations

import argparse
import random
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench import machine, place, report, scenarios, servers
from bench.bars import judge
from bench.progress import Progress
from bench.release import ReleaseError, missing
from bench.runner import Bench, Plan

RESULTS = place.ROOT / "build" / "bench"
MILLION = 1_000_000


def say(text: str) -> None:
    """Tell the user what is going on."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    scenario_ids = [scenario.id for scenario in scenarios.SCENARIOS]
    server_ids = [server.id for server in servers.SERVERS]
    parser.add_argument("--quick", action="store_true", help="fewer scenarios, servers and rounds: two minutes")
    parser.add_argument("--scenario", action="append", choices=scenario_ids, help="only this one; may be repeated")
    parser.add_argument("--server", action="append", choices=server_ids, help="only this one; may be repeated")
    parser.add_argument("--rounds", type=_positive, help="measured runs of each pair (5; quick 3)")
    parser.add_argument("--seconds", type=float, help="duration of a run (2; quick 0.8)")
    parser.add_argument("--seed", type=int, help="of the random order")
    parser.add_argument(
        "--cores", choices=("one", "all"), default="all",
        help="all: only h2load is held, the server goes where it likes (default); one: each server is held on one core",
    )
    parser.add_argument(
        "--soak", type=_positive, nargs="?", const=MILLION, default=0, metavar="N",
        help="then put N requests (a million) to the kernel and compare its memory",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="copy the report here")
    parser.add_argument("--strict", action="store_true", help="exit 1 if a bar is not met")
    parser.add_argument(
        "--place", choices=("auto", "here", "release"), default="auto",
        help="here: this machine's Python; release: Debian testing in a folder; auto: where the programs are newest",
    )
    parser.add_argument("--venv", type=Path, help="the venv that is measured")
    chosen = parser.parse_args(argv)
    if chosen.seconds is not None and chosen.seconds <= 0:
        parser.error("--seconds must be more than 0")
    return chosen


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def goes_elsewhere(chosen: argparse.Namespace) -> bool:
    """Decide whether to run inside the release, and say why."""
    if chosen.place != "auto":
        return bool(chosen.place == "release")
    python = machine.python_facts(Path(sys.executable))
    lack = machine.own_shortcoming(python, machine.nghttp2_tools())
    if not lack:
        return False
    hindrance = missing()
    if hindrance:
        say(f"{lack}; Debian {place.RELEASE} would be newer, but {hindrance}: measuring here")
        return False
    say(f"{lack}: measuring in Debian {place.RELEASE}")
    return True


def passed_on(chosen: argparse.Namespace) -> list[str]:
    """Return the options that the benchmark inside the release is given."""
    argv = [f"--seed={chosen.seed}", f"--cores={chosen.cores}"]
    argv += [f"--scenario={each}" for each in chosen.scenario or ()]
    argv += [f"--server={each}" for each in chosen.server or ()]
    argv += [f"--{name}={getattr(chosen, name)}" for name in ("rounds", "seconds", "soak") if getattr(chosen, name)]
    return argv + [f"--{name}" for name in ("quick", "strict") if getattr(chosen, name)]


def planned(chosen: argparse.Namespace, bin_dir: Path) -> Plan:
    """Turn the options into a plan."""
    ids = chosen.scenario or (scenarios.QUICK if chosen.quick else [each.id for each in scenarios.SCENARIOS])
    rivals = chosen.server or (servers.QUICK if chosen.quick else [each.id for each in servers.SERVERS])
    return Plan(
        scenarios=scenarios.named(list(ids)),
        servers=servers.named(list(rivals)),
        rounds=chosen.rounds or (3 if chosen.quick else 5),
        seconds=chosen.seconds or (0.8 if chosen.quick else 2.0),
        seed=chosen.seed,
        cores=chosen.cores,
        soak=chosen.soak,
        bin_dir=bin_dir,
        work=RESULTS / "run",
    )


def header(facts: dict[str, Any], plan: Plan) -> str:
    """Return the lines that say what the figures will be made on."""
    python, computer = facts["python"], facts["machine"]
    packages = " ".join(f"{name} {version}" for name, version in python["packages"].items())
    return "\n".join([
        f"machine    {computer['cpu']}, {computer['cores']} cores, {computer['system']}, Linux {computer['kernel']}",
        f"python     {python['version']}, {python['compiler']}; {facts['built']}",
        f"           {python['config_args']}",
        f"packages   {packages}",
        f"nghttp2    h2load {facts['nghttp2']['h2load']}, nghttpd {facts['nghttp2']['nghttpd']}",
        *(f"appserver  {line}" for line in facts["appserver"].splitlines()),
        f"compiled   {facts['kernel_compiled'] or 'the kernel is not built'}",
        f"commit     {facts['commit']}, seed {plan.seed}, {plan.rounds} rounds of {plan.seconds:g} s",
        f"cores      {report.CORES[plan.cores]}",
    ])


def measure(chosen: argparse.Namespace) -> int:
    """Run the benchmark in this interpreter's place."""
    tools = machine.nghttp2_tools()
    absent = [name for name in ("h2load", "curl", "taskset") if shutil.which(name) is None]
    if absent or not tools["h2load"]:
        say(f"{', '.join(absent)} missing: apt-get install --no-install-recommends nghttp2-client curl util-linux")
        return 5
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    venv = (chosen.venv or RESULTS / f"venv-{version}").absolute()
    ready = place.prepare(venv, RESULTS / "run", say)
    plan = planned(chosen, ready.bin_dir)
    facts = machine.facts(ready.bin_dir / "python", place.ROOT, ready.compiled)
    print(header(facts, plan), flush=True)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    bench = Bench(plan, Progress(Bench.steps(plan)))
    try:
        bench.run()
    finally:
        bench.progress.close()
    print("\n" + "\n".join(f"$ {shlex.join(argv)}" for argv in bench.commands.values()))
    print("\n" + report.tables(plan, bench.table))
    report.write(RESULTS, bench, facts, started)
    print(f"\nreport.json, report.txt and chart.svg are in {RESULTS.relative_to(place.ROOT)}", flush=True)
    return ended(bench, chosen.strict)


def ended(bench: Bench, strict: bool) -> int:
    """Return the exit code: failures of ours always count, bars with --strict."""
    *bars, failures = judge(bench.table)
    ours_failed = failures.met is False or any(
        cell.problem for (server, _), cell in bench.table.figures.items() if server in servers.OURS
    )
    return 1 if ours_failed or (strict and any(bar.met is False for bar in bars)) else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark, here or in the release."""
    chosen = options(argv)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if chosen.seed is None:
        chosen.seed = random.randrange(1, 1_000_000)
    try:
        code = place.enter(passed_on(chosen), say) if goes_elsewhere(chosen) else measure(chosen)
    except (ReleaseError, place.PlaceError) as error:
        say(str(error))
        return 5
    except KeyboardInterrupt:
        say("stopped; nothing is left running")
        return 130
    if chosen.json and code in (0, 1):
        chosen.json.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(RESULTS / "report.json", chosen.json)
    return code


if __name__ == "__main__":
    sys.exit(main())
