"""How an origin gives the answer that was asked for, whatever the protocol."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Protocol

from proxyconf.verify.answer import ANSWER_FIELD, Answer, AnswerError, Fields, seeded_blocks
from proxyconf.verify.origin.journal import Journal
from proxyconf.verify.seen import Seen

__all__ = ["Cut", "Exchange", "perform"]


class Cut(Exception):
    """The peer broke off the request, or its connection."""


class Exchange(Protocol):
    """One request and the way to answer it. Every call raises `Cut` once the peer is gone."""

    def body(self) -> AsyncIterator[bytes]:
        """Yield the request's body as it arrives; fills `Seen.trailers` at its end."""
        ...

    async def inform(self, status: int, fields: Fields) -> None:
        """Send a 1xx response."""
        ...

    async def respond(self, status: int, fields: Fields, *, end: bool, trailers: bool) -> None:
        """Send the head; `end` if nothing follows, `trailers` if they will."""
        ...

    async def write(self, data: bytes) -> None:
        """Send a part of the body, waiting while the peer takes none."""
        ...

    async def finish(self, trailers: Fields) -> None:
        """End the response."""
        ...

    async def abort(self) -> None:
        """Break the response off so that the peer must notice."""
        ...


async def perform(seen: Seen, exchange: Exchange, journal: Journal) -> Answer | None:
    """Read the request, answer it as asked, and note how it ended. Returns the answer, or None if it was cut."""
    try:
        answer = journal.answer_to(seen, seen.value(ANSWER_FIELD))
    except AnswerError as error:
        seen.error = str(error)
        answer = Answer(400, pieces=(f"{error}\n",))
    try:
        await _perform(seen, answer, exchange, journal)
        seen.answered = "whole"
    except (Cut, ConnectionError):
        return None
    finally:
        seen.ended, seen.answered = seen.ended or "cut", seen.answered or "cut"
    return answer


async def _perform(seen: Seen, answer: Answer, exchange: Exchange, journal: Journal) -> None:
    if answer.echo:
        await _respond(answer, exchange, end=False)
    digest = hashlib.sha256()
    async for data in exchange.body():
        seen.body_size += len(data)
        digest.update(data)
        seen.body_sha256 = digest.hexdigest()
        if answer.echo:
            await exchange.write(data)
    seen.body_sha256, seen.ended = digest.hexdigest(), "whole"
    if not answer.echo:
        await _wait(seen, answer, journal)
        for status, fields in answer.inform:
            await exchange.inform(status, fields)
        await _body(seen, answer, exchange, journal)
    if answer.abort:
        await exchange.abort()
    elif answer.echo or not _is_bare(answer):
        await exchange.finish(answer.trailers)


async def _wait(seen: Seen, answer: Answer, journal: Journal) -> None:
    if answer.delay:
        await asyncio.sleep(answer.delay)
    if answer.hold:
        await journal.gates[answer.hold].enter(seen)


async def _body(seen: Seen, answer: Answer, exchange: Exchange, journal: Journal) -> None:
    pieces = _pieces(seen, answer)
    if answer.size is None and not answer.pieces and not answer.trailers and not answer.abort and not _is_bare(answer):
        length = (("content-length", str(sum(map(len, pieces)))),)
        await _respond(answer, exchange, end=False, more=length)
    else:
        await _respond(answer, exchange, end=_is_bare(answer))
    for number, piece in enumerate(pieces):
        if number and answer.step:
            await journal.gates[answer.step].enter(seen)
        if number and answer.pause:
            await asyncio.sleep(answer.pause)
        await exchange.write(piece)


def _is_bare(answer: Answer) -> bool:
    """Whether the head is the whole response."""
    return answer.size == 0 and not answer.trailers and not answer.abort


def _pieces(seen: Seen, answer: Answer) -> list[bytes]:
    if answer.size is not None:
        return list(seeded_blocks(seen.id, answer.size))
    if answer.pieces:
        return [piece.encode("latin-1") for piece in answer.pieces]
    return [json.dumps(seen.as_json()).encode()]


async def _respond(answer: Answer, exchange: Exchange, *, end: bool, more: Fields = ()) -> None:
    named = any(name == "content-type" for name, _ in answer.fields)
    kind = () if named else (("content-type", "text/plain" if answer.pieces else "application/json"),)
    await exchange.respond(answer.status, (*answer.fields, *kind, *more), end=end, trailers=bool(answer.trailers))
