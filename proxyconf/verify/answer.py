"""What a probe asks the origin to answer: it travels in a field of the request itself."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from random import Random
from typing import Any

__all__ = ["ANSWER_FIELD", "ID_FIELD", "Answer", "AnswerError", "Fields", "seeded_blocks"]

# Names that no proxy treats as its own.
ID_FIELD = "probe-id"
ANSWER_FIELD = "probe-answer"
BLOCK = 65_536

Fields = tuple[tuple[str, str], ...]


class AnswerError(ValueError):
    """The field holds no answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response, as the origin shall give it.

    The body is what the origin saw of the request (JSON) unless one of `echo`, `pieces` or `size` says otherwise.
    `hold` names a gate to pass before the head, `step` one to pass before every piece but the first; a gate lets
    through as many as the probe releases. Seconds for `delay` (before the head) and `pause` (between pieces).
    """

    status: int = 200
    fields: Fields = ()
    inform: tuple[tuple[int, Fields], ...] = ()
    echo: bool = False
    pieces: tuple[str, ...] = ()
    size: int | None = None
    trailers: Fields = ()
    delay: float = 0.0
    pause: float = 0.0
    hold: str = ""
    step: str = ""
    abort: bool = False  # break off after the body instead of ending it
    close: bool = False  # end the connection after this answer

    def encode(self) -> str:
        """Return the value of the field."""
        return base64.urlsafe_b64encode(json.dumps(self.as_json()).encode()).decode()

    def as_json(self) -> dict[str, Any]:
        """Return what differs from the default."""
        default = Answer()
        return {name: value for name, value in asdict(self).items() if value != getattr(default, name)}

    @classmethod
    def decode(cls, value: str) -> Answer:
        """Read the value of the field; raises `AnswerError`."""
        try:
            given = json.loads(base64.urlsafe_b64decode(value.encode()))
            known = {field.name for field in fields(cls)}
            if not isinstance(given, dict) or not given.keys() <= known:
                raise AnswerError(f"no answer: {given!r}")
            return cls(**{name: _frozen(entry) for name, entry in given.items()})
        except (binascii.Error, UnicodeError, json.JSONDecodeError, TypeError) as error:
            raise AnswerError(f"no answer: {error}") from error


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def seeded_blocks(seed: str, size: int) -> Iterator[bytes]:
    """Yield `size` bytes that follow from `seed`, in blocks: both ends can compute them."""
    for number, start in enumerate(range(0, size, BLOCK)):
        yield Random(f"{seed}:{number}").randbytes(min(BLOCK, size - start))
