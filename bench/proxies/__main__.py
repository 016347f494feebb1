"""The command: `python -m bench.proxies [PROXY ...]`, a rendered configuration beside a minimal one of the same proxy.

Exit 0: measured. 1: a request failed, or (--strict) a rendered configuration costs more than the bar. 5: something that is
needed cannot be had here.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from bench import loadgen
from bench.process import ServerFailed, ServerProcess, free_port
from bench.proxies.contest import FOLDER, Contest, Result, by_hand, protocol, rendered
from bench.release import ReleaseError
from proxyconf.proxies.registry import names
from tools.proxies import BUILDS, ensure

BAR = 1.05
"""A rendered configuration may cost so much of a minimal one."""
CONFIGURATIONS = ("bare", "minimal", "rendered")
ROOT = FOLDER.parent.parent


def options(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    known = list(names())
    parser = argparse.ArgumentParser(prog="python -m bench.proxies", description=__doc__.splitlines()[0])
    parser.add_argument("proxies", nargs="*", metavar="PROXY", help=f"which (all): {', '.join(known)}")
    parser.add_argument("--rounds", type=int, default=5, help="measured runs of each configuration (5)")
    parser.add_argument("--seconds", type=float, default=1.0, help="duration of a run (1)")
    parser.add_argument("--seed", type=int, help="of the random order")
    parser.add_argument("--strict", action="store_true", help=f"exit 1 if one costs more than {BAR:g} of the minimal one's CPU time")
    chosen = parser.parse_args(argv)
    if unknown := set(chosen.proxies) - set(known):
        parser.error(f"no proxy {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    chosen.proxies = chosen.proxies or known
    chosen.seed = chosen.seed if chosen.seed is not None else random.randrange(1, 1_000_000)
    return chosen


def program(name: str) -> Path:
    """Return the newest program of a proxy that can be had."""
    return ensure(next(build for build in BUILDS if build.proxy == name))


def line(name: str, found: Mapping[str, Result]) -> str:
    """Return a row of the table."""
    results = [found[label] for label in CONFIGURATIONS]
    rates = [f"{one.rate:.0f}" for one in results]
    costs = [f"{one.cpu_each * 1e6:.1f}" for one in results]
    rate, cost = found["rendered"].rate_beside(found["minimal"]), _cost(found)
    cells = [protocol(name), *rates, f"{rate:.2f}", *costs, f"{cost:.2f}"]
    return f"{name:10}" + "".join(f"{cell:>10}" for cell in cells) + ("" if cost <= BAR else "   over the bar")


def _cost(found: Mapping[str, Result]) -> float:
    return found["rendered"].cost_beside(found["minimal"])


def main(argv: Sequence[str] | None = None) -> int:
    """Measure."""
    chosen = options(argv)
    generator = ["taskset", "-c", "0", str(loadgen.build(ROOT / "build" / "bench"))]
    port = free_port()
    origin = [sys.executable, "-m", "appserver", "bench.apps:hello", "--bind", f"127.0.0.1:{port}"]
    print(f"seed {chosen.seed}, {chosen.rounds} rounds of {chosen.seconds:g} s; HTTP/1.1 in, every head new")
    print(" " * 20 + f"{'requests per second':>40}{'CPU microseconds per request':>40}")
    print(f"{'':10}{'hop':>10}" + "".join(f"{cell:>10}" for cell in (*CONFIGURATIONS, "ratio") * 2), flush=True)
    worst, failed = 0.0, 0
    try:
        with tempfile.TemporaryDirectory() as folder, ServerProcess(origin, port, ROOT, Path(folder) / "origin.log"):
            for name in chosen.proxies:
                path = program(name)
                contest = Contest(name, path, port, generator, chosen.seconds)
                made = {"rendered": partial(rendered, name, path)}
                made |= {label: partial(by_hand, label, name) for label in CONFIGURATIONS if label not in made}
                found = contest.run(made, chosen.rounds, chosen.seed)
                print(line(name, found), flush=True)
                worst = max(worst, _cost(found))
                failed += sum(one.failed for one in found.values())
    except (ReleaseError, ServerFailed, subprocess.CalledProcessError, loadgen.BuildFailed) as error:
        print(f"bench.proxies: {error}", file=sys.stderr)
        return 5
    if failed:
        print(f"{failed} requests failed", file=sys.stderr)
    return 1 if failed or (chosen.strict and worst > BAR) else 0


if __name__ == "__main__":
    sys.exit(main())
