"""`proxyconf verify --image`: the proxy in a container of a real engine, the same probes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import docker
import pytest

from bench.release import Release, missing
from proxyconf.cli.main import main
from proxyconf.spec.read import load
from proxyconf.verbs.verify import Run, chosen, verify_site
from proxyconf.verify.container import LABEL
from proxyconf.verify.outcome import Report, Verdict
from tests.containers.engine import VERSION, answers, debian_image, engine, program_image
from tests.interop.hop import installed
from tests.interop.verify_targets import Quiet

SITE = """
upstreams: {app: {servers: ["app1:8000", "app2:8000"], health_check: {path: /healthz}}}
sites: [{hostnames: [shop.test], upstream: app}]
"""
SOCKET = "sites: [{hostnames: [shop.test], upstream: 'h2c://unix:/run/app.sock'}]\n"


class Silent(Quiet):
    def step(self, text: str) -> None:
        pass


def lacking() -> str:
    """Say what is missing on this machine."""
    if answers():
        return ""
    if os.geteuid() != 0 or shutil.which("dockerd") is None:
        return "no Docker engine answers and none can be started: it takes root and dockerd (tools/packages.sh containers)"
    return ""


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[docker.DockerClient]:
    """Return a client of an engine: the machine's, or one for these tests."""
    if reason := lacking():
        (pytest.fail if "LASTHOP_CI" in os.environ else pytest.skip)(reason)
    with ExitStack() as exits:
        if not answers():
            address = exits.enter_context(engine(tmp_path_factory.mktemp("d")))
            exits.enter_context(pytest.MonkeyPatch.context()).setenv("DOCKER_HOST", address)
        yield exits.enter_context(closing(docker.DockerClient.from_env(version=VERSION)))


@pytest.fixture(scope="module")
def images(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Return an image for each proxy that is tried."""
    if reason := missing():
        pytest.skip(f"no release of Debian to make an image of: {reason}")
    caddy = next((one.program for one in installed("caddy")), None)
    if caddy is None:
        pytest.skip("caddy is not installed")
    folder, root = tmp_path_factory.mktemp("images"), Release.named("forky").ensure(["nginx", "haproxy"]).root
    debian = debian_image(client, root, "lasthop-test/proxies:forky", folder)
    made = {"nginx": debian, "haproxy": debian, "caddy": program_image(client, Path(caddy), "lasthop-test/caddy:2", folder)}
    yield made
    for name in sorted(set(made.values())):
        client.images.remove(name, force=True)


def tried(name: str, image: str, site: str, *probes: str) -> Report:
    return verify_site(load("site.yaml", site.encode(), {}), name, Run(image=image), chosen(probes), Silent())


def failed(report: Report) -> dict[str, str]:
    return {result.probe.id: result.text for result in report.failed}


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_a_proxy_in_its_image_answers_every_probe(images: dict[str, str], client: docker.DockerClient, name: str) -> None:
    report = tried(name, images[name], SOCKET)
    assert failed(report) == {}
    passed = {result.probe.id for result in report.results if result.verdict is Verdict.PASSED}
    assert {"hop-protocol", "client-address", "spoofing", "smuggling-http1", "reload", "stop-proxy"} <= passed
    assert client.containers.list(all=True, filters={"label": LABEL}) == []


def test_a_reload_by_a_command_runs_in_the_container(images: dict[str, str]) -> None:
    names = ("client-address", "health-check", "reload", "stop-proxy")
    report = tried("caddy", images["caddy"], SITE, *names)
    assert failed(report) == {}
    assert [result.verdict for result in report.results] == [Verdict.PASSED] * len(names)


def test_what_was_rendered_cannot_be_written_from_within(images: dict[str, str], tmp_path: Path) -> None:
    from proxyconf.verify.container import Image
    from proxyconf.verify.program import Program

    tmp_path.joinpath("nginx.conf").write_text("as it was")
    program = Program("sh", ("sh", "-c", "echo free > log; echo other > nginx.conf"), tmp_path, (), fixed=(tmp_path / "nginx.conf",))
    with closing(Image(images["nginx"], print)) as image:
        running = image.start(program)
        assert running.wait(30)
        running.kill()
    assert running.code != 0
    assert tmp_path.joinpath("nginx.conf").read_text() == "as it was"
    assert tmp_path.joinpath("log").read_text() == "free\n"
    assert "Read-only file system" in program.log.read_text()


def test_the_command_takes_an_image_and_keeps_the_log(images: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(SOCKET)
    out = tmp_path / "out"
    assert main(["verify", str(site), "--image", f"nginx={images['nginx']}", "--probe", "host", "-o", str(out)]) == 0
    assert "1 passed, 0 failed, 0 skipped." in capsys.readouterr().out
    assert {path.name for path in (out / "nginx").iterdir()} == {"nginx.conf", "nginx.log", "origin.log"}


@pytest.mark.parametrize(
    ("image", "code", "said"),
    [
        ("nginx=lasthop-test/nowhere:1", 5, "proxyconf: the image lasthop-test/nowhere:1 is not on this machine and could not be pulled: "),
        ("nginx=IMAGE-OF-CADDY", 5, "proxyconf: nginx in the image lasthop-test/caddy:2 cannot be run: "),
    ],
)
def test_an_image_that_does_not_fit_is_one_line(
    images: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], image: str, code: int, said: str
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(SOCKET)
    assert main(["verify", str(site), "--image", image.replace("IMAGE-OF-CADDY", images["caddy"])]) == code
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert "Traceback" not in err


def test_no_engine_is_said_with_the_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")
    site = tmp_path / "site.yaml"
    site.write_text(SOCKET)
    assert main(["verify", str(site), "--image", "nginx:1.31"]) == 5
    err = capsys.readouterr().err
    assert err == (
        f"proxyconf: no Docker engine answers at unix://{tmp_path}/nobody.sock; start one, or leave --image out and install the proxy\n"
    )
