"""The application that a browser visits: `/` is a page that reports what it saw, `/seen` says what both sides saw.

The page is announced by a 103 and given only when its style sheet was asked for, as a browser does that heeds the 103.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

# In its first moments a browser reads a 103 and does nothing with it: then it is sent to the page once more.
HINT_SECONDS, SECONDS, VISITS = 1.0, 10.0, 5
AGAIN = b"<!doctype html><meta http-equiv=refresh content='0;url=/?%s'>"
PAGE = b"""<!doctype html><meta charset=utf-8><title>waits</title><link rel=stylesheet href=/style.css><p>page</p>
<script>
const socket = new WebSocket(`wss://${location.host}/echo`)
const report = what => fetch("/report", {method: "POST", body: JSON.stringify(what)})
socket.onopen = () => socket.send("hello from a page")
socket.onerror = () => report({error: "the WebSocket failed"})
socket.onmessage = ({data}) => report({
  echo: data,
  page: performance.getEntriesByType("navigation")[0].nextHopProtocol,
  color: getComputedStyle(document.querySelector("p")).color,
})
</script>"""

seen: dict[str, Any] = {"preloaded": False, "websocket": None, "page": None}
style_asked = asyncio.Event()


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer, and note what was seen."""
    if scope["type"] == "websocket":
        await echo(scope, receive, send)
    elif scope["type"] == "http":
        body, kind = await PATHS.get(scope["path"], nothing)(scope, receive, send)
        head = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), (b"cache-control", b"max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send each message back."""
    seen["websocket"] = {"version": scope["http_version"], "scheme": scope["scheme"]}
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def page(scope: Any, receive: Any, send: Any) -> tuple[bytes, bytes]:
    await asyncio.sleep(HINT_SECONDS)
    await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload; as=style"]})
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(style_asked.wait(), SECONDS)
        seen["preloaded"] = True
    visits = len(scope["query_string"])
    return (PAGE if seen["preloaded"] or visits == VISITS else AGAIN % (b"x" * (visits + 1))), b"text/html"


async def style(scope: Any, receive: Any, send: Any) -> tuple[bytes, bytes]:
    style_asked.set()
    return b"p { color: rgb(1, 2, 3) }", b"text/css"


async def report(scope: Any, receive: Any, send: Any) -> tuple[bytes, bytes]:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    seen["page"] = json.loads(body)
    return b"{}", b"application/json"


async def tell(scope: Any, receive: Any, send: Any) -> tuple[bytes, bytes]:
    return json.dumps(seen).encode(), b"application/json"


async def nothing(scope: Any, receive: Any, send: Any) -> tuple[bytes, bytes]:
    return b"", b"text/plain"


PATHS = {"/": page, "/style.css": style, "/report": report, "/seen": tell}
