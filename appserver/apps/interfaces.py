"""The interfaces an application may speak, by name, and what makes an `Application` of each.

    auto     what the callable looks like
    asgi3    (scope, receive, send), awaited
"""

from __future__ import annotations

from typing import Any

from appserver.apps.asgi.application import AsgiApplication
from appserver.apps.callables import kind, takes
from appserver.config.options import LifespanOptions, WebSocketOptions
from appserver.contract import Application
from appserver.errors import ConfigError
from appserver.http.answer import AnswerContext

__all__ = ["INTERFACES", "application", "interface_of"]

INTERFACES = ("auto", "asgi3")
# Asked for by users of other servers.
UNSERVED = {
    "asgi": "the name is asgi3",
    "asgi2": "wrap the application with asgiref.compatibility.guarantee_single_callable and choose asgi3",
    "wsgi": "WSGI comes in a later release; until then wrap the application with a2wsgi.WSGIMiddleware and choose asgi3",
    "rsgi": "RSGI is granian's own; most frameworks speak asgi3 as well",
}


def application(
    interface: str, app: Any, name: str, answers: AnswerContext, lifespan: LifespanOptions, root_path: str = "",
    root_path_in_target: bool = False, websocket: WebSocketOptions | None = None,
) -> Application:  # fmt: skip
    """Return what serves `app`, which the user knows as `name`, by one of INTERFACES; `websocket`: as by default.

    Raises ConfigError for an interface that is not served, or that `app` does not have.
    """
    interface_of(interface, app, name)
    return AsgiApplication(app, answers, lifespan, root_path, root_path_in_target, websocket)


def interface_of(interface: str, app: object, name: str) -> str:
    """Return the interface that `app` is served by; raises ConfigError as `application` does."""
    if interface not in INTERFACES:
        way_out = UNSERVED.get(interface, f"there is {', '.join(INTERFACES)}")
        raise ConfigError(f"interface {interface!r} is not served: {way_out}")
    _require_asgi3(app, name)
    return "asgi3"


def _require_asgi3(app: object, name: str) -> None:
    if not callable(app):
        raise ConfigError(f"application {name} is not callable but {kind(app)}")
    # A class whose instances can be awaited is an application too: Starlette's endpoints are.
    if isinstance(app, type) and "__await__" not in dir(app):
        raise ConfigError(_refused_class(app, name))
    if takes(app, 3) is False:
        raise ConfigError(f"application {name} {_other_interface(app)}")


def _other_interface(app: object) -> str:
    if takes(app, 2):
        return "is a WSGI application (environ, start_response); WSGI applications come in a later release"
    if takes(app, 1):
        return "takes one argument, as ASGI 2 did; ASGI 3 takes (scope, receive, send): wrap it with asgiref"
    if takes(app, 0):
        return "takes no arguments; if it returns the application, add --factory"
    return "does not take the three arguments of ASGI 3 (scope, receive, send)"


def _refused_class(app: type, name: str) -> str:
    if takes(app, 1) and "__call__" in vars(app):
        return f"application {name} is an ASGI 2 class; ASGI 3 takes (scope, receive, send): wrap it with asgiref"
    return f"application {name} is a class; name an instance of it, or add --factory if it takes no arguments"
