"""Site files that hypothesis makes up: anything that the spec allows, as an operator might write it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

__all__ = ["TEXTS", "passing", "sites"]

NAMES = [f"{word}.example.org" for word in ("shop", "www", "api", "static", "a.b")] + ["*.wild.example.org"]
PATHS = ["/", "/a", "/a/", "/a/b/", "/static/", "/x%20y/", "/z.txt", "/~u/", "/p(q)/", "/$v/", "/q'r"]
REGEXES = [r"^/v[0-9]+/", r"^/[a-z]+\.php$", r"^/(?:x|y)/.*", r'^/q"[;{}]']
TEXTS = ["plain", "a b", 'q"uote', "dollar $x", "{brace}", "back\\slash", "semi;colon", "# hash", "100%", "'single'", "<tag>", "a`b"]
TEXT = st.sampled_from(TEXTS)
DURATION = st.sampled_from(["1s", "500ms", "30s", "2m", "1h", "off"])
BOOL = st.booleans()


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return keys of which any may be there."""
    return st.fixed_dictionaries({}, optional=fields)


HEADERS = st.dictionaries(st.sampled_from(["X-A", "X-B", "Cache-Control"]), TEXT, max_size=2)
POLICIES: dict[str, st.SearchStrategy[Any]] = {
    "limits": some(request_body=st.sampled_from(["1MiB", "50GiB", "unlimited"])),
    "timeouts": some(connect=DURATION, request=DURATION, tunnel=DURATION),
    "compression": some(encodings=st.just(["gzip"]), min_length=st.just("1KiB")) | st.just("off"),
    "headers": some(
        request=some(set=HEADERS, remove=st.just(["X-Gone"])), response=some(set=HEADERS, default=HEADERS, remove=st.just(["X-Gone"])),
    ),
    "early_hints": st.sampled_from(["auto", "off"]),
    "cors": st.fixed_dictionaries({"origins": st.sampled_from([["*"], ["https://a.example"], ["https://a.example", "http://b.example:81"]])}),
    "maintenance": some(file=TEXT.map(lambda text: f"/srv/{text}.html"), retry_after=st.just("5m")),
    "errors": st.builds(lambda text: {"pages": [{"statuses": [502, 504], "file": f"/srv/{text}.html"}]}, TEXT),
    "buffering": some(request=st.sampled_from(["on", "off"]), response=st.sampled_from(["on", "off"])),
    "allow": st.sampled_from([["10.0.0.0/8"], ["192.0.2.7", "2001:db8::/32"]]),
    "rate_limit": st.just({"rate": "20/s"}),
    "log": st.sampled_from(["on", "off"]),
}  # fmt: skip
ACTIONS: list[st.SearchStrategy[dict[str, Any]]] = [
    st.just({"upstream": "app"}), st.just({"upstream": "http1://127.0.0.1:9000"}), st.just({"upstream": "app", "websocket": True}),
    st.builds(lambda text: {"static": {"root": f"/srv/{text}"}}, TEXT),
    st.builds(lambda text: {"static": {"file": f"/srv/{text}", "cache_control": "immutable"}}, TEXT),
    st.builds(lambda text: {"respond": {"body": f"{text}\n{text}"}}, TEXT), st.builds(lambda text: {"respond": {"json": {"a": text}}}, TEXT),
    st.builds(lambda text, status: {"redirect": {"to": f"/{text}", "status": status}}, TEXT, st.sampled_from([301, 302, 307, 308])),
]  # fmt: skip


