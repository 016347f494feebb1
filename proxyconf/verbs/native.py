"""A proxy's own view of the files that are rendered for it."""

from __future__ import annotations

from collections.abc import Mapping

from proxyconf.programs.run import check
from proxyconf.programs.trial import free_port, try_files
from proxyconf.proxies.registry import proxy

__all__ = ["let_it_check"]


def let_it_check(name: str, files: Mapping[str, str]) -> str:
    """Let a proxy check files by its own command, or by a start on free ports where it has none.

    Returns what it was, in words; empty: the proxy can do neither. Raises ProgramFault with what it said.
    """
    program = proxy(name).program
    if program.check:
        check(program.check, files, program.environment)
        return f"'{' '.join(word.replace('{folder}/', '') for word in program.check)}'"
    trial = proxy(name).trial(files, free_port())
    if trial is None:
        return ""
    try_files(program.run, trial.files, trial.url, trial.faults, program.environment)
    return f"'{program.run[0]}', started on free ports"
