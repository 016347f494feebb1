"""Plans, sizes and commands: what is decided before anything is measured."""

from __future__ import annotations

import io
import ssl
from pathlib import Path

import pytest

from bench import bodies, report
from bench.__main__ import options, passed_on, planned
from bench.certificate import Certificate, make
from bench.machine import own_shortcoming
from bench.place import ROOT
from bench.progress import Progress
from bench.runner import Bench, Plan
from bench.scenarios import SCENARIOS, named
from bench.servers import SERVERS, is_ours, kernel_at
from bench.servers import named as servers_named


def plan(*arguments: str) -> Plan:
    return planned(options(["--seed=1", *arguments]), Path("/venv/bin"), Path("/loadgen"))


def test_scenarios_of_one_application_stand_together() -> None:
    processes = [(group[0].app, group[0].tls) for group in plan().groups()]
    assert len(processes) == len(set(processes))
    assert ("apps:hello", True) in processes


def test_every_connection_has_its_share_and_every_stream_is_used() -> None:
    scenario = named(["h2-c16-m16"])[0]
    assert scenario.sized(100_000, 2.0) == 200_000
    assert scenario.sized(1, 1) == 256


def test_the_limit_gets_only_what_a_file_can_answer() -> None:
    limit = next(server for server in SERVERS if server.id == "nghttpd")
    assert [scenario.id for scenario in SCENARIOS if limit.serves(scenario)] == [
        "road-h2-literal", "road-h2-indexed", "h2-c16-m16", "h2-c64-m1", "h2-c1-m1", "h2-tls-c16-m16", "h2-body1m",
        "h2-file128k", "h2-file10m",
    ]


def test_the_road_comes_first_and_everything_else_is_marked() -> None:
    assert [scenario.id for scenario in SCENARIOS[:3]] == ["road-h2-literal", "road-h2-indexed", "road-h1"]
    assert [scenario.varied for scenario in SCENARIOS] == [True] * 3 + [False] * (len(SCENARIOS) - 3)
    assert all(scenario.heading.endswith("(heads repeat)") != scenario.websocket for scenario in SCENARIOS[3:])


def test_forwarding_is_switched_on_for_the_road_only() -> None:
    h2corn, granian = servers_named(["h2corn", "granian"])
    paths = (Path("/venv/bin"), "apps:hello", 8000, Path("/www"))
    assert "--proxy-headers" not in h2corn.argv(*paths)
    assert "--proxy-headers" in h2corn.argv(paths[0], "apps:road", *paths[2:])
    assert granian.argv(paths[0], "apps:road", *paths[2:])[1] == "granian_apps:road"
    assert granian.argv(*paths)[1] == "apps:hello"


def test_through_a_proxy_the_scenarios_are_others_and_every_application_server_takes_part() -> None:
    hop = plan("--hop=caddy")
    assert [scenario.id for scenario in hop.scenarios] == ["hop-get", "hop-post64k", "hop-stream1m"]
    measured = {server.id for server in hop.servers if hop.serves(server, hop.scenarios[0])}
    assert measured == {server.id for server in SERVERS} - {"nghttpd"}
    assert [scenario.id for scenario in plan("--hop=caddy", "--quick").scenarios] == ["hop-get"]


def test_another_checkout_stands_beside_ours() -> None:
    other = kernel_at("main", Path("/other/bin"))
    both = planned(options(["--seed=1", "--server=kernel"]), Path("/venv/bin"), Path("/loadgen"), [other])
    assert [server.id for server in both.servers] == ["kernel@main", "kernel"]
    assert other.argv(Path("/venv/bin"), "apps:road", 80, Path("/www"))[0] == "/other/bin/python"
    assert is_ours("kernel@main")
    assert not is_ours("h2corn")


@pytest.mark.parametrize("certificate", [None, Certificate(Path("/cert.pem"), Path("/key.pem"))])
def test_every_command_is_filled_completely(certificate: Certificate | None) -> None:
    for server in SERVERS:
        argv = server.argv(Path("/venv/bin"), "apps:hello", 8000, Path("/www"), certificate=certificate)
        assert not any("{" in part for part in argv)
        assert any("8000" in part for part in argv)
        assert {"/cert.pem", "/key.pem"}.issubset(argv) == bool(certificate)
        assert ("--no-tls" in argv) == (server.id == "nghttpd" and not certificate)


def test_the_whole_plan_is_measured_without_options() -> None:
    assert plan().scenarios == list(SCENARIOS)
    assert plan().servers == list(SERVERS)


def test_quick_is_less_of_everything() -> None:
    quick, full = plan("--quick"), plan()
    assert Bench.steps(quick) < Bench.steps(full) / 4
    assert quick.seconds < full.seconds


def test_what_is_chosen_is_passed_on_into_the_release() -> None:
    arguments = [
        "--seed=7", "--cores=all", "--server=h2corn", "--rounds=2", "--latency-rounds=0", "--rate=900", "--soak", "--quick", "--strict",
        "--hop=caddy",
    ]
    again = options(passed_on(options(arguments)))
    first = options(arguments)
    first.scenario = None
    assert vars(again) == vars(first)


