"""The application under test in tests/live: plain ASGI, one endpoint for each thing it may do, right or wrong.

A request with `?id=X` leaves notes, which `/notes?id=X` returns as a JSON list. PROBE_LOG names a file that
is told of startup, shutdown and work in the background, for what outlives the server.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

notes: defaultdict[str, list[Any]] = defaultdict(list)
gates: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Call:
    """One request, with what the endpoints need of it."""

    def __init__(self, scope: Message, receive: Receive, send: Send) -> None:
        self.scope, self.receive, self.send = scope, receive, send
        self.query = dict(parse_qsl(scope["query_string"].decode("ascii")))
        self.id = self.query.get("id", "")

    def number(self, name: str, default: int = 0) -> int:
        return int(self.query.get(name, default))

    def note(self, what: Any) -> None:
        if self.id:
            notes[self.id].append(what)

    async def start(self, status: int = 200, *fields: tuple[bytes, bytes], **more: Any) -> None:
        await self.send({"type": "http.response.start", "status": status, "headers": list(fields), **more})

    async def body(self, body: bytes = b"", more: bool = False) -> None:
        await self.send({"type": "http.response.body", "body": body, "more_body": more})

    async def answer(self, body: bytes, status: int = 200, *fields: tuple[bytes, bytes]) -> None:
        await self.start(status, (b"content-length", b"%d" % len(body)), *fields)
        await self.body(body)

    async def json(self, value: Any) -> None:
        await self.answer(json.dumps(value).encode(), 200, (b"content-type", b"application/json"))

    async def read(self) -> bytes:
        pieces, more = [], True
        while more:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                self.note("http.disconnect")
                raise ConnectionError
            pieces.append(message["body"])
            more = message["more_body"]
        return b"".join(pieces)


Endpoint = Callable[[Call], Awaitable[None]]
endpoints: dict[str, Endpoint] = {}


def at(path: str) -> Callable[[Endpoint], Endpoint]:
    def register(endpoint: Endpoint) -> Endpoint:
        endpoints[path] = endpoint
        return endpoint

    return register


def log(word: str) -> None:
    if "PROBE_LOG" in os.environ:
        with open(os.environ["PROBE_LOG"], "a", encoding="utf-8") as file:
            file.write(word + "\n")


async def app(scope: Message, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    call = Call(scope, receive, send)
    call.note("begun")
    try:
        await endpoints.get(scope["path"], missing)(call)
    except BaseException as error:
        call.note(type(error).__name__)
        raise
    finally:
        call.note("over")


async def lifespan(scope: Message, receive: Receive, send: Send) -> None:
    await receive()
    log("startup")
    scope["state"].update({"made": "at startup", "shared": []})
    await send({"type": "lifespan.startup.complete"})
    await receive()
    log("shutdown")
    await send({"type": "lifespan.shutdown.complete"})


async def missing(call: Call) -> None:
    await call.answer(b"no such endpoint\n", 404)


# What a test asks about


@at("/notes")
async def told(call: Call) -> None:
    """The notes of `id`."""
    await call.json(notes[call.query["of"]])


@at("/tasks")
async def tasks(call: Call) -> None:
    """How many tasks there are, this one and the worker's own included."""
    await call.json(len(asyncio.all_tasks()))


@at("/open")
async def open_gate(call: Call) -> None:
    """Once the whole request is there: who was let in may wait with its body."""
    while (await call.receive()).get("more_body"):
        pass
    gates[call.query["gate"]].set()
    await call.answer(b"opened")


@at("/scope")
async def scope(call: Call) -> None:
    state = dict(call.scope.get("state", {}))
    call.scope.get("state", {})["mine"] = "changed by a request"
    shown = {key: value for key, value in call.scope.items() if key not in ("headers", "state")}
    headers = [[name.decode("latin-1"), value.decode("latin-1")] for name, value in call.scope["headers"]]
    await call.answer(json.dumps({**shown, "headers": headers, "state": state}, default=repr).encode())


@at("/loaded")
async def loaded(call: Call) -> None:
    """The modules of this worker."""
    await call.json(sorted(sys.modules))


