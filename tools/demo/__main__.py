"""The demo from start to end: bring the stack up, try every row, print the table, stop everything."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path

import httpx

from tools.demo.report import Outcome, Report
from tools.demo.rows import ROWS, Disproved, Row
from tools.demo.stack import BACKENDS, ROOT, Stack, StackError

ROW_SECONDS = 60.0


async def attempt(row: Row, stack: Stack) -> Outcome:
    """Try one row; whatever goes wrong is its outcome."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(ROW_SECONDS):
            observed, holds = await row.prove(stack), True
    except Disproved as error:
        observed, holds = str(error), False
    except TimeoutError:
        observed, holds = f"no end after {ROW_SECONDS:g} s", False
    except (httpx.HTTPError, OSError, ValueError, KeyError) as error:
        observed, holds = f"{type(error).__name__}: {error}", False
    return Outcome(row.claim, observed, holds, time.monotonic() - began)


def bring_up(stack: Stack, report: Report) -> None:
    """Render both configurations and start both programs."""
    for path in stack.render():
        report.step(f"rendered {path}")
    stack.start_server()
    report.step(f"{stack.backend} listens on 127.0.0.1:{stack.app_port}")
    stack.start_caddy()
    report.step(f"caddy serves {stack.url}")


async def prove(stack: Stack, report: Report) -> None:
    """Try the rows one after the other."""
    for row in ROWS:
        report.trying(row.claim)
        report.add(await attempt(row, stack))


def keep(stack: Stack, report: Report) -> None:
    """Leave the stack up until interrupted."""
    if stack.server is not None:
        stack.server.stop()
    stack.start_server()
    report.invitation(stack)
    signal.pause()


def main() -> int:
    """Run the demo and return its exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--backend", choices=BACKENDS, default=BACKENDS[0], help="what runs behind Caddy")
    parser.add_argument("--keep", action="store_true", help="leave the stack up until Ctrl-C")
    parser.add_argument("--directory", type=Path, default=ROOT / "build" / "demo", help="configuration and logs")
    arguments = parser.parse_args()

    # A plain kill ends as orderly as Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = Report(arguments.backend)
    stack = Stack(arguments.directory.resolve(), arguments.backend)
    try:
        bring_up(stack, report)
        asyncio.run(prove(stack, report))
        report.table()
        if arguments.keep:
            keep(stack, report)
    except StackError as error:
        report.failure(str(error))
        return 1
    except KeyboardInterrupt:
        if not report.complete(len(ROWS)):
            report.failure("interrupted")
            return 130
    finally:
        stack.stop()
        report.step("stopped")
    return report.exit_code(stack.directory)


if __name__ == "__main__":
    sys.exit(main())
