"""How long a connection waits for its client, and since when.

Stamps are made by ticks, about one a second, and nowhere on the request path.
"""

from __future__ import annotations

from appserver.config.options import TimeoutOptions

__all__ = ["CLIENT_ASKS", "CLIENT_READS", "CLIENT_SENDS", "CLOSING", "IDLE", "NOTHING", "Patience"]

# What a tick finds a connection waiting for.
NOTHING = 0
CLOSING = 1
CLIENT_READS = 2
CLIENT_ASKS = 3
CLIENT_SENDS = 4
IDLE = 5

# After a refusal: a close with unread bytes would be a reset, and might destroy the answer on its way.
LINGER = 5.0


class Patience:
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
        if waiting == CLOSING:
            return timeouts.response_stall if unsent else LINGER
        return {
            CLIENT_READS: timeouts.response_stall,
            CLIENT_ASKS: timeouts.request_head,
            CLIENT_SENDS: timeouts.request_body_idle,
            IDLE: timeouts.keep_alive,
        }[waiting]
