"""Answers that a peer does not take are given up after a while, and only those."""

from __future__ import annotations

from tests.engines.talk import Talk
from tests.support.frames import CANCEL, GET, expect


def test_an_answer_that_stands_still_is_reset(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(bytes(100_000), False)
    assert talk.heard()

    talk.engine.expire(10.0, 30.0, 5.0)
    talk.engine.expire(39.0, 30.0, 5.0)
    assert talk.heard() == []
    talk.engine.expire(41.0, 30.0, 5.0)

    assert talk.heard() == [expect.reset(1, CANCEL)]
    assert talk.calls[-1] == (1, "lost")


def test_an_answer_that_moves_has_all_the_time(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(bytes(100_000), False)
    assert talk.heard()

    for now in range(10, 100, 20):
        talk.engine.expire(float(now), 30.0, 5.0)
        talk.say(talk.client.window(1, 10))
        talk.say(talk.client.window(0, 10))
        assert talk.heard()

    assert talk.calls[-1] != (1, "lost")


def test_an_application_may_take_its_time(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    for now in (10.0, 100.0, 1000.0):
        talk.engine.expire(now, 30.0, 5.0)
    talk.request().stream.respond(200, [], False)
    assert talk.heard()
    for now in (2000.0, 3000.0):
        talk.engine.expire(now, 30.0, 5.0)
    assert talk.heard() == []


def test_an_end_that_cannot_be_sent_is_given_up_without_a_word_to_its_application(talk: Talk) -> None:
    talk.say(talk.client.headers(1, GET, end=True))
    talk.request().stream.respond(200, [], False)
    talk.request().stream.write(bytes(100_000), True)
    assert talk.heard()
    for now in (10.0, 41.0):
        talk.engine.expire(now, 30.0, 5.0)
    assert talk.heard() == [expect.reset(1, CANCEL)]
    assert (1, "lost") not in talk.calls
