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

from bench import checkouts, heads, loadgen, machine, place, report, scenarios, servers
from bench.bars import judge
from bench.hop import HOPS
from bench.load import LoadFailed
from bench.progress import Progress
from bench.release import ReleaseError, missing
from bench.runner import Bench, Plan

RESULTS = place.ROOT / "build" / "bench"
CHECKOUTS = RESULTS / "checkouts"
MILLION = 1_000_000
KEPT_CHECKOUTS = 6


def say(text: str) -> None:
    """Tell the user what is going on."""
    print(f"bench: {text}", file=sys.stderr, flush=True)


def options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    scenario_ids = [scenario.id for scenario in (*scenarios.SCENARIOS, *scenarios.HOP_SCENARIOS)]
    parser.add_argument("--quick", action="store_true", help="fewer scenarios, servers and rounds: two minutes")
    parser.add_argument("--scenario", action="append", choices=scenario_ids, help="only this one; may be repeated")
    parser.add_argument(
        "--server", action="append", type=_server, metavar="ID",
        help="only this one; may be repeated; kernel@REF is our kernel at another commit, or in the checkout in a folder"
        f" ({', '.join(server.id for server in servers.SERVERS)})",
    )
    parser.add_argument("--hop", choices=HOPS, help="through this proxy, its configuration rendered by proxyconf")
    parser.add_argument("--rounds", type=_positive, help="measured runs of each pair (5; quick 3)")
    parser.add_argument(
        "--latency-rounds", type=_count, metavar="N", help="runs of each pair at a fixed rate (2; quick 1; 0: none)"
    )
    parser.add_argument(
        "--rate", type=_positive, metavar="N", help="that fixed rate, in requests per second (half of the slowest server's)"
    )
    parser.add_argument("--seconds", type=float, help="duration of a run (2; quick 0.8)")
    parser.add_argument("--seed", type=int, help="of the random order")
    parser.add_argument(
        "--cores", choices=("one", "all"), default="all",
        help="all: only the load is held, the server goes where it likes (default); one: each server is held on one core",
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
    through = [each for each in chosen.scenario or () if scenarios.named([each])[0] in scenarios.HOP_SCENARIOS]
    if through and not chosen.hop:
        parser.error(f"--scenario {through[0]} goes through a proxy: --hop {HOPS[0]}")
    if chosen.hop and len(through) != len(chosen.scenario or ()):
        parser.error(f"--hop has scenarios of its own: {', '.join(each.id for each in scenarios.HOP_SCENARIOS)}")
    return chosen


def _server(text: str) -> str:
    known = [server.id for server in servers.SERVERS]
    if text not in known and not text.startswith(checkouts.PREFIX):
        raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(known)}, {checkouts.PREFIX}REF")
    return text


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is less than 0")
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
    argv += [f"--server={_inside(each)}" for each in chosen.server or ()]
    argv += [f"--{name}={getattr(chosen, name)}" for name in ("rounds", "seconds", "rate", "soak", "hop") if getattr(chosen, name)]
    argv += [f"--latency-rounds={chosen.latency_rounds}"] if chosen.latency_rounds is not None else []
    return argv + [f"--{name}" for name in ("quick", "strict") if getattr(chosen, name)]


def _inside(server: str) -> str:
    """Return a server as it is named in the release, where this checkout is elsewhere."""
    return server.replace(f"{checkouts.PREFIX}{place.ROOT}/", f"{checkouts.PREFIX}{place.INNER_SOURCE}/")


