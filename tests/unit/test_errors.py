"""The exception tree: who is at fault, how the process ends, and what else each error is."""

from __future__ import annotations

import inspect

import pytest

from appserver import errors
from appserver.errors import (
    ApplicationError,
    AppServerError,
    BodyTooLong,
    BodyTooShort,
    ClientDisconnected,
    ConfigError,
    InvalidMessage,
    MalformedRequest,
    PeerError,
    StartupError,
    UnexpectedMessage,
)

TREE: list[tuple[type[AppServerError], tuple[type[BaseException], ...], str, int]] = [
    (AppServerError, (Exception,), "internal", 1),
    (ConfigError, (AppServerError,), "configuration", 2),
    (StartupError, (AppServerError,), "configuration", 3),
    (PeerError, (AppServerError,), "peer", 1),
    (MalformedRequest, (PeerError,), "peer", 1),
    (ApplicationError, (AppServerError,), "application", 1),
    (UnexpectedMessage, (ApplicationError, RuntimeError), "application", 1),
    (InvalidMessage, (ApplicationError, ValueError), "application", 1),
    (BodyTooLong, (ApplicationError,), "application", 1),
    (BodyTooShort, (ApplicationError,), "application", 1),
    # ASGI: send() raises an OSError once the client has gone.
    (ClientDisconnected, (AppServerError, OSError), "transport", 1),
]


@pytest.mark.parametrize(("error", "bases", "domain", "code"), TREE, ids=[row[0].__name__ for row in TREE])
def test_the_tree(error: type[AppServerError], bases: tuple[type, ...], domain: str, code: int) -> None:
    assert error.__bases__ == bases
    assert error.domain == domain
    assert error.exit_code == code


def test_the_tree_is_whole() -> None:
    defined = {value for value in vars(errors).values() if inspect.isclass(value) and value.__module__ == errors.__name__}

    assert defined == {row[0] for row in TREE}
    assert sorted(errors.__all__) == sorted(error.__name__ for error in defined)


def test_the_drawing_names_each_error() -> None:
    drawing = errors.__doc__ or ""

    assert [error.__name__ for error, *_ in TREE if error.__name__ not in drawing] == []


def test_a_malformed_request_says_how_to_answer_it() -> None:
    error = MalformedRequest("a target with a fragment", 414)

    assert (str(error), error.reason, error.status) == ("a target with a fragment", "a target with a fragment", 414)
    assert MalformedRequest("no host").status == 400
