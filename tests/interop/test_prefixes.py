"""Under a prefix that the proxy takes off or leaves in the target, frameworks build the URLs that a browser can use."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support.process import Server, best

PREFIX = "/shop"


@pytest.fixture(scope="module", params=["taken off", "left in"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[Server, str]]:
    """The server, and what its proxy puts in front of a path."""
    left_in = request.param == "left in"
    words = ("--root-path", PREFIX, *(["--root-path-in-target"] if left_in else []))
    with Server("tests.interop.frameworks.mounted:app", "--h2-engine", best(), *words) as server:
        yield server, PREFIX if left_in else ""
        assert server.stop() == 0


@pytest.mark.parametrize("framework", ["starlette", "fastapi", "django"])
def test_urls(server: tuple[Server, str], framework: str) -> None:
    running, sent = server
    with httpx.Client(base_url=running.url + sent, headers={"x-framework": framework, "host": "shop.test"}, timeout=10) as proxy:
        assert proxy.get("/where").json() == [f"http://shop.test{PREFIX}/item/7", f"http://shop.test{PREFIX}/where"]
        redirect = proxy.get("/folder")
        assert redirect.status_code in (301, 307)
        assert redirect.headers["location"] in (f"http://shop.test{PREFIX}/folder/", f"{PREFIX}/folder/")
        assert proxy.get("/folder/").status_code == 200
        assert proxy.get("/static/hello.txt").text == "hello from a file\n"
        assert proxy.get("/nowhere").status_code == 404


def test_the_documentation_of_fastapi(server: tuple[Server, str]) -> None:
    running, sent = server
    with httpx.Client(base_url=running.url + sent, headers={"x-framework": "fastapi"}, timeout=10) as proxy:
        assert f"url: '{PREFIX}/openapi.json'" in proxy.get("/docs").text
        assert proxy.get("/openapi.json").json()["servers"] == [{"url": PREFIX}]


@pytest.mark.parametrize("framework", ["starlette", "fastapi", "django"])
def test_a_prefix_host_and_port_that_the_proxy_tells(framework: str) -> None:
    told = {
        "x-framework": framework, "x-forwarded-prefix": PREFIX, "x-forwarded-host": "shop.test", "x-forwarded-port": "8443",
        "x-forwarded-proto": "https",
    }  # fmt: skip
    words = ("--forwarded-fields", "for,proto,host,port,prefix")
    with Server("tests.interop.frameworks.mounted:app", "--h2-engine", best(), *words) as server:
        with httpx.Client(base_url=server.url, headers=told, timeout=10) as proxy:
            url = f"https://shop.test:8443{PREFIX}"
            assert proxy.get("/where").json() == [f"{url}/item/7", f"{url}/where"]
            assert proxy.get("/folder").headers["location"] in (f"{url}/folder/", f"{PREFIX}/folder/")
        assert server.stop() == 0
