r"""The states of one HTTP/1.1 connection: one table, one function that moves.

    IDLE <---------------------- answer ends ----------------------- ANSWERING --upgraded--> TUNNEL
      |                                                                  ^
      |--first bytes--> HEAD --request without body----------------------|
      '----------------'  '----request with body--> BODY --body ends-----'
                                                      |
                                      answer ends --> '--> DISCARDING --body ends--> IDLE
    any --closes--> CLOSING --socket gone--> CLOSED       IDLE, HEAD --socket gone to HTTP/2--> CLOSED

BODY: the application runs, its body is still coming. ANSWERING: the request is whole, its answer is not. DISCARDING: the
answer is whole, what is left of the request is read and dropped. TUNNEL: bytes both ways after 101. CLOSING: our last
byte is said, what the client sends is dropped.
"""

from __future__ import annotations

__all__ = ["EVENTS", "NAMES", "STATES", "move"]

IDLE = 0
HEAD = 1
BODY = 2
ANSWERING = 3
DISCARDING = 4
TUNNEL = 5
CLOSING = 6
CLOSED = 7
STATES = (IDLE, HEAD, BODY, ANSWERING, DISCARDING, TUNNEL, CLOSING, CLOSED)
NAMES = ("IDLE", "HEAD", "BODY", "ANSWERING", "DISCARDING", "TUNNEL", "CLOSING", "CLOSED")

# What happens to a connection.
FIRST_BYTES = 0
REQUEST = 1
REQUEST_AND_BODY = 2
BODY_ENDS = 3
ANSWER_ENDS = 4
UPGRADED = 5
CLOSES = 6
GONE = 7
EVENTS = (FIRST_BYTES, REQUEST, REQUEST_AND_BODY, BODY_ENDS, ANSWER_ENDS, UPGRADED, CLOSES, GONE)

MOVES: dict[int, dict[int, int]] = {
    IDLE: {FIRST_BYTES: HEAD, REQUEST: ANSWERING, REQUEST_AND_BODY: BODY, CLOSES: CLOSING, GONE: CLOSED},
    HEAD: {FIRST_BYTES: HEAD, REQUEST: ANSWERING, REQUEST_AND_BODY: BODY, CLOSES: CLOSING, GONE: CLOSED},
    BODY: {BODY_ENDS: ANSWERING, ANSWER_ENDS: DISCARDING, CLOSES: CLOSING, GONE: CLOSED},
    ANSWERING: {ANSWER_ENDS: IDLE, UPGRADED: TUNNEL, CLOSES: CLOSING, GONE: CLOSED},
    DISCARDING: {BODY_ENDS: IDLE, CLOSES: CLOSING, GONE: CLOSED},
    TUNNEL: {CLOSES: CLOSING, GONE: CLOSED},
    CLOSING: {CLOSES: CLOSING, GONE: CLOSED},
    CLOSED: {CLOSES: CLOSED, GONE: CLOSED},
}

COLUMNS = 8
NO_MOVE = 255
# The table as the compiled build reads it.
FLAT = bytes(MOVES[state].get(event, NO_MOVE) for state in STATES for event in EVENTS)


def move(state: int, event: int) -> int:
    """Return the state that follows; an event that its state does not know is our own mistake."""
    following: int = FLAT[state * COLUMNS + event]
    if following == NO_MOVE:
        raise AssertionError(f"event {event} in state {NAMES[state]}")
    return following
