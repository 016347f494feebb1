"""What envoy.yaml is to say, in Envoy's words: its bootstrap (envoy.config.bootstrap.v3.Bootstrap), part by part."""

from __future__ import annotations

from dataclasses import dataclass

from proxyconf.proxies.envoy.tree import Tree

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """A bootstrap. Each part is a tree of plain data, printed by the YAML library; no text is ever put together."""

    admin: Tree
    """The admin interface; empty: none."""
    overload_manager: Tree
    listeners: tuple[Tree, ...]
    clusters: tuple[Tree, ...]
    extra: Tree
    """Whatever the site file wants at the top of the bootstrap."""

    @property
    def bootstrap(self) -> Tree:
        """The whole."""
        return {
            **({"admin": self.admin} if self.admin else {}),
            "overload_manager": self.overload_manager,
            "static_resources": {"listeners": list(self.listeners), "clusters": list(self.clusters)},
            **self.extra,
        }