def test_another_checkout_is_found_inside_the_release() -> None:
    chosen = options(["--seed=1", f"--server=kernel@{ROOT}/build/bench/checkouts/main-1234abcd"])
    assert "--server=kernel@/mnt/lasthop/build/bench/checkouts/main-1234abcd" in passed_on(chosen)


@pytest.mark.parametrize(
    "wrong",
    ["--rounds=0", "--seconds=0", "--server=apache", "--scenario=h3", "--soak=-1", "--latency-rounds=-1", "--hop=nginx",
     "--scenario=hop-get"],
)
def test_a_wrong_option_ends_with_2(wrong: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options([wrong])
    assert ended.value.code == 2
    assert wrong.partition("=")[0] in capsys.readouterr().err


def test_curl_checks_the_protocol_that_is_measured() -> None:
    h2, h1 = named(["h2-post64k", "h1-post64k"])
    paths = (Path("post.bin"), Path("answer.bin"))
    assert "--http2-prior-knowledge" in bodies.arguments(h2, "http://x/", *paths)
    assert "--http1.1" in bodies.arguments(h1, "http://x/", *paths)
    assert "@post.bin" in bodies.arguments(h1, "http://x/", *paths)
    tls, tls_h1 = named(["h2-tls-c16-m16", "h1-tls-c64"])
    assert {"--http2", "--insecure"} <= set(bodies.arguments(tls, "https://x/", *paths))
    assert {"--http1.1", "--insecure"} <= set(bodies.arguments(tls_h1, "https://x/", *paths))


def test_every_peer_that_can_is_measured_over_tls_and_as_a_websocket() -> None:
    measured = {
        name: {server.id for server in SERVERS if server.serves(named([name])[0])}
        for name in ("h2-tls-c16-m16", "h1-tls-c64", "ws-echo-64", "ws-echo-16k")
    }
    both = {"kernel", "h2corn", "granian", "hypercorn"}
    assert measured["h2-tls-c16-m16"] == both | {"pure", "uvicorn-zttp", "nghttpd"}
    assert measured["h1-tls-c64"] == both | {"uvicorn-zttp", "uvicorn", "gunicorn"}
    for echo in ("ws-echo-64", "ws-echo-16k"):
        assert measured[echo] == both | {"uvicorn-ws", "uvicorn-wsproto"}


def test_over_tls_nothing_is_measured_at_a_fixed_rate() -> None:
    measured = plan("--latency-rounds=2", "--scenario=h1-tls-c64", "--scenario=h1-c64")
    assert [measured.latency_rounds_of(scenario) for scenario in measured.scenarios] == [2, 0]


def test_a_scenario_of_another_kind_is_refused_beside_a_hop(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        options(["--hop=caddy", "--scenario=road-h1"])
    assert ended.value.code == 2
    assert "hop-get, hop-post64k, hop-stream1m" in capsys.readouterr().err


def test_the_certificate_is_for_the_address_that_is_asked(tmp_path: Path) -> None:
    made = make(tmp_path / "tls")
    context = ssl.create_default_context(cafile=made.certfile)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.certfile, made.keyfile)
    assert made.keyfile.read_text().startswith("-----BEGIN PRIVATE KEY-----")
    shake_hands(context, server, "127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(context, server, "127.0.0.2")


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, host: str) -> None:
    """Go through a handshake in memory; raises what the client finds wrong."""
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours, theirs = client.wrap_bio(down, up, server_hostname=host), server.wrap_bio(up, down, server_side=True)
    waiting = [ours, theirs]
    while waiting:
        side = waiting.pop(0)
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            waiting.append(side)


OPTIMISED = {"version": "3.14.2", "config_args": "'--enable-optimizations'", "base": "/opt/python"}


def test_an_optimised_new_python_with_a_new_nghttp2_lacks_nothing() -> None:
    assert own_shortcoming(OPTIMISED, {"h2load": "1.70.0"}) == ""


@pytest.mark.parametrize(
    ("change", "h2load", "reason"),
    [
        ({"version": "3.13.0"}, "1.70.0", "Python is 3.13.0"),
        ({"config_args": ""}, "1.70.0", "without --enable-optimizations"),
        ({}, "1.52.0", "nghttp2 is 1.52.0"),
        ({}, "", "h2load is missing"),
    ],
)
def test_what_is_older_is_named(change: dict[str, str], h2load: str, reason: str) -> None:
    assert reason in own_shortcoming(OPTIMISED | change, {"h2load": h2load})


def test_a_distributions_python_counts_as_optimised() -> None:
    assert own_shortcoming(OPTIMISED | {"config_args": "", "base": "/usr"}, {"h2load": "1.70.0"}) == ""


def test_progress_is_plain_lines_without_a_terminal() -> None:
    out = io.StringIO()
    progress = Progress(2, out)
    progress.step("one")
    progress.step("two")
    progress.step("one too many")
    progress.close()
    lines = out.getvalue().splitlines()
    assert lines[0].startswith("[1/2] one")
    assert lines[-1].startswith("[2/2] one too many")
    assert "\r" not in out.getvalue()


def test_a_grid_lines_up() -> None:
    assert report.grid([("a", "n"), ("long", "1,000")]).splitlines() == ["a         n", "----  -----", "long  1,000"]
