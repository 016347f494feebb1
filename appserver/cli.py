"""The command `appserver`: reads the options, does what they ask for, says how it ended.

Exit codes: 0 done, 2 a setting is wrong, 3 the application failed to load or start.
What only one action needs is imported there: a worker must not carry it, nor --help wait for the worker.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence

import appserver
from appserver.config.sources import Loaded, load
from appserver.errors import ConfigError, StartupError

__all__ = ["command", "main"]

INTERRUPTED = 130


def command() -> None:
    """Run the process's command line and end the process; what the application left running does not keep it."""
    left: list[float] = []
    code = main(served=left.append)
    if left:
        from appserver.worker.process_end import end_within

        end_within(code, left[0])
    sys.exit(code)


def main(argv: Sequence[str] | None = None, served: Callable[[float], None] | None = None) -> int:
    """Run one command line and return its exit code; `served` is told what a worker's stop has left of its bound."""
    try:
        loaded = load(sys.argv[1:] if argv is None else argv, os.environ)
        return _run(loaded, served) if loaded.action == "run" else ACTIONS[loaded.action](loaded)
    except (ConfigError, StartupError) as error:
        return _failed(error)
    except KeyboardInterrupt:
        return INTERRUPTED


# Actions


def _run(loaded: Loaded, served: Callable[[float], None] | None) -> int:
    from appserver.worker.run import run  # start-up: brings asyncio, the engines and the application side
    from appserver.worker.stop import StopRequest

    stop = StopRequest()
    try:
        return run(loaded.config, stop)
    finally:
        if served is not None:
            served(stop.left(loaded.config.timeout.graceful))


def _check(loaded: Loaded) -> int:
    given = sum(origin != "default" for origin in loaded.origins.values())
    return _say(f"ok: {given} of {len(loaded.origins)} options are set, the others have their defaults\n")


def _print(loaded: Loaded) -> int:
    from appserver.config.show import effective

    return _say(effective(loaded.config, loaded.origins))


def _sample(_: Loaded) -> int:
    from appserver.config.show import sample

    return _say(sample())


def _help(_: Loaded) -> int:
    from appserver.config.show import help_text

    return _say(help_text())


def _version(_: Loaded) -> int:
    from appserver.h2 import describe

    return _say(version_line(describe()) + "\n")


ACTIONS: dict[str, Callable[[Loaded], int]] = {
    "check": _check,
    "print": _print,
    "sample": _sample,
    "help": _help,
    "version": _version,
}


def version_line(engine: Mapping[str, str]) -> str:
    """Return what --version prints; `engine` is what `appserver.h2.describe` tells."""
    python = ".".join(map(str, sys.version_info[:3]))
    # The reason to take the kernel is its library: said once.
    words = dict.fromkeys([f"engine: {engine['engine']}", engine["reason"], f"libnghttp2 {engine['nghttp2']}"])
    words |= dict.fromkeys([f"loop {_loop()}", f"Python {python}", engine["compiled"]])
    return f"appserver {appserver.__version__} ({', '.join(words)})"


def _loop() -> str:
    from importlib.metadata import PackageNotFoundError, version  # start-up: slow, and only for --version

    try:
        return f"uvloop {version('uvloop')}"
    except PackageNotFoundError:
        return "asyncio"


# Words


def _say(text: str) -> int:
    sys.stdout.write(text)
    sys.stdout.flush()
    return 0


def _failed(error: ConfigError | StartupError) -> int:
    if isinstance(error, StartupError) and error.__cause__ is not None:
        import traceback

        traceback.print_exception(error.__cause__, file=sys.stderr)
    for line in str(error).splitlines():
        print(f"appserver: {line}", file=sys.stderr)
    return error.exit_code
