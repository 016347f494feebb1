"""What a probe is, and what it gets to work with."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from proxyconf.verify.answer import ANSWER_FIELD, ID_FIELD, Answer
from proxyconf.verify.edge.http1 import connect_http1
from proxyconf.verify.edge.http2 import connect_http2
from proxyconf.verify.edge.link import Edge
from proxyconf.verify.edge.response import Response
from proxyconf.verify.origin.control import Control
from proxyconf.verify.seen import Seen
from proxyconf.verify.subject import Feature, Subject

__all__ = ["Context", "Observation", "Probe", "Profile", "Stack", "asking"]

T = TypeVar("T")
POLL = 0.02
Pairs = list[tuple[str, str]]


@dataclass(slots=True)
class Observation:
    """What a probe observed: a line for people, facts for machines, and what is wrong with it (nothing: it holds)."""

    text: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def expect(self, holds: bool, wrong: str) -> Observation:
        """Note what is wrong unless it holds."""
        if not holds:
            self.wrong.append(wrong)
        return self


class Profile(StrEnum):
    """Gateway API's two: what every stack owes, and what is promised by a feature."""

    CORE = "core"
    EXTENDED = "extended"


class Stack(Protocol):
    """What probes of a stack's life may do to it."""

    async def reload(self) -> None:
        """Make the proxy load its configuration again; returns once it says so."""
        ...

    async def stop_proxy(self) -> int:
        """Stop the proxy gracefully; returns its exit code."""
        ...

    async def stop_server(self) -> int:
        """Stop the app server gracefully; returns its exit code."""
        ...


@dataclass(frozen=True, slots=True)
class Probe:
    """One claim and the function that tries it."""

    id: str
    title: str
    expects: str
    needs: frozenset[Feature]
    run: Callable[[Context], Awaitable[Observation]]
    seconds: float = 20.0
    disturbs: bool = False  # nothing can be tried after it

    @property
    def profile(self) -> Profile:
        """Core unless a feature is needed that not every stack has."""
        return Profile.CORE if self.needs <= CORE else Profile.EXTENDED


CORE = frozenset({Feature.ORIGIN, Feature.TLS, Feature.HTTP1, Feature.HTTP2, Feature.FORWARDED, Feature.UNKNOWN_HOST})


def asking(probe: str, answer: Answer | None = None, fields: Iterable[tuple[str, str]] = ()) -> Pairs:
    """Return request fields that name the probe and ask for an answer."""
    return [(ID_FIELD, probe), (ANSWER_FIELD, (answer or Answer()).encode()), *fields]


class Context:
    """What one probe works with."""

    _numbers = itertools.count(1)

    def __init__(self, subject: Subject, control: Control | None, stack: Stack | None = None) -> None:
        self.subject, self._control, self._stack = subject, control, stack

    @property
    def edge(self) -> Edge:
        """The site's listener."""
        return self.subject.edge

    @property
    def origin(self) -> Control:
        """The probe origin; only for probes that need one."""
        assert self._control is not None, "the probe does not say that it needs an origin"
        return self._control

    @property
    def has_origin(self) -> bool:
        """Whether there is one."""
        return Feature.ORIGIN in self.subject.features

    @property
    def stack(self) -> Stack:
        """The running stack; only for probes that need one."""
        assert self._stack is not None, "the probe does not say that it needs the stack"
        return self._stack

    def at(self, path: str) -> str:
        """Return a path where the site asks its origin."""
        return self.subject.base.rstrip("/") + path

    def new_id(self, name: str) -> str:
        """Return an id that no other request has."""
        return f"{name}-{next(self._numbers)}"

    async def ask(
        self, protocol: str, answer: Answer | None = None, *, probe: str = "", edge: Edge | None = None,
        method: str = "GET", path: str = "/", fields: Iterable[tuple[str, str]] = (), body: bytes | None = None,
    ) -> Response:  # fmt: skip
        """Make one request on a connection of its own, in "h1" or "h2"; `path` is below the base."""
        path = self.at(path)
        sent = asking(probe or self.new_id("ask"), answer, fields)
        if protocol == "h1":
            async with connect_http1(edge or self.edge) as client:
                return await client.request(method, path, sent, body)
        async with connect_http2(edge or self.edge) as client2:
            return await client2.request(method, path, sent, body)

    @property
    def protocols(self) -> list[str]:
        """What the edge speaks, of "h1" and "h2"."""
        names = {Feature.HTTP1: "h1", Feature.HTTP2: "h2"}
        return [name for feature, name in names.items() if feature in self.subject.features]

    async def seen(self, probe: str, count: int = 1, seconds: float = 5.0) -> list[Seen]:
        """Return what the origin saw of a request, once it has seen that many, or after `seconds`."""
        return await self.until(lambda: self.origin.seen(probe), lambda seen: len(seen) >= count, seconds)

    async def until(self, ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool], seconds: float = 5.0) -> T:
        """Ask again and again until what comes holds, or for `seconds`; returns the last."""
        end = time.monotonic() + seconds
        while not holds(last := await ask()) and time.monotonic() < end:
            await asyncio.sleep(POLL)
        return last
