"""Pieces of Traefik's configuration that a site file brings along, as YAML."""

from __future__ import annotations

from typing import Any

import yaml

from proxyconf.document.findings import nearest, shown
from proxyconf.proxies.traefik.plan import Tree
from proxyconf.spec.deployment import Deployment

__all__ = ["SECTIONS", "fault", "merged", "raw_tree"]

SECTIONS = {
    "static": frozenset({
        "accessLog", "api", "certificatesResolvers", "core", "entryPoints", "experimental", "global", "hostResolver", "log", "metrics",
        "ocsp", "ping", "providers", "serversTransport", "spiffe", "tcpServersTransport", "tracing",
    }),
    "dynamic": frozenset({"http", "tcp", "tls", "udp"}),
}  # fmt: skip
"""The places, and the words at the top of each."""


def fault(text: str, section: str) -> str:
    """Return why a text is no mapping that can be put in; empty if it is one.

    Words at the top are looked at here: Traefik ignores those that it does not know.
    """
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return f"not YAML{f', line {mark.line + 1} of the text' if mark else ''}; write a mapping in Traefik's words"
    if not isinstance(data, dict):
        return "a mapping in Traefik's words belongs here"
    unknown = next((str(key) for key in data if key not in SECTIONS[section]), "")
    return f"Traefik has no {shown(unknown)} there{nearest(unknown, SECTIONS[section])}" if unknown else ""


def raw_tree(deployment: Deployment, section: str) -> Tree:
    """Return the keys that a section brings along."""
    return dict(yaml.safe_load(deployment.raw("traefik", section) or "{}"))


def merged(ours: Tree, theirs: Tree) -> Tree:
    """Return our tree with another laid over it: mappings grow, anything else is replaced."""
    grown: dict[str, Any] = dict(ours)
    for key, value in theirs.items():
        mine = grown.get(key)
        grown[key] = merged(mine, value) if isinstance(mine, dict) and isinstance(value, dict) else value
    return grown
