"""How a running proxy is made to read its files again: as given, as the site says, in its own way, or it is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from proxyconf.proxies.contract import Program
from proxyconf.proxies.registry import proxy
from proxyconf.spec.read import SiteFile, load
from proxyconf.verbs.apply import NoWay, Order, apply, prepare, reloading

FOLDER = Path("/etc/proxy")


def site(target: str) -> SiteFile:
    return load("s", f"targets: [{{{target}}}]\nsites: [{{hostnames: [a.example], upstream: 'http://127.0.0.1:1'}}]".encode(), {})


@pytest.mark.parametrize(
    ("target", "command", "pid_file", "says"),
    [
        ("proxy: nginx", (), Path("/run/nginx.pid"), "SIGHUP to the process of /run/nginx.pid"),
        ("proxy: haproxy", (), Path("/run/h.pid"), "SIGUSR2 to the process of /run/h.pid"),
        ("proxy: haproxy, pid_file: /run/h.pid", (), None, "SIGUSR2 to the process of /run/h.pid"),
        ("proxy: nginx", ("systemctl", "reload", "nginx"), None, "'systemctl reload nginx'"),
        ("proxy: envoy, reload: systemctl restart envoy", (), None, "'systemctl restart envoy'"),
        # What is given wins against what the file says.
        ("proxy: envoy, reload: systemctl restart envoy", ("true",), None, "'true'"),
        ("proxy: nginx, reload: systemctl reload nginx", (), Path("/run/nginx.pid"), "SIGHUP to the process of /run/nginx.pid"),
        ('proxy: caddy, admin: "unix:/run/caddy.sock"', (), None,
         "'caddy reload --force --adapter caddyfile --config /etc/proxy/Caddyfile --address unix//run/caddy.sock'"),
    ],
)  # fmt: skip
def test_the_way(target: str, command: tuple[str, ...], pid_file: Path | None, says: str) -> None:
    file = site(target)
    assert str(reloading(file.spec.targets[0].proxy, file, FOLDER, command, pid_file)) == says


@pytest.mark.parametrize(
    ("target", "pid_file", "says"),
    [
        ("proxy: nginx", None, "/etc/proxy/nginx.pid is not there"),
        ("proxy: haproxy", None, "give --pid-file FILE"),
        ("proxy: caddy", None, "admin: unix:/run/caddy/admin.sock"),
        ("proxy: caddy", Path("/run/caddy.pid"), "caddy takes no signal"),
        ("proxy: envoy", None, "systemctl restart envoy"),
        ("proxy: envoy", Path("/run/envoy.pid"), "envoy takes no signal"),
        ("proxy: nginx, reload: \"systemctl 'reload\"", None, "targets: reload: No closing quotation"),
    ],
)
def test_no_way(target: str, pid_file: Path | None, says: str) -> None:
    file = site(target)
    with pytest.raises(NoWay) as raised:
        reloading(file.spec.targets[0].proxy, file, FOLDER, (), pid_file)
    assert says in str(raised.value)


def test_a_command_with_a_pid_file_has_its_proof_there() -> None:
    file = site("proxy: nginx, pid_file: /run/nginx.pid, reload: systemctl reload nginx")
    found = reloading("nginx", file, FOLDER)
    assert (found.words, found.pid_file) == (("systemctl", "reload", "nginx"), Path("/run/nginx.pid"))


@pytest.mark.parametrize(
    ("program", "signal"),
    [
        (Program((), (), (), reload=("kill", "-USR1", "{pid}")), "SIGUSR1"),
        (Program((), (), (), reload=("nginx", "-s", "reload"), reload_signal="SIGHUP"), "SIGHUP"),
        (Program((), (), (), reload=("caddy", "reload")), ""),
        (Program((), (), ()), ""),
    ],
)
def test_the_signal_of_a_program(program: Program, signal: str) -> None:
    assert program.signal == signal


def test_a_proxy_that_watches_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it reads at start only takes a restart; the rest takes nothing."""
    watched = replace(proxy("caddy").program, check=(), reload=(), watches=("Caddyfile",), settle_seconds=0.0)
    monkeypatch.setattr(type(proxy("caddy")), "program", watched)
    file = site("proxy: caddy")
    found = reloading("caddy", file, tmp_path)
    assert str(found) == "itself: it watches Caddyfile"
    order = Order(tmp_path)
    apply(order, prepare("caddy", file, order, found, None, Silent()), Silent())
    assert "Caddyfile" in [path.name for path in tmp_path.iterdir()]
    monkeypatch.setattr(type(proxy("caddy")), "program", replace(watched, watches=("dynamic.yaml",)))
    # Another site file, and nothing but the banner is otherwise.
    prepare("caddy", site("proxy: caddy, user: root"), order, reloading("caddy", file, tmp_path), None, Silent())
    (tmp_path / "Caddyfile").unlink()
    with pytest.raises(NoWay, match=r"caddy reads Caddyfile only when it starts"):
        prepare("caddy", file, order, reloading("caddy", file, tmp_path), None, Silent())


class Silent:
    def step(self, text: str) -> None:
        assert text