# Answers


@at("/hello")
async def hello(call: Call) -> None:
    await call.answer(b"hello")


@at("/digest")
async def digest(call: Call) -> None:
    body = await call.read()
    await call.json({"size": len(body), "sha256": hashlib.sha256(body).hexdigest()})


@at("/ignore")
async def ignore(call: Call) -> None:
    """Answer without a look at the body."""
    await call.answer(b"ignored")


@at("/echo")
async def echo(call: Call) -> None:
    """Send each piece of the body back as it comes."""
    await call.start()
    more = True
    while more:
        message = await call.receive()
        if message["type"] == "http.disconnect":
            call.note("http.disconnect")
            return
        more = message["more_body"]
        await call.body(message["body"], more)


@at("/stream")
async def stream(call: Call) -> None:
    """`parts` parts of `size` bytes, `pause` milliseconds between."""
    await call.start()
    part = bytes(range(256)) * (call.number("size", 256) // 256)
    for _ in range(call.number("parts", 1)):
        await call.body(part, True)
        call.note("sent")
        if "pause" in call.query:
            await asyncio.sleep(call.number("pause") / 1000)
    await call.body()


@at("/slow")
async def slow(call: Call) -> None:
    await asyncio.sleep(call.number("ms") / 1000)
    await call.answer(call.id.encode())


@at("/gate")
async def gate(call: Call) -> None:
    """Answer once somebody has opened the gate."""
    call.note("waiting")
    await gates[call.query["gate"]].wait()
    await call.answer(b"through")


@at("/status")
async def status(call: Call) -> None:
    """Answer with `status`, and a body whether it may have one or not."""
    fields = [(b"content-length", b"4")] if "length" in call.query else []
    await call.start(call.number("status"), *fields)
    await call.body(b"body" if "empty" not in call.query else b"")


@at("/early")
async def early(call: Call) -> None:
    await call.send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
    await call.answer(b"late")


@at("/trailers")
async def trailers(call: Call) -> None:
    await call.start(200, trailers=True)
    for n in range(call.number("parts", 1)):
        await call.body(b"part %d\n" % n, True)
    await call.body()
    fields = [(b"x-sum", b"abc")] + [(b"x-%d" % n, b"v") for n in range(call.number("more"))]
    await call.send({"type": "http.response.trailers", "headers": fields})


@at("/fields")
async def fields(call: Call) -> None:
    """Answer with `count` fields of `size` bytes."""
    made = [(b"x-%d" % n, b"v" * call.number("size")) for n in range(call.number("count"))]
    await call.answer(b"fields", 200, *made)


@at("/background")
async def background(call: Call) -> None:
    """Go on after the answer."""
    await call.answer(b"answered")
    await asyncio.sleep(call.number("ms") / 1000)
    log("background")


@at("/stubborn")
async def stubborn(call: Call) -> None:
    """Ignore being cancelled."""
    log("stubborn")
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            log("cancelled")


@at("/thread")
async def thread(call: Call) -> None:
    """Block a thread; with `wait=0` answer at once, and leave it to itself."""

    def block() -> None:
        time.sleep(call.number("ms") / 1000)
        log("ended")

    log("thread")
    running = asyncio.get_running_loop().run_in_executor(None, block)
    if call.number("wait", 1):
        await running
    await call.answer(b"")


# Wrong answers


@at("/lie")
async def lie(call: Call) -> None:
    """Declare `declared` bytes and send `sent`, in `parts`."""
    await call.start(200, (b"content-length", b"%d" % call.number("declared")))
    size, parts = call.number("sent"), call.number("parts", 1)
    for n in range(parts):
        await call.body(b"x" * (size // parts), n < parts - 1)


@at("/raise")
async def fail(call: Call) -> None:
    when = call.query["when"]
    if "later" in call.query:
        await asyncio.sleep(0)
    if when == "middle":
        fields = [(b"content-length", b"100")] if "length" in call.query else []
        await call.start(200, *fields)
        await call.body(b"half of it", True)
        await asyncio.sleep(call.number("ms") / 1000)
    elif when == "end":
        await call.answer(b"whole")
    raise ERRORS[call.query.get("error", "ValueError")](f"raised at {when}")


class Unusual(BaseException):
    """Not even an Exception."""


ERRORS: dict[str, type[BaseException]] = {
    error.__name__: error
    for error in (ValueError, SystemExit, KeyboardInterrupt, Unusual, StopIteration, GeneratorExit,
                  StopAsyncIteration, asyncio.CancelledError, MemoryError, OSError)
}  # fmt: skip


@at("/silent")
async def silent(call: Call) -> None:
    """Return without a word."""


@at("/half")
async def half(call: Call) -> None:
    """Return in the middle of the body."""
    await call.start()
    await call.body(b"half of it", True)


@at("/twice")
async def twice(call: Call) -> None:
    await call.answer(b"once")
    await call.answer(b"twice")


WRONG: dict[str, Any] = {
    "no-type": {"status": 200},
    "unknown-type": {"type": "http.response.nonsense"},
    "body-first": {"type": "http.response.body", "body": b"early"},
    "no-status": {"type": "http.response.start"},
    "text-status": {"type": "http.response.start", "status": "200"},
    "status-0": {"type": "http.response.start", "status": 0},
    "status-101": {"type": "http.response.start", "status": 101},
    "status-1000": {"type": "http.response.start", "status": 1000},
    "text-fields": {"type": "http.response.start", "status": 200, "headers": [("x-name", "value")]},
    "no-pairs": {"type": "http.response.start", "status": 200, "headers": [b"x-name"]},
    "none-fields": {"type": "http.response.start", "status": 200, "headers": None},
    "number-fields": {"type": "http.response.start", "status": 200, "headers": 5},
    "empty-name": {"type": "http.response.start", "status": 200, "headers": [(b"", b"v")]},
    "space-name": {"type": "http.response.start", "status": 200, "headers": [(b"x name", b"v")]},
    "colon-name": {"type": "http.response.start", "status": 200, "headers": [(b":status", b"500")]},
    "split-name": {"type": "http.response.start", "status": 200, "headers": [(b"x\r\nset-cookie", b"v")]},
    "split-value": {"type": "http.response.start", "status": 200, "headers": [(b"x", b"v\r\nset-cookie: a=b")]},
    "line-value": {"type": "http.response.start", "status": 200, "headers": [(b"x", b"v\nw")]},
    "nul-value": {"type": "http.response.start", "status": 200, "headers": [(b"x", b"v\0w")]},
    "two-lengths": {"type": "http.response.start", "status": 200,
                    "headers": [(b"content-length", b"1"), (b"content-length", b"2")]},
    "text-length": {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"many")]},
    "minus-length": {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"-1")]},
    "not-a-dict": [1, 2, 3],
    "none": None,
}  # fmt: skip


