"""How long a connection may wait for its client, by what it waits for.

Stamps are made by ticks, about one a second, and nowhere on the request path.
"""

from __future__ import annotations

from appserver.config.options import TimeoutOptions
from appserver.h1 import states

__all__ = ["BODY", "HEAD", "IDLE", "LAST_BYTES", "NOTHING", "READER", "WAITS", "Deadline"]

# What a tick finds a connection waiting for.
NOTHING = 0
IDLE = 1  # for another request
HEAD = 2  # for the rest of a head
BODY = 3  # for the rest of a body that the application waits for
READER = 4  # for the client to take output
LAST_BYTES = 5  # for the client to end what it sends, after its answer

# In each state, if the client takes what it is sent and the application what it gets.
WAITS = {
    states.IDLE: IDLE,
    states.HEAD: HEAD,
    states.BODY: BODY,
    states.ANSWERING: NOTHING,
    states.DISCARDING: LAST_BYTES,
    states.TUNNEL: NOTHING,
    states.CLOSING: LAST_BYTES,
    states.CLOSED: NOTHING,
}


class Deadline:
    """The clock of one connection."""

    __slots__ = ("_progress", "_since", "_timeouts", "_waiting")

    def __init__(self, timeouts: TimeoutOptions) -> None:
        self._timeouts = timeouts
        self._waiting = NOTHING
        self._progress = 0
        self._since = 0.0

    def is_over(self, waiting: int, progress: int, unsent: bool, now: float) -> bool:
        """Tell whether the client did nothing about `waiting` for too long; any change renews it."""
        if waiting != self._waiting or progress != self._progress:
            self._waiting = waiting
            self._progress = progress
            self._since = now
            return False
        return waiting != NOTHING and now - self._since >= self._limit(waiting, unsent)

    def _limit(self, waiting: int, unsent: bool) -> float:
        timeouts = self._timeouts
        if waiting == READER or (waiting == LAST_BYTES and unsent):
            return timeouts.response_stall
        return {
            IDLE: timeouts.keep_alive,
            HEAD: timeouts.request_head,
            BODY: timeouts.request_body_idle,
            LAST_BYTES: timeouts.discard,
        }[waiting]
