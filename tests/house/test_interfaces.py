"""The option names the interfaces that there are: `config` stands below `apps` and cannot ask."""

from __future__ import annotations

from appserver.apps.interfaces import INTERFACES
from appserver.config.catalog import OPTIONS


def test_the_choices_are_the_interfaces() -> None:
    assert OPTIONS["server.interface"].choices == INTERFACES