@at("/wrong")
async def wrong(call: Call) -> None:
    """Send a wrong message first."""
    await call.send(WRONG[call.query["kind"]])


@at("/wrong-body")
async def wrong_body(call: Call) -> None:
    """Send a wrong body after a right start."""
    await call.start()
    bodies: dict[str, Any] = {"text": "text", "none": None, "number": 5, "list": [1]}
    await call.send({"type": "http.response.body", "body": bodies[call.query["kind"]]})


@at("/bytes-like")
async def bytes_like(call: Call) -> None:
    await call.start(200, (bytearray(b"X-Like"), memoryview(b"bytes")))  # type: ignore[arg-type]  # some frameworks do
    await call.send({"type": "http.response.body", "body": bytearray(b"one "), "more_body": True})
    await call.send({"type": "http.response.body", "body": memoryview(b"two")})


# Receiving, and clients that leave


@at("/wait")
async def wait(call: Call) -> None:
    """Wait in `receive` until the client is gone, then say what each kind of send does."""
    await call.read()
    call.note("waiting")
    messages = await asyncio.gather(*(call.receive() for _ in range(call.number("receivers", 1))))
    for message in messages:
        call.note(message["type"])
    for message in LAST_WORDS:
        try:
            await call.send(message)
            call.note("sent")
        except OSError as error:
            call.note(type(error).__name__)


