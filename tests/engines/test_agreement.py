"""Both engines, given the same bytes and the same application, make the same calls up and give the same verdicts."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, note, settings

from tests.engines.conftest import load
from tests.engines.differences import VERDICTS
from tests.engines.messages import CASES, Case
from tests.engines.player import Answer, Exchange, Outcome, play
from tests.engines.script import Script, scripts
from tests.engines.talk import MAKE
from tests.support.frames import NO_ERROR, REFUSED_STREAM


@pytest.fixture(scope="module")
def engines(kernel_engine: MAKE) -> tuple[MAKE, MAKE]:
    return load("pure"), kernel_engine


def agree(pure: Outcome, kernel: Outcome, script: Script) -> None:
    """Raise for a difference that no entry of the allow-list explains."""
    if any(answer.reset == REFUSED_STREAM for answer in (*pure.answers.values(), *kernel.answers.values())):
        # A stream that ended in the read being parsed is closed to pure, and open to nghttp2 until its last
        # frame is taken: which of the next is one too many differs. The limit itself: test_protocol.
        return
    codes = {"pure": pure.code, "kernel": kernel.code}
    if any(known.explains(script, codes) for known in VERDICTS):
        # One ended before the other: until then they were told the same.
        for a, b in zip(pure.exchanges, kernel.exchanges, strict=False):
            assert (a.method, a.target, a.fields, a.ends) == (b.method, b.target, b.fields, b.ends)
        return
    assert pure.code == kernel.code
    assert len(pure.exchanges) == len(kernel.exchanges)
    for a, b in zip(pure.exchanges, kernel.exchanges, strict=True):
        agree_on_exchange(a, b, sudden=pure.code >= 0 or script.has("overflow"))
    if pure.code >= 0:
        # nghttp2 ends a connection at the head of a wrong frame, pure when it has all of it: a read later.
        return
    for stream in pure.answers.keys() | kernel.answers.keys():
        ours, theirs = pure.answers.get(stream, Answer()), kernel.answers.get(stream, Answer())
        if stream in script.given_up or max(ours.reset, theirs.reset) > NO_ERROR:
            # nghttp2 drops what waits for a stream that is reset, pure has it on its way.
            assert theirs.heads == ours.heads[: len(theirs.heads)], f"stream {stream}"
            assert ours.reset == theirs.reset or stream in script.given_up, f"stream {stream}"
        else:
            assert ours == theirs, f"stream {stream}"


def agree_on_exchange(a: Exchange, b: Exchange, sudden: bool) -> None:
    assert (a.method, a.target, a.fields, a.ends) == (b.method, b.target, b.fields, b.ends)
    assert a.trailers == b.trailers, a.target
    # What nghttp2 ends by itself the kernel learns at the next take: until then the application may answer.
    assert a.lost == b.lost or sudden, a.target
    assert a.body == b.body, a.target


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(script=scripts())
def test_the_engines_agree(engines: tuple[MAKE, MAKE], script: Script) -> None:
    pure, kernel = (play(make, script) for make in engines)
    note(f"pure: {pure}")
    note(f"kernel: {kernel}")
    agree(pure, kernel, script)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.encode("unicode_escape").decode())
def test_the_engines_agree_on_a_head_in_any_pieces(engines: tuple[MAKE, MAKE], case: Case) -> None:
    for end in (True, False):
        moves = [("head", CASES.index(case), end), ("request", "now", True, -1, 0, 0)]
        script = Script(list(moves), list(range(0, 200, 3)), {})
        agree(play(engines[0], script), play(engines[1], script), script)
