"""What haproxy.cfg is to say, in HAProxy's words; `str` is a user's text, `Raw` ours. Empty means: leave it out."""

from __future__ import annotations

from dataclasses import dataclass

from proxyconf.syntax.words import Raw

__all__ = ["Backend", "Frontend", "Lines", "Plan", "Use", "Words"]

Words = tuple[str, ...]
Lines = tuple[Words, ...]


@dataclass(frozen=True, slots=True)
class Use:
    """`use_backend NAME if CONDITION`."""

    backend: Raw
    condition: Raw


@dataclass(frozen=True, slots=True)
class Frontend:
    """Where clients connect, who they are, and which backend takes their requests."""

    name: Raw
    binds: Lines
    options: Lines
    acls: Lines
    connections: Lines
    """`tcp-request connection`."""
    rules: Lines
    """`http-request`."""
    answers: Lines
    """`http-after-response`."""
    uses: tuple[Use, ...]
    default: Raw
    extra: tuple[Raw, ...] = ()


@dataclass(frozen=True, slots=True)
class Backend:
    """How the requests of some routes are treated, and which servers answer them."""

    name: Raw
    options: Lines = ()
    acls: Lines = ()
    rules: Lines = ()
    """`http-request`."""
    responses: Lines = ()
    """`http-response`: what a server answered."""
    answers: Lines = ()
    """`http-after-response`: whatever is answered."""
    servers: Lines = ()
    extra: tuple[Raw, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A haproxy.cfg."""

    globals: Lines
    certificates: Lines
    """`load` lines of the crt-store."""
    resolvers: Lines
    defaults: Lines
    frontends: tuple[Frontend, ...]
    backends: tuple[Backend, ...]
    counts_bodies: bool
    """Whether the Lua filter is needed."""
