"""What a site is rendered for, and what may be left out where a target cannot do it."""

from __future__ import annotations

from typing import Literal

from proxyconf.spec.fields import Control, FilePath, Identifier, Many, Model, Text, UserName, Version

__all__ = ["Policy", "Target"]


class Target(Model):
    """A proxy that the site is rendered for."""

    proxy: str
    """Which proxy, such as `caddy`."""
    version: Version | None = None
    """Its version, in quotes; `auto` asks the installed program. Default: the newest that was tried."""
    modules: Many[Identifier] = ()
    """What this build has beyond the usual one, such as `brotli` for nginx."""
    user: UserName | None = None
    """The user that its workers run as. Default: the program's own."""
    admin: Control = "off"
    """Where the proxy's own control interface listens: `off`, or `unix:/PATH`."""
    reload: Text | None = None
    """The command by which `proxyconf apply` makes it read its files again. Default: the proxy's own way."""
    pid_file: FilePath | None = None
    """Where the running proxy keeps its id, for `proxyconf apply`."""


Word = Literal["refuse", "degrade", "warn"]


class Policy(Model):
    """What happens where a target lacks a feature; `features` says it for one of them."""

    unsupported: Word = "refuse"
    """`refuse`: nothing is rendered. `degrade`: it is left out and said. `warn`: the same, and the exit code is 1."""
    features: dict[str, Word] = {}
    """The same by feature, such as `{early_hints: degrade}`; `proxyconf matrix` lists their names."""