LAST_WORDS: list[Message] = [
    {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]},
    {"type": "http.response.start", "status": 200, "trailers": True},
    {"type": "http.response.body", "body": b"for who still reads", "more_body": True},
    {"type": "http.response.body", "body": b""},
    {"type": "http.response.trailers", "headers": []},
]


@at("/drip")
async def drip(call: Call) -> None:
    """Send a byte each few milliseconds until the client is gone."""
    await call.start()
    gone = asyncio.ensure_future(call.receive() if call.scope["method"] == "GET" else leaving(call))
    if call.scope["method"] == "GET":
        await gone
        gone = asyncio.ensure_future(call.receive())
    with suppress(OSError):  # a send may be the first to say so
        while not gone.done():
            await call.body(b".", True)
            await asyncio.sleep(0.005)
    call.note((await gone)["type"])


async def leaving(call: Call) -> Message:
    while (message := await call.receive())["type"] == "http.request":
        call.note("body")
    return message


@at("/flood")
async def flood(call: Call) -> None:
    """Send `mib` MiB as fast as it goes, and note each one that was taken."""
    await call.start()
    for _ in range(call.number("mib")):
        for _ in range(16):
            await call.body(bytes(65_536), True)
        call.note("sent")
    await call.body()
    call.note("done")


@at("/endless")
async def endless(call: Call) -> None:
    """Send without an end, and without a look at anything else."""
    await call.start()
    while True:
        await call.body(bytes(call.number("size", 65_536)), True)


@at("/swallow")
async def swallow(call: Call) -> None:
    """As `/endless`, but for an error of send: that is swallowed, whatever it is."""
    await call.start()
    while not gates[call.query["gate"]].is_set():
        with suppress(Exception):
            await call.body(bytes(65_536), True)


@at("/receive-task")
async def receive_task(call: Call) -> None:
    """`receive` as a task, `send` as one too."""
    receiving: Any = call.receive()  # ASGI says awaitable, create_task wants a coroutine
    message = await asyncio.create_task(receiving)
    body = json.dumps([message["body"].decode(), message["more_body"]]).encode()
    await asyncio.create_task(call.start())
    done = call.send({"type": "http.response.body", "body": body})
    await asyncio.gather(done)


@at("/receive-timeout")
async def receive_timeout(call: Call) -> None:
    """A `receive` that is given up, then one that is not."""
    seen: list[Any] = []
    for seconds in (0.05, 0.05, 5):
        if len(seen) == 2:
            call.note("given up")
        try:
            message = await asyncio.wait_for(call.receive(), seconds)
            seen.append([message["type"], message.get("body", b"").decode()])
        except TimeoutError:
            seen.append("timeout")
    await call.json(seen)


@at("/context")
async def context(call: Call) -> None:
    """Set a context variable; answer with what it was before."""
    before = variable.get()
    variable.set(call.query.get("set", ""))
    if "ms" in call.query:
        await asyncio.sleep(call.number("ms") / 1000)
    if "body" in call.query:
        await call.read()
    assert variable.get() == call.query.get("set", "")
    await call.answer(before.encode())


@at("/task")
async def task(call: Call) -> None:
    """Tell about the current task, before and after a wait."""
    first = asyncio.current_task()
    await asyncio.sleep(0)
    second = asyncio.current_task()
    await call.json([isinstance(first, asyncio.Task), first is second, first in asyncio.all_tasks()])


@at("/scopes")
async def scopes(call: Call) -> None:
    """anyio: a scope that times out around `receive`, a task group, a cancelled child."""
    import anyio

    await call.read()
    seen: list[Any] = []
    with anyio.move_on_after(0.02) as scope:
        await call.receive()
    seen.append(scope.cancelled_caught)
    async with anyio.create_task_group() as group:
        group.start_soon(anyio.sleep_forever)
        await anyio.sleep(0)
        group.cancel_scope.cancel()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.sleep_forever()
    seen.append(scope.cancelled_caught)
    seen.append(await anyio.to_thread.run_sync(lambda: "thread"))
    await call.json(seen)
