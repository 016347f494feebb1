"""Two servers in two threads: their engines share nothing."""

from __future__ import annotations

import sys
import threading

from tests.engines.talk import MAKE, Recorder, Talk
from tests.support.frames import INITIAL_WINDOW_SIZE

ROUNDS = 60


def serve(make: MAKE, mark: bytes, failures: list[BaseException]) -> None:
    """Answer with bodies of one byte's repetition, and run Python in the middle of each take."""
    try:
        talk = Talk(make, settings={INITIAL_WINDOW_SIZE: 10**8})
        talk.say(talk.client.window(0, 10**8))

        def go_on(recorder: Recorder, call: str) -> None:
            for _ in range(200):
                recorder.stream.write(mark, False)

        talk.react = go_on
        for n in range(ROUNDS):
            recorder = talk.serve(2 * n + 1)
            for size in (3, 2_000, 300_000):
                recorder.stream.write(mark * size, False)
            body = bytearray(talk.bodies(talk.heard(50_000))[recorder.id * 2 - 1])
            assert body.strip(mark) == b"", "bytes of another connection"
            assert len(body) > 302_003
            recorder.stream.reset(8)
            talk.heard()
    except BaseException as error:
        failures.append(error)


def test_engines_in_two_threads_share_nothing(make: MAKE) -> None:
    failures: list[BaseException] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=serve, args=(make, mark, failures)) for mark in (b"a", b"b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []
