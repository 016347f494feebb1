"""How files are tried: Traefik starts with them where nobody comes, and its API and its log say what it made of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import yaml

from proxyconf.proxies.contract import Trial
from proxyconf.syntax.traefik import dump

__all__ = ["faults", "trial"]

_KINDS = ("routers", "middlewares", "services", "tcpRouters", "tcpServices")
_ANYWHERE = "127.0.0.1:0"


def trial(files: Mapping[str, str], port: int) -> Trial:
    """Return the files with other addresses, nobody to ask for certificates, and an API."""
    static = yaml.safe_load(files["traefik.yaml"])
    for point in static["entryPoints"].values():
        point["address"] = _ANYWHERE
        point.pop("http3", None)
        if isinstance(point.get("http", {}).get("tls"), dict):
            point["http"]["tls"].pop("certResolver", None)
    static.pop("certificatesResolvers", None)
    static.pop("accessLog", None)
    static["entryPoints"]["traefik"] = {"address": f"127.0.0.1:{port}"}
    static["api"] = {"insecure": True, "dashboard": False}
    static["log"] = {"level": "ERROR", "format": "json"}
    changed = {**files, "traefik.yaml": dump(static)}
    return Trial(changed, f"http://127.0.0.1:{port}/api/rawdata", faults)


def faults(answer: str, log: str) -> list[str] | None:
    """Return what Traefik complains of; None until it has read dynamic.yaml and said something about it."""
    found = [text for line in log.splitlines() if (text := _complaint(line))]
    if found:
        return found
    data: dict[str, Any] = json.loads(answer) if answer.startswith("{") else {}
    if not any(name.endswith("@file") for kind in ("routers", "tcpRouters") for name in data.get(kind, {})):
        return None
    return [
        f"{name.removesuffix('@file')}: {'; '.join(entry.get('error', [])) or entry['status']}"
        for kind in _KINDS for name, entry in sorted(data.get(kind, {}).items()) if entry.get("status", "enabled") != "enabled"
    ]  # fmt: skip


def _complaint(line: str) -> str:
    """Return what an entry of the log complains of; empty if it does not."""
    try:
        entry = json.loads(line)
    except ValueError:
        return line.strip()
    if not isinstance(entry, dict) or entry.get("level") not in ("error", "fatal", "panic"):
        return ""
    where = entry.get("routerName", "").removesuffix("@file")
    words = [where, str(entry.get("message", "")), str(entry.get("error", ""))]
    return ": ".join(word for word in words if word)
