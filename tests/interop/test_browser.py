"""A browser: Chromium visits a page over TLS, heeds its 103, and opens a WebSocket within the same HTTP/2 connection."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.interop.test_clients import program
from tests.support.certificates import Authority
from tests.support.process import Server, best, until

APP = "tests.support.browser_app:app"
# A browser starts slowly where others work, too.
SECONDS = 90.0
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
)  # fmt: skip


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """Let Chromium visit the page; return what the application saw, and the events of its net log, with their types by name."""
    chromium = program("chromium")
    authority = Authority()
    issued = authority.issue(tmp_path, "a", ["localhost"])
    key = issued.certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pin = base64.b64encode(hashlib.sha256(key).digest()).decode("ascii")
    context = ssl.create_default_context(cafile=str(authority.write(tmp_path / "ca.pem")))
    tls = ("--certfile", issued.certfile, "--keyfile", issued.keyfile)
    with Server(APP, *tls, "--h2-engine", best()) as server, httpx.Client(verify=context, timeout=SECONDS) as client:
        url = f"https://localhost:{server.port}"

        def seen() -> dict[str, Any]:
            found: dict[str, Any] = client.get(f"{url}/seen").json()
            return found

        command = [
            chromium, *QUIET, f"--user-data-dir={tmp_path}/profile", f"--log-net-log={tmp_path}/net.json",
            "--net-log-capture-mode=Everything", f"--ignore-certificate-errors-spki-list={pin}", "--remote-debugging-port=0", url,
        ]  # fmt: skip
        with open(tmp_path / "chromium.log", "wb") as log:
            browser = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            try:
                until(lambda: seen()["page"] is not None or browser.poll() is not None, "the page reports", SECONDS)
                # It writes the end of its log when it is asked to end.
                browser.send_signal(signal.SIGTERM)
                browser.wait(SECONDS)
            except BaseException:
                print((tmp_path / "chromium.log").read_text("utf-8", "replace")[-5_000:], seen())
                raise
            finally:
                end_group(browser)
        yield seen(), events(tmp_path / "net.json")
        assert server.stop() == 0
        assert "CRITICAL" not in server.said


def end_group(browser: subprocess.Popen[bytes]) -> None:
    """End the browser and its helpers, which are a group of their own."""
    try:
        os.killpg(browser.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    browser.wait(SECONDS)


def events(path: Path) -> list[dict[str, Any]]:
    """Read a net log, which may lack its end if the browser was in a hurry to leave."""
    text = path.read_text("utf-8")
    try:
        document = json.loads(text)
    except json.JSONDecodeError:
        # One event to a line, each with a comma behind it; the last line may be cut.
        document = json.loads(text[: text.rindex("},\n") + 1] + "]}")
    names = {number: name for name, number in document["constants"]["logEventTypes"].items()}
    return [{"name": names[event["type"]], **event.get("params", {})} for event in document["events"]]


def test_a_visit(visit: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    seen, log = visit
    assert seen["page"] == {"echo": "hello from a page", "page": "h2", "color": "rgb(1, 2, 3)"}
    assert seen["websocket"] == {"version": "2", "scheme": "wss"}
    assert seen["preloaded"]

    sent = [fields(event) for event in log if event["name"] == "HTTP2_SESSION_SEND_HEADERS"]
    received = [fields(event) for event in log if event["name"] == "HTTP2_SESSION_RECV_HEADERS"]
    hints = [head for head in received if head.get(":status") == "103"]
    assert {head["link"] for head in hints} == {"</style.css>; rel=preload; as=style"}
    (tunnel,) = [head for head in sent if head.get(":method") == "CONNECT"]
    assert (tunnel[":protocol"], tunnel[":path"], tunnel["sec-websocket-version"]) == ("websocket", "/echo", "13")
    # One connection for all of it.
    assert len([event for event in log if event["name"] == "HTTP2_SESSION_INITIALIZED"]) == 1


def fields(event: dict[str, Any]) -> dict[str, str]:
    """Return the fields of an event about headers."""
    return dict(line.split(": ", 1) if ": " in line else (line, "") for line in event.get("headers", []))
