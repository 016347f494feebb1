"""Run Autobahn's fuzzing client against the server, over HTTP/1.1 and through a tunnel of HTTP/2 (RFC 8441).

    python -m tools.autobahn               both ways; 0 failed, or exit 1
    python -m tools.autobahn --way http1 1.* 7.*

The suite is Python 2: it is installed into a folder of its own, build/tools/autobahn, on an interpreter that is looked
for on PATH and under pyenv. For the tunnel HAProxy speaks HTTP/1.1 to the suite and HTTP/2 to the server.
Exit 5: the suite or HAProxy is missing and cannot be had. The reports are in build/autobahn.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.process import ServerFailed, ServerProcess, free_port

__all__ = ["CASES", "Missing", "main"]

ROOT = Path(__file__).resolve().parent.parent
SUITE = ROOT / "build" / "tools" / "autobahn"
REPORTS = ROOT / "build" / "autobahn"
REQUIREMENT = "autobahntestsuite==25.10.1"
RUN_SECONDS = 150
# Cases that are not OK are named, so many of them.
SHOWN = 20
WAYS = ("http1", "tunnel")
# Left out for their length, most of which is spent in the suite: of group 9, which is about speed, all but the first of
# each kind; of the 216 cases of groups 12 and 13 (compression, a thousand messages each) all but one of each kind.
QUICK = ("1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*")
COMPRESSED = (*(f"12.{kind}.1" for kind in range(1, 6)), *(f"13.{kind}.1" for kind in range(1, 8)))
CASES = {
    "http1": (*QUICK, "9.*.1", *COMPRESSED),
    "tunnel": (*QUICK, "9.1.1", "9.2.1", "12.1.1", "13.1.1", "13.4.1"),
}
GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")
HAPROXY = """\
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout tunnel 60s
frontend suite
    bind 127.0.0.1:{edge}
    default_backend server
backend server
    server server 127.0.0.1:{port} proto h2
"""


class Missing(Exception):
    """A program is not here, and cannot be had."""


def say(text: str) -> None:
    """Tell the user what is going on."""
    print(f"autobahn: {text}", file=sys.stderr, flush=True)


def python2() -> str:
    """Return a Python 2.7."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for candidate in (shutil.which("python2.7"), *map(str, sorted(pyenv.glob("versions/2.7.*/bin/python2.7"), reverse=True))):
        if candidate and subprocess.run([candidate, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
            return candidate
    raise Missing("no python2.7 with pip on PATH or under pyenv; the suite needs one: pyenv install 2.7.18")


def install(python: str) -> list[str]:
    """Return the argv of the suite's command, installed the first time."""
    command = SUITE / "bin" / "wstest"
    if not command.exists():
        say(f"installing {REQUIREMENT} into {SUITE.relative_to(ROOT)}")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--user", REQUIREMENT]
        done = subprocess.run(pip, env=_environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"{REQUIREMENT} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
    return [python, str(command)]


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONUSERBASE": str(SUITE), "PYTHONWARNINGS": "ignore"}


def haproxy() -> str:
    """Return a HAProxy: of build/proxies, or on PATH."""
    found = [*map(str, sorted((ROOT / "build" / "proxies" / "haproxy").glob("*/bin/haproxy"))), shutil.which("haproxy")]
    for program in found:
        if program:
            return program
    raise Missing("no haproxy; python -m tools.proxies haproxy gets one, as root on Debian")


def run(way: str, suite: Sequence[str], cases: Sequence[str]) -> dict[str, str]:
    """Return the verdict of each case."""
    folder = REPORTS / way
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    port = free_port()
    server = [sys.executable, "-m", "appserver", "apps:websocket_echo", "--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
    with ExitStack() as exits:
        exits.enter_context(ServerProcess(server, port, ROOT / "bench", folder / "server.log"))
        if way == "tunnel":
            edge = free_port()
            # A HAProxy of another release sees the temporary folder, and no other of this machine.
            config = Path(exits.enter_context(tempfile.TemporaryDirectory())) / "haproxy.cfg"
            config.write_text(HAPROXY.format(edge=edge, port=port), encoding="ascii")
            command = [haproxy(), "-f", str(config)]
            exits.enter_context(ServerProcess(command, edge, config.parent, folder / "haproxy.log"))
            port = edge
        spec = {
            "outdir": str(folder / "reports"), "servers": [{"agent": way, "url": f"ws://127.0.0.1:{port}"}],
            "cases": list(cases), "exclude-cases": [], "exclude-agent-cases": {},
        }  # fmt: skip
        (folder / "spec.json").write_text(json.dumps(spec), encoding="ascii")
        argv = [*suite, "-m", "fuzzingclient", "-s", str(folder / "spec.json")]
        with (folder / "suite.log").open("wb") as log:
            subprocess.run(argv, cwd=folder, env=_environment(), stdout=log, stderr=log, timeout=RUN_SECONDS, check=True)
    found = json.loads((folder / "reports" / "index.json").read_text(encoding="utf-8"))[way]
    return {case: _verdict(result["behavior"], result["behaviorClose"]) for case, result in found.items()}


def _verdict(behavior: str, closing: str) -> str:
    return closing if behavior in GOOD and closing not in GOOD else behavior


def judge(way: str, verdicts: dict[str, str], seconds: float) -> bool:
    """Print what came of it; tell whether nothing failed."""
    counts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(verdicts.values()).most_common())
    print(f"{way}: {len(verdicts)} cases in {seconds:.0f} s: {counts or 'none ran'}")
    odd = [f"  {case} {verdict}" for case, verdict in verdicts.items() if verdict not in ("OK", "INFORMATIONAL")]
    if odd:
        print("\n".join([*odd[:SHOWN], *([f"  ... and {len(odd) - SHOWN} more"] if len(odd) > SHOWN else [])]))
        print(f"  see {(REPORTS / way / 'reports').relative_to(ROOT)}")
    return bool(verdicts) and all(verdict in GOOD for verdict in verdicts.values())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.autobahn", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--way", action="append", choices=WAYS, help="only this way to the server")
    parser.add_argument("case", nargs="*", help="only these cases, such as 7.* or 12.1.1")
    chosen = parser.parse_args(argv)
    good = True
    try:
        suite = install(python2())
        for way in chosen.way or WAYS:
            began = time.monotonic()
            verdicts = run(way, suite, chosen.case or CASES[way])
            good = judge(way, verdicts, time.monotonic() - began) and good
    except Missing as error:
        say(str(error))
        return 5
    except (ServerFailed, subprocess.SubprocessError) as error:
        say(str(error))
        return 1
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
