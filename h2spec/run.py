"""The command: `python -m h2spec.run`, which runs h2spec and judges it by the waivers.

Exit 0: the failing set equals the waivers, for every target. 1: it does not, or a server did not start.
2: the options or waivers.toml are wrong. 5: h2spec is missing and cannot be built.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from bench.process import ServerFailed, ServerProcess
from h2spec.app import BODY
from h2spec.install import Missing, install
from h2spec.junit import Case, Unreadable, read
from h2spec.target import CONTROLS, ENGINES, HERE, Target, control, elsewhere, engine
from h2spec.waivers import BadWaiver, Waiver, compare, load

ROOT = HERE.parent
RESULTS = ROOT / "build" / "h2spec"
TOOLS = ROOT / "build" / "tools"
RUN_SECONDS = 240
CASE_SECONDS = 2
MARKS = {"passed": "ok", "failed": "FAILED", "skipped": "SKIPPED"}


@dataclass(slots=True)
class Outcome:
    """What came of one target: its cases and all that is wrong with them."""

    target: Target
    cases: list[Case] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    waived: list[Waiver] = field(default_factory=list)

    @property
    def passed(self) -> int:
        """How many cases passed."""
        return sum(case.ok for case in self.cases)


def say(text: str) -> None:
    """Tell the user what is going on."""
    print(f"h2spec: {text}", file=sys.stderr, flush=True)


def options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m h2spec.run", description=__doc__.splitlines()[0])
    parser.add_argument("--engine", action="append", choices=ENGINES, help="appserver with this engine (default: both)")
    parser.add_argument("--tls", action="store_true", help="the engines over TLS (default: the first over TLS too)")
    parser.add_argument("--server", action="append", choices=sorted(CONTROLS), help="another server, as control")
    parser.add_argument("--target", action="append", metavar="HOST:PORT", help="what listens there")
    parser.add_argument("--waivers", type=Path, default=HERE / "waivers.toml", help="the waivers to judge by")
    parser.add_argument("spec", nargs="*", help="only these sections, such as http2/5.1; the waivers are not judged")
    return parser.parse_args(argv)


def targets(chosen: argparse.Namespace) -> list[Target]:
    """Return whom to judge."""
    names = chosen.engine or ([] if chosen.server or chosen.target else list(ENGINES))
    www = RESULTS / "www"
    if "nghttpd" in (chosen.server or ()):
        www.mkdir(parents=True, exist_ok=True)
        (www / "index.html").write_bytes(BODY)
    secure = names if chosen.tls else [] if chosen.engine else names[:1]
    found = [] if chosen.tls else [engine(name) for name in names]
    if secure:
        folder = RESULTS / "tls"
        folder.mkdir(parents=True, exist_ok=True)
        found += [engine(name, folder) for name in secure]
    found += [control(name, www) for name in chosen.server or ()]
    return found + [elsewhere(address) for address in chosen.target or ()]


def judge(program: Path, target: Target, waivers: Sequence[Waiver], spec: Sequence[str]) -> Outcome:
    """Start the target, run h2spec, compare."""
    outcome = Outcome(target, waived=[each for each in waivers if each.applies(target.engine, target.nghttp2)])
    try:
        if target.argv:
            log = RESULTS / f"{target.name}.log"
            with ServerProcess(target.argv, target.port, HERE, log) as server:
                outcome.cases = run(program, target, spec)
                server.must_live()
            outcome.complaints += _tracebacks(log)
        else:
            outcome.cases = run(program, target, spec)
    except (ServerFailed, Unreadable) as error:
        outcome.complaints.append(str(error))
        return outcome
    if not spec:
        outcome.complaints += compare(outcome.cases, waivers, target.engine, target.nghttp2).complaints
    return outcome


def run(program: Path, target: Target, spec: Sequence[str]) -> list[Case]:
    """Run h2spec, strict cases included, and read its report."""
    report = RESULTS / f"{target.name}.xml"
    report.unlink(missing_ok=True)
    argv = [str(program), *spec, "-h", target.host, "-p", str(target.port), "-S", "-o", str(CASE_SECONDS),
            "-j", str(report), *(["-t", "-k"] if target.tls else [])]
    say(f"{target.name}: {' '.join(target.argv) or f'{target.host}:{target.port}'}")
    with (RESULTS / f"{target.name}.txt").open("wb") as out:
        try:
            subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=RUN_SECONDS, check=False)
        except subprocess.TimeoutExpired as error:
            raise Unreadable(f"h2spec was not through after {RUN_SECONDS} s") from error
    return read(report)


def _tracebacks(log: Path) -> list[str]:
    count = log.read_text(errors="replace").count("Traceback (most recent call last)")
    return [f"the server logged {count} tracebacks (see {log.relative_to(ROOT)})"] if count else []


def table(outcomes: Sequence[Outcome]) -> str:
    """Return every case with its verdict for each target, under the section it belongs to."""
    verdicts = {outcome.target.name: {case.id: case for case in outcome.cases} for outcome in outcomes}
    cases = {case.id: case for outcome in outcomes for case in outcome.cases}
    wide = max((len(name) for name in cases), default=4)
    columns = [(name, max(len(name), len("SKIPPED"))) for name in verdicts]
    lines = ["  ".join(["case".ljust(wide), *(name.ljust(width) for name, width in columns), "title"])]
    section = ""
    for case in cases.values():
        if case.section != section:
            section = case.section
            lines.append(f"-- {case.id.partition('/')[0]} {section}")
        marks = [_mark(verdicts[name].get(case.id)).ljust(width) for name, width in columns]
        lines.append("  ".join([case.id.ljust(wide), *marks, case.title]))
    return "\n".join(lines)


def _mark(case: Case | None) -> str:
    return "-" if case is None else MARKS[case.verdict]


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return one line for each target, and what is wrong with it."""
    lines = []
    for outcome in outcomes:
        nghttp2 = f", libnghttp2 {outcome.target.nghttp2}" if outcome.target.nghttp2 else ""
        verdict = "as waived" if not outcome.complaints else "NOT as waived"
        lines.append(
            f"{outcome.target.name}{nghttp2}: {outcome.passed} of {len(outcome.cases)} passed,"
            f" {len(outcome.waived)} waived: {verdict}"
        )
        lines += [f"  waived {each.case}, RFC 9113 {each.rfc9113}: {each.reason}" for each in outcome.waived]
        lines += [f"  {complaint}" for complaint in outcome.complaints]
        lines += [f"  {case.id}: {case.detail}" for case in outcome.cases if not case.ok]
    return "\n".join(lines)


