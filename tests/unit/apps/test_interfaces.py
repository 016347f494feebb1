"""Interfaces by name: what serves an application, and the way out where nothing does."""

from __future__ import annotations

from typing import Any

import pytest

from appserver.apps.asgi.application import AsgiApplication
from appserver.apps.interfaces import INTERFACES, application
from appserver.config.options import LifespanOptions
from appserver.contract import Application
from appserver.errors import ConfigError
from appserver.http.answer import AnswerContext


async def app(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI 3 application."""


def wsgi(environ: Any, start_response: Any) -> list[bytes]:
    return []


def made(interface: str, app: Any = app) -> Application:
    return application(interface, app, "main:app", AnswerContext(), LifespanOptions(), "/mounted")


@pytest.mark.parametrize("interface", INTERFACES)
def test_an_asgi_application(interface: str) -> None:
    assert isinstance(made(interface), AsgiApplication)


@pytest.mark.parametrize(
    ("interface", "way_out"),
    [
        ("asgi", "the name is asgi3"),
        ("asgi2", "guarantee_single_callable"),
        ("wsgi", "a2wsgi.WSGIMiddleware"),
        ("rsgi", "most frameworks speak asgi3"),
        ("", "there is auto, asgi3"),
        ("ASGI3", "there is auto, asgi3"),
    ],
)
def test_an_interface_that_is_not_served(interface: str, way_out: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(interface)

    assert str(caught.value).startswith(f"interface {interface!r} is not served: ")
    assert way_out in str(caught.value)


@pytest.mark.parametrize("interface", INTERFACES)
def test_an_application_of_another_interface(interface: str) -> None:
    with pytest.raises(ConfigError, match=r"^application main:app is a WSGI application"):
        made(interface, wsgi)