def planned(chosen: argparse.Namespace, bin_dir: Path, program: Path, others: Sequence[servers.Server] = ()) -> Plan:
    """Turn the options into a plan; `others` are our kernel in other checkouts."""
    choice = scenarios.HOP_SCENARIOS if chosen.hop else scenarios.SCENARIOS
    every = [each.id for each in choice]
    ids = chosen.scenario or ([each for each in every if each in scenarios.QUICK] if chosen.quick else every)
    rivals = chosen.server or (servers.QUICK if chosen.quick else [each.id for each in servers.SERVERS])
    return Plan(
        scenarios=scenarios.named(list(ids)),
        servers=[*others, *servers.named(list(rivals))],
        rounds=chosen.rounds or (3 if chosen.quick else 5),
        seconds=chosen.seconds or (0.8 if chosen.quick else 2.0),
        seed=chosen.seed,
        cores=chosen.cores,
        soak=chosen.soak,
        bin_dir=bin_dir,
        work=RESULTS / "run",
        loadgen=program,
        latency_rounds=(1 if chosen.quick else 2) if chosen.latency_rounds is None else chosen.latency_rounds,
        rate=chosen.rate or 0,
        hop=chosen.hop or "",
    )


def resolved(chosen: argparse.Namespace) -> None:
    """Replace the commits and checkouts among the servers by folders with their sources."""
    for number, server in enumerate(chosen.server or ()):
        if server.startswith(checkouts.PREFIX):
            reference = server.removeprefix(checkouts.PREFIX)
            chosen.server[number] = f"{checkouts.PREFIX}{checkouts.resolve(reference, place.ROOT, CHECKOUTS)}"


def installed(chosen: argparse.Namespace, venv: Path) -> list[servers.Server]:
    """Install our kernel of each other checkout in a venv of its own."""
    found = []
    for server in chosen.server or ():
        if server.startswith(checkouts.PREFIX):
            source = Path(server.removeprefix(checkouts.PREFIX))
            bin_dir = place.prepare_checkout(source, venv.with_name(f"{venv.name}-{source.name}"), RESULTS / "run", say)
            found.append(servers.kernel_at(source.name, bin_dir))
    place.prune(venv, keep=max(KEPT_CHECKOUTS, len(found)))
    return found


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
        f"commit     {facts['commit']}, seed {plan.seed}, {plan.rounds} rounds of {plan.seconds:g} s,"
        f" {plan.latency_rounds} at a fixed rate",
        *([f"hop        {plan.hop}, configured by proxyconf"] if plan.hop else []),
        f"cores      {report.CORES[plan.cores]}",
    ])


def measure(chosen: argparse.Namespace) -> int:
    """Run the benchmark in this interpreter's place."""
    tools = machine.nghttp2_tools()
    absent = [name for name in ("h2load", "curl", "taskset", "openssl") if shutil.which(name) is None]
    if absent or not tools["h2load"]:
        say(f"{', '.join(absent)} missing: apt-get install --no-install-recommends nghttp2-client curl util-linux openssl")
        return 5
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    venv = (chosen.venv or RESULTS / f"venv-{version}").absolute()
    program = loadgen.build(RESULTS)
    ready = place.prepare(venv, RESULTS / "run", say, hop=bool(chosen.hop))
    plan = planned(chosen, ready.bin_dir, program, installed(chosen, venv))
    facts = machine.facts(ready.bin_dir / "python", place.ROOT, ready.compiled)
    print(header(facts, plan), flush=True)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    bench = Bench(plan, Progress(Bench.steps(plan)))
    facts["heads"] = heads.check(plan.scenarios, bench.loads, ready.bin_dir / "python", place.ROOT, RESULTS / "run")
    for scenario, recorded in facts["heads"].items():
        print(f"heads      {scenario}: {heads.described(recorded)}", flush=True)
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
        cell.problem for (server, _), cell in bench.table.figures.items() if servers.is_ours(server)
    )
    return 1 if ours_failed or (strict and any(bar.met is False for bar in bars)) else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark, here or in the release."""
    chosen = options(argv)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if chosen.seed is None:
        chosen.seed = random.randrange(1, 1_000_000)
    try:
        resolved(chosen)
        code = place.enter(passed_on(chosen), say) if goes_elsewhere(chosen) else measure(chosen)
    except checkouts.CheckoutFailed as error:
        say(str(error))
        return 2
    except (ReleaseError, place.PlaceError, loadgen.BuildFailed, LoadFailed) as error:
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
