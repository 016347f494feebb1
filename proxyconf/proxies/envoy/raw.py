"""Pieces of Envoy's configuration that a site file brings along, as YAML."""

from __future__ import annotations

from typing import Any

import yaml

from proxyconf.proxies.envoy.tree import Tree
from proxyconf.spec.deployment import Deployment, ResolvedSite

__all__ = ["LISTS", "TREES", "fault", "raw_list", "raw_routes", "raw_tree"]

LISTS = ("listeners", "clusters", "http_filters")
TREES = ("bootstrap",)


def fault(text: str, kind: type) -> str:
    """Return why a text is no list or mapping that can be put in; empty if it is one."""
    what = "a list" if kind is list else "a mapping"
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return f"not YAML{f', line {mark.line + 1} of the text' if mark else ''}; write {what} in Envoy's words"
    if not isinstance(data, kind):
        return f"{what} in Envoy's words belongs here"
    return ""


def raw_list(deployment: Deployment, section: str) -> list[Any]:
    """Return the elements that a section brings along."""
    return list(yaml.safe_load(deployment.raw("envoy", section) or "[]"))


def raw_tree(deployment: Deployment, section: str) -> Tree:
    """Return the keys that a section brings along."""
    return dict(yaml.safe_load(deployment.raw("envoy", section) or "{}"))


def raw_routes(deployment: Deployment, site: ResolvedSite) -> list[Any]:
    """Return the routes that a site brings along; they stand before its own."""
    return list(yaml.safe_load(deployment.raw_of_site("envoy", site) or "[]"))