def write(outcomes: Sequence[Outcome], version: str) -> None:
    """Write report.json."""
    document = {
        "format": 1, "h2spec": version,
        "targets": [
            {
                "name": outcome.target.name, "argv": outcome.target.argv, "nghttp2": outcome.target.nghttp2,
                "passed": outcome.passed, "complaints": outcome.complaints,
                "waived": [each.case for each in outcome.waived], "cases": [asdict(case) for case in outcome.cases],
            }
            for outcome in outcomes
        ],
    }
    (RESULTS / "report.json").write_text(json.dumps(document, indent=1) + "\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run h2spec against every target."""
    chosen = options(argv)
    RESULTS.mkdir(parents=True, exist_ok=True)
    try:
        waivers = load(chosen.waivers)
        whom = targets(chosen)
        program, version = install(TOOLS, say)
    except Missing as error:
        say(str(error))
        return 5
    except (BadWaiver, ValueError, OSError) as error:
        say(str(error))
        return 2
    try:
        outcomes = [judge(program, target, waivers, chosen.spec) for target in whom]
    except KeyboardInterrupt:
        say("stopped; nothing is left running")
        return 130
    print(table(outcomes))
    print(f"\nh2spec {version}\n{summary(outcomes)}", flush=True)
    write(outcomes, version)
    return 1 if any(outcome.complaints for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
