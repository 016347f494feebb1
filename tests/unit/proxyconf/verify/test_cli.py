"""`proxyconf verify`: a mistake is one line that names it and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from proxyconf.cli.main import main

SITE = "sites: [{hostnames: [a.test], upstream: 'h2c://x:1'}]\n"


@pytest.fixture
def site(tmp_path: Path) -> str:
    path = tmp_path / "site.yaml"
    path.write_text(SITE)
    return str(path)


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        ([], 2, "proxyconf: verify takes a site file or --url, one of the two"),
        (["SITE", "--url", "https://a.test"], 2, "proxyconf: verify takes a site file or --url, one of the two"),
        (["SITE", "--target", "cady"], 2, "proxyconf: there is no proxy 'cady'; did you mean"),
        (["SITE", "--server", "hypercorm"], 2, "proxyconf: --server 'hypercorm' is not known; did you mean"),
        (["SITE", "--app", "a:b"], 2, "proxyconf: --app needs a server to run it: add --server appserver"),
        (["SITE", "--probe", "trailer"], 2, "proxyconf: there is no probe 'trailer'; did you mean"),
        (["SITE", "--output", "/dev/null/x"], 2, "proxyconf: --output /dev/null/x: Not a directory"),
        (["SITE", "--hostname", "b.test"], 2, "proxyconf: the site b.test has no route that forwards a whole path"),
        (["SITE", "--image", "shop/edge:1"], 2, "proxyconf: --image 'shop/edge:1': which proxy is in it? Write --image PROXY=shop/edge:1"),
        (["SITE", "--image", "cady=x"], 2, "proxyconf: there is no proxy 'cady'; did you mean"),
        (["SITE", "--image", "nginx:1", "--image", "nginx=x"], 2, "proxyconf: --image names two images for nginx"),
        (["SITE", "--image", "nginx=x", "--target", "caddy"], 2, "proxyconf: --image nginx=...: nginx is none of the targets"),
        (["--url", "https://a.test", "--image", "nginx:1"], 2, "proxyconf: --image runs a site file; --url probes what runs already"),
        (["--url", "a.test"], 2, "proxyconf: --url 'a.test' is no URL of a site; write https://HOST"),
        (["--url", "https://a.test:x"], 2, "proxyconf: --url 'https://a.test:x' is no URL"),
        (["--url", "https://127.0.0.1:1"], 4, "proxyconf: https://127.0.0.1:1: no connection to 127.0.0.1:1"),
        (["--url", "https://127.0.0.1:1", "--ca", "/nowhere"], 2, "proxyconf: --ca /nowhere: there is no such file"),
    ],
)
def test_a_mistake_is_one_line(
    site: str, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, complaint: str
) -> None:
    words = [site if word == "SITE" else word for word in arguments]
    assert main(["verify", *words]) == code
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert line.startswith(complaint)
    assert "Traceback" not in out + err
