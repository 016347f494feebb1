"""The log of a test: which events were logged, with which values."""

from __future__ import annotations

import logging
from typing import Any

from appserver.events import Event, logger

__all__ = ["EventLog"]


class EventLog(logging.Handler):
    """Collects what `Event.log` says, whatever the logger is configured to."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def open(self) -> None:
        self._level, self._propagate = logger.level, logger.propagate
        logger.addHandler(self)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False

    def shut(self) -> None:
        logger.removeHandler(self)
        logger.setLevel(self._level)
        logger.propagate = self._propagate

    @property
    def names(self) -> list[str]:
        return [str(getattr(record, "event", record.msg)).upper() for record in self.records]

    @property
    def texts(self) -> list[str]:
        return [record.getMessage() for record in self.records]

    def only(self, event: Event) -> dict[str, Any]:
        """Return the values of the one event that was logged."""
        assert self.names == [event.name], self.texts
        values: dict[str, Any] = vars(self.records[0])["values"]
        return values

    def error(self) -> BaseException | None:
        """Return the exception that the one record carries."""
        (record,) = self.records
        return record.exc_info[1] if record.exc_info else None
