"""What httpd.conf is to say, in Apache's words; `str` is a user's text, `Raw` ours. Empty means: leave it out."""

from __future__ import annotations

from dataclasses import dataclass

from proxyconf.syntax.words import Raw

__all__ = ["Answer", "Balancer", "Host", "Lines", "Plan", "Rule", "Section", "Words", "line"]

Words = tuple[str, ...]
Lines = tuple[Words, ...]


def line(text: str, *more: str) -> Words:
    """Return a line that begins with words of ours."""
    return Raw(text), *more


@dataclass(frozen=True, slots=True)
class Balancer:
    """`<Proxy "balancer://NAME">`: the servers of an upstream, for one protocol and one set of bounds."""

    name: Raw
    members: Lines
    settings: Lines


@dataclass(frozen=True, slots=True)
class Rule:
    """`RewriteCond` lines and the `RewriteRule` that they belong to."""

    conditions: Lines
    rule: Words


@dataclass(frozen=True, slots=True)
class Section:
    """`<If>`: what holds for the requests of some routes."""

    condition: Raw
    lines: Lines


@dataclass(frozen=True, slots=True)
class Host:
    """A `<VirtualHost>`."""

    comment: Raw
    addresses: Words
    name: str
    aliases: Words
    lines: Lines
    """Everything that needs no block of its own, one directive each."""
    fields: Lines
    """`RequestHeader`: what the app server is told."""
    rules: tuple[Rule, ...]
    """In the order in which they are tried; the first that answers ends it."""
    common: Lines
    """What holds for the requests of all routes."""
    sections: tuple[Section, ...]
    folders: Lines
    """`Alias` lines: files on disk, under names that clients cannot ask for."""
    extra: tuple[Raw, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """A fixed answer, which mod_asis sends from a file of its own."""

    file: Raw
    status: Raw
    content_type: Raw
    body: Raw


@dataclass(frozen=True, slots=True)
class Plan:
    """An httpd.conf and the files beside it."""

    dollar: bool
    """Whether some text holds a dollar sign."""
    main: tuple[Raw, ...]
    """Text of the site file for the top, as it stands."""
    built_in: tuple[Raw, ...]
    """Modules that some builds have inside."""
    modules: tuple[Raw, ...]
    user: Raw
    types: bool
    lines: Lines
    server: tuple[Raw, ...]
    """Text of the site file for all hosts, as it stands."""
    erased: Lines
    """Fields in which clients speak for proxies."""
    twins: Lines
    """The same under names that hold `_` for `-`."""
    balancers: tuple[Balancer, ...]
    listens: Lines
    hosts: tuple[Host, ...]
    answers: tuple[Answer, ...]
