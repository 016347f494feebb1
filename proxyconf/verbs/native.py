"""A proxy's own view of the files that are rendered for it."""

from __future__ import annotations

from collections.abc import Mapping

from proxyconf.programs.run import check
from proxyconf.proxies.registry import proxy

__all__ = ["let_it_check"]


def let_it_check(name: str, files: Mapping[str, str]) -> str:
    """Let a proxy check files by its own command.

    Returns what it was, in words; empty: the proxy has none. Raises ProgramFault with what it said.
    """
    program = proxy(name).program
    if not program.check:
        return ""
    check(program.check, files, program.environment)
    return f"'{' '.join(word.replace('{folder}/', '') for word in program.check)}'"
