"""What a proxy lacks is taken out of a site for a test, each thing once."""

from __future__ import annotations

from typing import Any

from tests.support.sites import without


def test_routes_go_as_a_whole_and_each_once() -> None:
    site: dict[str, Any] = {"sites": [{"hsts": {"max_age": "1y"}, "routes": [{"at": number} for number in range(12)]}]}
    paths: list[tuple[str | int, ...]] = [
        ("sites", 0, "routes", 9, "respond"), ("sites", 0, "routes", 10, "auth", "basic"), ("sites", 0, "routes", 10),
        ("sites", 0, "hsts", "max_age"), ("sites", 0, "limits", "request_body"),
    ]  # fmt: skip
    without(site, paths[:4])
    assert [route["at"] for route in site["sites"][0]["routes"]] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 11]
    assert site["sites"][0]["hsts"] == {}
    without(site, paths[4:])
    assert site == {"sites": []}
