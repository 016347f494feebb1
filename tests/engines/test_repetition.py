"""Fields that repeat: judged once and shared within a connection, secrets never, and never a wrong one."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable

import pytest

from tests.engines.talk import MAKE, Talk
from tests.support.frames import GET, POST, Text, changed, frame

SECRETS = ["authorization", "proxy-authorization", "set-cookie"]


def ask(talk: Talk, stream: int, *more: tuple[Text, Text]) -> list[tuple[bytes, bytes]]:
    talk.say(talk.client.headers(stream, changed(GET, *more), end=True))
    talk.requests[-1].stream.respond(204, [], True)
    talk.heard()
    return talk.requests[-1].request.fields


def test_the_same_fields_come_out_as_went_in(talk: Talk) -> None:
    for n in range(300):
        more: list[tuple[Text, Text]] = [(f"x-{k}", f"{n // (k + 1)}") for k in range(20)]
        assert ask(talk, 2 * n + 1, *more)[1:] == [(name.encode(), value.encode()) for name, value in more]  # type: ignore[union-attr] # both str


def test_a_field_that_repeats_is_one_object(kernel: Talk) -> None:
    fields = [ask(kernel, stream, ("user-agent", "curl/8"))[1] for stream in (1, 3, 5)]
    assert fields == [(b"user-agent", b"curl/8")] * 3
    assert fields[1] is fields[2]


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_never_kept(kernel: Talk, name: str) -> None:
    fields = [ask(kernel, stream, (name, "secret"))[1] for stream in (1, 3, 5, 7)]
    assert fields == [(name.encode(), b"secret")] * 4
    assert len({id(field) for field in fields}) == 4


def test_a_cookie_is_never_kept(kernel: Talk) -> None:
    fields = [ask(kernel, stream, ("cookie", "session=1"))[1] for stream in (1, 3, 5, 7)]
    assert fields == [(b"cookie", b"session=1")] * 4
    assert len({id(field[1]) for field in fields}) == 4


def test_what_is_marked_never_indexed_is_never_kept(kernel: Talk) -> None:
    # RFC 7541 6.2.3: 0001 0000, then the name as a literal.
    literal = b"\x10\x07x-token\x06secret"
    seen = []
    for stream in (1, 3, 5):
        block = kernel.client.block(GET) + literal
        kernel.say(frame(1, 5, stream, block))
        seen.append(kernel.requests[-1].request.fields[1])
    assert seen == [(b"x-token", b"secret")] * 3
    assert len({id(field) for field in seen}) == 3


def test_a_flood_of_values_that_never_repeat_does_not_push_out_those_that_do(kernel: Talk) -> None:
    hot: list[tuple[Text, Text]] = [(f"x-hot-{n}", "v") for n in range(10)]
    asked = [ask(kernel, stream, *hot)[1:11] for stream in (1, 3, 5, 7)]
    # Places follow from addresses: now and then one field too many has the same ones.
    kept = [a is b for a, b in zip(*asked[-2:], strict=True)]
    assert sum(kept) > 5
    for n in range(100):
        # Literals that are not indexed, as nginx and HAProxy send them.
        once = b"".join(b"\x00\x03x-%d\x04%04d" % (k, n) for k in range(10))
        stream = 9 + 2 * n
        kernel.say(frame(1, 5, stream, kernel.client.block([*GET, *hot]) + once))
        kernel.requests[-1].stream.respond(204, [], True)
        kernel.heard()
        fields = kernel.requests[-1].request.fields
        assert fields[11:] == [(b"x-%d" % k, b"%04d" % n) for k in range(10)]
        assert all(a is b for a, b, stays in zip(asked[-1], fields[1:11], kept, strict=True) if stays)


def test_one_connection_keeps_nothing_of_another(kernel_engine: MAKE) -> None:
    talks = [Talk(kernel_engine) for _ in range(2)]
    fields = [ask(talk, stream, ("user-agent", "x"))[1] for talk in talks for stream in (1, 3, 5)]
    assert fields[2] is not fields[5]


OpenTalk = Callable[..., Talk]


def test_one_byte_writes_cost_about_a_byte(open_talk: OpenTalk) -> None:
    import tracemalloc

    talk = open_talk(settings={4: 0}, server={})
    recorder = talk.serve()
    recorder.stream.write(b"first", False)
    tracemalloc.start()
    for n in range(200_000):
        recorder.stream.write(b"%c" % (n % 251), False)
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size < 500_000
    talk.say(talk.client.window(0, 10**6), talk.client.window(1, 10**6))
    recorder.stream.write(b"last", True)
    assert talk.bodies(talk.heard(10**6))[1] == b"first" + bytes(n % 251 for n in range(200_000)) + b"last"


# Nothing grows over streams, whatever becomes of them


def live(talk: Talk, stream: int) -> None:
    """One stream: each is another request, and ends in another way."""
    more: list[tuple[Text, Text]] = [(f"x-{stream % 97}", f"value {stream}"), ("cookie", f"id={stream}")]
    way = stream // 2 % 8
    if way == 0:
        talk.say(talk.client.headers(stream, changed(GET, *more, method=None), end=True))  # malformed
        return
    if way == 1:
        talk.say(talk.client.headers(stream, changed(GET, *more, path="/" + "x" * 100), end=True))  # 414
        return
    talk.say(talk.client.headers(stream, changed(POST, *more, path=f"/{stream}")), talk.client.data(stream, b"x" * 100))
    recorder = talk.requests.pop()
    if way == 2:
        talk.say(talk.client.reset(stream))
        return
    if way == 3:
        recorder.stream.reset(2)
        return
    recorder.stream.respond(200, [(b"x-stream", b"%d" % stream)], False)
    if way == 4:
        recorder.stream.write(b"y" * 70_000, False)
        talk.heard()
        talk.say(talk.client.reset(stream))
        return
    recorder.stream.write(b"y" * 100, way == 5)
    if way == 6:
        recorder.stream.finish([(b"x-sum", b"%d" % stream)])
    if way == 7:
        talk.heard()
        recorder.stream.reset(2)
        return
    talk.say(talk.client.data(stream, b"z", end=True))


def test_nothing_grows_over_streams(open_talk: OpenTalk) -> None:
    talk = open_talk(discard=1_000, limits={"path": 64})

    def blocks(first: int, count: int) -> int:
        for stream in range(first, first + 2 * count, 2):
            live(talk, stream)
            talk.heard()
            assert talk.engine.inflight == 0
            assert talk.engine.queued == 0
            if stream % 64 == 1:
                talk.say(talk.client.window(0, 2**20))
            talk.calls.clear()
            talk.faults.clear()
            talk.refused.clear()
            talk.requests.clear()
        gc.collect()
        return sys.getallocatedblocks()

    # What is remembered of late streams is full by then.
    before = blocks(1, 1_200)
    assert blocks(2_401, 800) - before < 160


def remembered(talk: Talk) -> int:
    size: int = talk.engine.remembered  # type: ignore[attr-defined] # the kernel's alone: pure keeps nothing
    return size


@pytest.mark.parametrize("secret", [*SECRETS, "cookie", "never indexed"])
def test_a_secret_is_not_even_held(kernel: Talk, secret: str) -> None:
    for stream in (1, 3, 5):
        ask(kernel, stream)
    before = remembered(kernel)
    for stream in (7, 9, 11):
        block = kernel.client.block(GET)
        block += b"\x10\x07x-token\x06secret" if secret == "never indexed" else kernel.client.block([(secret, "a secret")])
        kernel.say(frame(1, 5, stream, block))
        kernel.requests[-1].stream.respond(204, [], True)
        kernel.heard()
    assert remembered(kernel) == before
    # What is no secret is, sooner or later: its place depends on addresses.
    for stream in range(13, 213, 2):
        ask(kernel, stream, *[(f"x-{n}", "value") for n in range(20)])
    assert remembered(kernel) > before
    assert kernel.faults == []


def test_what_is_remembered_is_bounded(kernel: Talk) -> None:
    for n in range(200):
        for _ in range(2):
            ask(kernel, 2 * len(kernel.requests) + 1, *[(f"x-{k}", f"{n}" * 100) for k in range(8)])
        assert remembered(kernel) <= 32_768
    assert remembered(kernel) > 10_000
