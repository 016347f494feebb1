"""Which load is put on a server, and with what program."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.load import LoadFailed, output
from bench.loads import Loads
from bench.scenarios import named

PROGRAM = Path("/build/loadgen")


def loads(program: Path = PROGRAM) -> Loads:
    return Loads(program, Path("/run/post.bin"), ["taskset", "-c", "1"])


def test_varied_heads_are_ours_and_repeated_ones_are_h2loads() -> None:
    road, repeated = named(["road-h2-literal", "h2-c16-m16"])
    assert loads().argv(road, 80, requests=512)[:4] == ["taskset", "-c", "1", str(PROGRAM)]
    assert loads().argv(repeated, 80, requests=512)[:4] == ["taskset", "-c", "1", "h2load"]


def test_over_tls_one_cipher_is_offered_so_that_every_server_takes_it() -> None:
    h2, h1 = named(["h2-tls-c16-m16", "h1-tls-c64"])
    argv = loads().argv(h2, 80, requests=512)
    assert argv[-1] == "https://127.0.0.1:80/"
    assert "--tls13-ciphers=TLS_AES_128_GCM_SHA256" in argv
    assert "--h1" in loads().argv(h1, 80, requests=512)


def test_each_scenario_of_the_road_has_its_own_representation() -> None:
    found = [loads().argv(scenario, 80, requests=1) for scenario in named(["road-h2-literal", "road-h2-indexed", "road-h1"])]
    choices = [next(part for part in argv if part.startswith(("--style", "--protocol"))) for argv in found]
    assert choices == ["--style=nginx,haproxy", "--style=go,envoy", "--protocol=h1"]


def test_at_a_fixed_rate_it_is_ours_and_repeats_where_the_scenario_does() -> None:
    road, repeated, post = named(["road-h1", "h1-c64", "h1-post64k"])
    assert "--repeat" not in loads().argv(road, 80, requests=10, rate=5)
    argv = loads().argv(repeated, 80, requests=10, rate=5)
    assert {str(PROGRAM), "--repeat", "--rate=5.000", "--answer=13"} <= set(argv)
    assert {"--post=65536", "--answer=5"} <= set(loads().argv(post, 80, requests=10, rate=5))


def test_no_head_comes_twice(tmp_path: Path) -> None:
    program = tmp_path / "loadgen"
    program.write_text("#!/bin/sh\necho '" + '{"seconds": 1, "rate": 1, "requests": 70, "ok": 70, "data": 1, "received": 1, "cpu": 0.5}' + "'\n")
    program.chmod(0o755)
    mine, road = Loads(program, Path("/run/post.bin"), []), named(["road-h1"])[0]
    firsts = []
    for _ in range(3):
        argv = mine.argv(road, 80, seconds=1)
        firsts += [part for part in argv if part.startswith("--first")]
        assert mine.run(argv, 10).busy == 0.5
    assert firsts == ["--first=70", "--first=140"]


def test_a_run_over_time_is_an_error() -> None:
    with pytest.raises(LoadFailed, match="not finished after"):
        output(["tail", "-f", "/dev/null"], 0.1)