@st.composite
def routes(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return some routes of one site, none of which hides another."""
    found: list[dict[str, Any]] = []
    for path in draw(st.lists(st.sampled_from(PATHS[1:]), max_size=4, unique=True)):
        kind = draw(st.sampled_from(["path", "file", "match"]))
        match: dict[str, Any] = {kind: path if kind != "match" else {"path": path, "methods": ["GET", "PUT"], "headers": {"X-Beta": draw(TEXT)}}}
        action = draw(st.one_of(*ACTIONS))
        policies = draw(some(**POLICIES)) if draw(BOOL) else {}
        found.append({**match, **action, **policies})
    if draw(BOOL):
        found.append({"regex": draw(st.sampled_from(REGEXES)), "upstream": "app"})
    return sorted(found, key=lambda route: -len(str(route.get("path") or route.get("file") or "")))


@st.composite
def sites(draw: st.DrawFn, certificate: str = "/etc/ssl/c.pem", key: str = "/etc/ssl/k.pem") -> dict[str, Any]:
    """Return the data of a site file."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    https: dict[str, Any] = {"tls": {"certificates": [{"cert": certificate, "key": key}]}}
    if draw(BOOL):
        https["proxy_protocol"] = {"accept": "v2", "from": ["10.0.0.0/8"]}
    made: dict[str, Any] = {
        "listeners": {"http": draw(st.sampled_from([{}, {"redirect": "https"}])), "https": https},
        "trust": draw(some(
            trusted_proxies=st.sampled_from([["private"], ["10.0.0.0/8", "2001:db8::/32"]]), request_id=st.just({}),
            forwarded=st.just({"fields": ["for", "proto", "host", "port", "real-ip", "prefix"]}),
        )),
        "upstreams": {"app": {
            "protocol": draw(st.sampled_from(["h2c", "http1", "grpc"])),
            "servers": draw(st.sampled_from([["127.0.0.1:8000"], ["unix:/run/app.sock"], ["127.0.0.1:8000", "127.0.0.1:8001"]])),
            **draw(some(
                load_balancing=st.sampled_from(["round_robin", "least_conn", {"hash": {"key": "client_ip"}}]),
                websocket=st.sampled_from(["auto", "off"]), retries=st.just({"attempts": 1}),
                connections=some(idle_timeout=st.just("90s"), max=st.just(64)),
            )),
        }},
        "sites": [],
        "policy": {"unsupported": draw(st.sampled_from(["degrade", "degrade", "warn", "refuse"]))},
    }  # fmt: skip
    for name in names:
        policies = draw(some(**POLICIES)) if draw(BOOL) else {}
        made["sites"].append({"hostnames": [name], "upstream": "app", "routes": draw(routes()), **policies})
    return made


@st.composite
def passing(draw: st.DrawFn, certificate: str = "/etc/ssl/c.pem", key: str = "/etc/ssl/k.pem") -> dict[str, Any]:
    """Return the data of a site file of listeners that pass bytes on, with sites beside them or none."""
    made = draw(sites(certificate, key)) if draw(BOOL) else {"listeners": {}, "upstreams": {}}
    upstream = {
        "protocol": draw(st.sampled_from(["h2c", "http1", "grpc"])),
        "servers": draw(st.sampled_from([["127.0.0.1:9000"], ["unix:/run/a b.sock"], [{"address": "127.0.0.1:9000", "weight": 3}, "127.0.0.1:9001"]])),
        **draw(some(
            load_balancing=st.sampled_from(["round_robin", "least_conn", "random", {"hash": {"key": "client_ip"}}]),
            proxy_protocol=st.sampled_from([{"send": "v1"}, {"send": "v2"}, {"send": "off"}]), connections=some(max=st.just(9)),
            health_check=st.just({"tcp": True, "interval": "7s"}), resolve=st.just("10s"),
        )),
    }  # fmt: skip
    tls = st.fixed_dictionaries(
        {"certificates": st.just([{"cert": certificate, "key": key}])},
        optional={"profile": st.sampled_from(["modern", "intermediate", "old"])},
    )
    for port in range(7000, 7000 + draw(st.integers(1, 2))):
        made["listeners"][f"edge{port}"] = {
            "address": draw(st.sampled_from([f":{port}", [f"127.0.0.1:{port}", f"[::1]:{port}"]])), "mode": "tcp", "upstream": "bytes",
            **draw(some(
                tls=tls, timeouts=some(connect=DURATION, tunnel=DURATION),
                proxy_protocol=st.fixed_dictionaries({"accept": st.sampled_from(["v1", "v2", "off"]), "from": st.just(["10.0.0.0/8", "2001:db8::7"])}),
            )),
        }  # fmt: skip
    targets = [{"proxy": "nginx", "modules": ["stream_dynamic"]}]
    return {"policy": {"unsupported": "degrade"}, **made, "targets": targets, "upstreams": {**made["upstreams"], "bytes": upstream}}
