"""What the figures were made on: the machine, the interpreter and how it was built, every version."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

__all__ = ["commit", "facts", "nghttp2_tools", "own_shortcoming"]

COMMIT_VARIABLE = "LASTHOP_BENCH_COMMIT"
NEWEST_PYTHON = (3, 14)
NEWEST_NGHTTP2 = (1, 70)
PACKAGES = (
    "lasthop", "h2corn", "granian", "uvicorn", "zttp", "hypercorn", "gunicorn", "uvloop", "httptools", "h2",
    "starlette", "Cython",
)
# Runs in the interpreter under test: it may be another one than ours.
ASK = f"""
import importlib.metadata as m, json, platform, sys, sysconfig
def version(name):
    try: return m.version(name)
    except m.PackageNotFoundError: return None
names = {PACKAGES!r}
print(json.dumps({{
    "version": platform.python_version(),
    "executable": sys.executable,
    "base": sys.base_prefix,
    "compiler": platform.python_compiler(),
    "config_args": sysconfig.get_config_var("CONFIG_ARGS") or "",
    "packages": {{name: version(name) for name in names if version(name)}},
}}))
"""


def commit(root: Path) -> str:
    """Return the commit of the checkout, with "+" if it has changes; or "unknown"."""
    known = os.environ.get(COMMIT_VARIABLE)
    if known:
        return known
    head = _output(["git", "-C", str(root), "rev-parse", "--short=12", "HEAD"])
    changed = _output(["git", "-C", str(root), "status", "--porcelain", "--untracked-files=no"])
    return (head + ("+" if changed else "")) or "unknown"


def nghttp2_tools() -> dict[str, str]:
    """Return the versions of h2load and nghttpd, empty where missing."""
    found = {}
    for program in ("h2load", "nghttpd"):
        match = re.search(r"nghttp2/([\d.]+)", _output([program, "--version"]))
        found[program] = match[1] if match else ""
    return found


def own_shortcoming(python: dict[str, Any], tools: dict[str, str]) -> str:
    """Return why figures of this machine's own programs would not be what users get; empty if they would."""
    reasons = []
    version = tuple(int(part) for part in python["version"].split(".")[:2])
    if version < NEWEST_PYTHON:
        reasons.append(f"Python is {python['version']}")
    if "--enable-optimizations" not in python["config_args"] and python["base"] != "/usr":
        reasons.append("Python was built without --enable-optimizations")
    known = re.findall(r"\d+", tools.get("h2load", ""))[:2]
    if not known:
        reasons.append("h2load is missing")
    elif tuple(map(int, known)) < NEWEST_NGHTTP2:
        reasons.append(f"nghttp2 is {tools['h2load']}")
    return "; ".join(reasons)


def python_facts(python: Path) -> dict[str, Any]:
    """Return what an interpreter says of itself and of the packages it has."""
    done = subprocess.run([str(python), "-I", "-c", ASK], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def facts(python: Path, root: Path, compiled: str) -> dict[str, Any]:
    """Return everything; `compiled` is the command line that compiled the kernel."""
    interpreter = python_facts(python)
    return {
        "commit": commit(root),
        "machine": _machine(),
        "python": interpreter,
        "built": how_built(interpreter),
        "nghttp2": nghttp2_tools(),
        "appserver": _output([str(python), "-m", "appserver", "--version"], cwd=Path("/")),
        "kernel_compiled": compiled,
    }


def how_built(python: dict[str, Any]) -> str:
    """Say in a few words how the interpreter was built."""
    if "--enable-optimizations" in python["config_args"]:
        return "--enable-optimizations" + (" --with-lto" if "--with-lto" in python["config_args"] else "")
    if python["base"] == "/usr":
        return "the distribution's own build; its sysconfig describes the shared variant, not the static program"
    return "without --enable-optimizations: slower than what users run"


def _machine() -> dict[str, Any]:
    cpu = re.search(r"^model name\s*:\s*(.*)$", _text("/proc/cpuinfo"), re.MULTILINE)
    system = re.search(r'^PRETTY_NAME="?([^"\n]*)', _text("/etc/os-release"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", _text("/proc/meminfo"), re.MULTILINE)
    return {
        "cpu": cpu[1] if cpu else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_mib": int(memory[1]) // 1024 if memory else 0,
        "system": system[1] if system else platform.system(),
        "kernel": platform.release(),
    }


def _text(path: str) -> str:
    return Path(path).read_text(errors="replace") if Path(path).exists() else ""


def _output(argv: list[str], cwd: Path | None = None) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, cwd=cwd, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
