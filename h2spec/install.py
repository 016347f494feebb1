"""The h2spec program: built from its Go module into build/tools, at a pinned version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

__all__ = ["VERSIONS", "Missing", "install"]

MODULE = "github.com/summerwind/h2spec/cmd/h2spec"
VERSIONS = ("v2.6.0", "v2.2.1+incompatible")
"""The second for module proxies that do not serve the first; it has 146 strict cases as well."""

GO_SECONDS = 300


class Missing(Exception):
    """h2spec cannot be had; the text says what to install."""


def install(tools: Path, say: Callable[[str], None]) -> tuple[Path, str]:
    """Return the program and its module version, building it if it is absent; H2SPEC names another program."""
    own = os.environ.get("H2SPEC")
    if own:
        if not os.access(own, os.X_OK):
            raise Missing(f"H2SPEC names {own}, which is no program")
        return Path(own), "of H2SPEC"
    program, note = tools / "h2spec", tools / "h2spec.version"
    if program.exists() and note.exists():
        return program, note.read_text().strip()
    go = shutil.which("go")
    if go is None:
        raise Missing("h2spec is missing and so is Go to build it: apt-get install --no-install-recommends golang-go")
    version = _build(go, tools, say)
    note.write_text(version + "\n")
    return program, version


def _build(go: str, tools: Path, say: Callable[[str], None]) -> str:
    tools.mkdir(parents=True, exist_ok=True)
    reasons = []
    for version in VERSIONS:
        say(f"building h2spec {version} (once, 20 s)")
        reason = _go_install(go, f"{MODULE}@{version}", tools)
        if not reason:
            return version
        say(f"h2spec {version} cannot be had: {reason}")
        reasons.append(reason)
    raise Missing(f"h2spec cannot be built: {reasons[0]}")


def _go_install(go: str, target: str, tools: Path) -> str:
    """Return the last line of what went wrong, or an empty string."""
    environment = {**os.environ, "GOBIN": str(tools.absolute()), "GO111MODULE": "on"}
    try:
        done = subprocess.run(
            [go, "install", target], cwd=tools, env=environment, timeout=GO_SECONDS,
            capture_output=True, text=True, check=False,
        )
    except subprocess.TimeoutExpired:
        return f"not built within {GO_SECONDS} s"
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    # Without the address: it is the user's own proxy, and it only lengthens the line.
    return re.sub(r"\bhttps?://\S+\s*", "", lines[-1]) if lines else f"go exited with {done.returncode}"
