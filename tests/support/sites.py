"""Site files that hypothesis makes up: anything that the spec allows, as an operator might write it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hypothesis import strategies as st

__all__ = ["TEXTS", "passing", "sites", "without"]

NAMES = [f"{word}.example.org" for word in ("shop", "www", "api", "static", "a.b")] + ["*.wild.example.org"]
PATHS = ["/", "/a", "/a/", "/a/b/", "/static/", "/x%20y/", "/z.txt", "/~u/", "/p(q)/", "/$v/", "/q'r"]
REGEXES = [r"^/v[0-9]+/", r"^/[a-z]+\.php$", r"^/(?:x|y)/.*", r'^/q"[;{}]']
TEXTS = ["plain", "a b", 'q"uote', "dollar $x", "{brace}", "back\\slash", "semi;colon", "# hash", "100%", "'single'", "<tag>", "a`b"]
TEXT = st.sampled_from(TEXTS)
LONG = "default-src 'self'; img-src " + "https://a.example " * 12 + "data:"
VALUE = TEXT | st.just(LONG)
DURATION = st.sampled_from(["1s", "500ms", "30s", "2m", "1h", "off"])
BOOL = st.booleans()


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return keys of which any may be there."""
    return st.fixed_dictionaries({}, optional=fields)


HEADERS = st.dictionaries(st.sampled_from(["X-A", "X-B", "Cache-Control", f"X-{'Long-' * 15}Name"]), VALUE, max_size=2)
POLICIES: dict[str, st.SearchStrategy[Any]] = {
    "limits": some(request_body=st.sampled_from(["1MiB", "50GiB", "unlimited", "1B"]), request_headers=st.sampled_from(["8KiB", "64KiB"])),
    "timeouts": some(**dict.fromkeys(("connect", "request", "backend_request", "client_idle", "stream_idle", "tunnel"), DURATION)),
    "compression": some(
        encodings=st.sampled_from([["gzip"], ["zstd", "br", "gzip"], ["br"]]), min_length=st.just("1KiB"),
        types=st.sampled_from([["text/*"], ["text/html", "image/svg+xml"], ["application/json"]]),
    ) | st.just("off"),
    "headers": some(
        request=some(set=HEADERS, remove=st.just(["X-Gone"])), response=some(set=HEADERS, default=HEADERS, remove=st.just(["X-Gone"])),
    ),
    "early_hints": st.sampled_from(["auto", "off", "pass"]),
    "cors": st.fixed_dictionaries(
        {"origins": st.sampled_from([["*"], ["https://a.example"], ["https://a.example", "http://b.example:81"]])},
        optional={
            "methods": st.just(["GET", "PUT"]), "headers": st.just(["X-A", "Authorization"]), "expose": st.just(["X-B"]),
            "credentials": BOOL, "max_age": st.just("10m"),
        },
    ),
    "maintenance": some(
        file=TEXT.map(lambda text: f"/srv/{text}.html"), retry_after=st.just("5m"), **{"except": st.just(["10.0.0.0/8", "2001:db8::1"])},
    ),
    "errors": st.builds(
        lambda text, source: {"pages": [{"statuses": [502, 504], "file": f"/srv/{text}.html"}], "from": source},
        TEXT, st.sampled_from(["proxy", "any"]),
    ),
    "auth": st.sampled_from([
        {"forward": {"upstream": "app", "path": "/auth/", "copy": ["X-User"]}}, {"forward": {"upstream": "http1://127.0.0.1:9001"}},
        {"basic": {"users_file": "/srv/plain", "realm": "the shop"}},
    ]),
    "buffering": some(request=st.sampled_from(["on", "off"]), response=st.sampled_from(["on", "off"])),
    "allow": st.sampled_from([["10.0.0.0/8"], ["192.0.2.7", "2001:db8::/32"]]),
    "rate_limit": st.sampled_from([{"rate": "20/s"}, {"rate": "1/m", "burst": 1, "status": 503}, {"rate": "600/h"}]),
    "log": st.sampled_from(["on", "off"]),
}  # fmt: skip
ACTIONS: list[st.SearchStrategy[dict[str, Any]]] = [
    st.just({"upstream": "app"}), st.just({"upstream": "http1://127.0.0.1:9000"}),
    st.builds(lambda websocket: {"upstream": "app", "websocket": websocket}, BOOL),
    st.builds(
        lambda new, tell, name: {"upstream": name, "replace_prefix": new, "tell_prefix": tell},
        st.sampled_from(["/", "/new", "/n(e)w/", "/$x/"]), BOOL, st.sampled_from(["app", "http1://127.0.0.1:9000"]),
    ),
    st.builds(
        lambda text, more: {"static": {"root": f"/srv/{text}", **more}}, TEXT,
        some(strip_prefix=BOOL, precompressed=st.just(["gzip"]), attachment=BOOL, fallback=st.just("upstream"), cache_control=TEXT),
    ),
    st.builds(lambda text: {"internal": {"root": f"/srv/{text}"}}, TEXT),
    st.just({"static": {"by": "appserver"}}),
    st.builds(lambda text: {"static": {"file": f"/srv/{text}", "cache_control": "immutable"}}, TEXT),
    st.builds(lambda text: {"respond": {"body": f"{text}\n{text}"}}, TEXT), st.builds(lambda text: {"respond": {"json": {"a": text}}}, TEXT),
    st.builds(
        lambda to, status, rest: {"redirect": {"to": to, "status": status, "keep_rest": rest}},
        TEXT.map(lambda text: f"/{text}") | st.just("https://a.example/b/"), st.sampled_from([301, 302, 307, 308]), BOOL,
    ),
    st.builds(lambda status: {"respond": {"status": status}}, st.sampled_from([200, 204, 404, 451])),
]  # fmt: skip


MATCHES = st.one_of(
    st.builds(lambda text: {"methods": ["GET", "PUT"], "headers": {"X-Beta": text}}, TEXT),
    st.builds(lambda text: {"query": {"v": text}}, TEXT),
    st.just({"methods": ["DELETE"]}),
)


@st.composite
def routes(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Return some routes of one site, none of which hides another."""
    found: list[dict[str, Any]] = []
    for path in draw(st.lists(st.sampled_from(PATHS[1:]), max_size=4, unique=True)):
        kind = draw(st.sampled_from(["path", "file", "match"]))
        match: dict[str, Any] = {kind: path if kind != "match" else {"path": path, **draw(MATCHES)}}
        action = draw(st.one_of(*ACTIONS))
        policies = draw(some(**POLICIES)) if draw(BOOL) else {}
        found.append({**match, **action, **policies})
    for expression in draw(st.lists(st.sampled_from(REGEXES), max_size=2, unique=True)):
        found.append({"regex": expression, **draw(st.one_of(*ACTIONS))})
    if draw(BOOL):
        found.append({"match": {"grpc": draw(st.sampled_from([{"service": "shop.v1.Cart"}, {"service": "a.B", "method": "Get"}]))}, "upstream": "app"})
    return sorted(found, key=lambda route: -len(str(route.get("path") or route.get("file") or "")))


UPSTREAM = some(
    load_balancing=st.sampled_from(["round_robin", "least_conn", "random", *({"hash": {"key": key}} for key in ("client_ip", "path", "host"))]),
    websocket=st.sampled_from(["auto", "off", "over_http1"]), retries=st.just({"attempts": 1}),
    connections=some(idle_timeout=st.just("90s"), max=st.just(64), max_concurrent_streams=st.just(10)),
    sticky=st.sampled_from([{}, {"cookie": {"name": "a_b", "secure": False}}]), resolve=st.just("10s"),
    health_check=st.sampled_from([{"tcp": True}, {"path": "/h", "interval": "1s", "expected_statuses": [200, 204]}]),
    outlier_detection=st.sampled_from([{}, {"consecutive_5xx": 1, "ejection_time": "500ms"}]),
    proxy_protocol=st.just({"send": "v2", "i_accept": "per-client-connections"}),
)
OBSERVED = some(
    logging=st.sampled_from([{}, {"format": "combined"}, {"fields": ["path", "user_agent", "referer", "upstream_address", "protocol"]}]),
    metrics=st.just({"listen": "127.0.0.1:9101"}), tracing=st.just({}),
)


@st.composite
def sites(draw: st.DrawFn, certificate: str = "/etc/ssl/c.pem", key: str = "/etc/ssl/k.pem") -> dict[str, Any]:
    """Return the data of a site file."""
    names = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    https: dict[str, Any] = {"tls": {"certificates": [{"cert": certificate, "key": key}]}}
    https["tls"] |= draw(some(
        profile=st.sampled_from(["modern", "intermediate", "old"]),
        client_auth=st.sampled_from([{"mode": "require", "ca": certificate}, {"mode": "optional", "ca": certificate}]),
    ))  # fmt: skip
    https |= draw(some(
        proxy_protocol=st.just({"accept": "v2", "from": ["10.0.0.0/8"]}), public_port=st.just(8443),
        protocols=st.sampled_from([["h3", "h2", "http1"], ["http1"], ["h2"]]),
    ))  # fmt: skip
    made: dict[str, Any] = {
        "listeners": {"http": draw(st.sampled_from([{}, {"redirect": "https"}])), "https": https},
        "trust": draw(some(
            trusted_proxies=st.sampled_from([["private"], ["10.0.0.0/8", "2001:db8::/32"], ["cloudflare"]]),
            request_id=st.sampled_from([{}, {"header": "X-Trace"}]),
            client_address=st.sampled_from(["x-forwarded-for", "forwarded", "cf-connecting-ip", "proxy-protocol"]),
            forwarded=st.sampled_from([{"fields": ["for", "proto", "host", "port", "real-ip", "prefix"]}, {"dialect": "rfc7239"}]),
        )),
        "upstreams": {"app": {
            "protocol": draw(st.sampled_from(["h2c", "h2c", "http1", "http1", "grpc", "h2", "grpcs"])),
            "servers": draw(st.sampled_from([
                ["127.0.0.1:8000"], ["unix:/run/app.sock"], ["127.0.0.1:8000", "127.0.0.1:8001"], ["localhost:8000"],
                [{"address": "127.0.0.1:8000", "weight": 3}, "[::1]:8001"],
            ])),
            **draw(UPSTREAM),
        }},
        **draw(OBSERVED),
        "sites": [],
        "policy": {"unsupported": draw(st.sampled_from(["degrade", "degrade", "warn", "refuse"]))},
    }  # fmt: skip
    for name in names:
        policies = draw(some(**POLICIES)) if draw(BOOL) else {}
        policies |= draw(some(hsts=st.sampled_from([{}, {"max_age": "1y", "include_subdomains": True, "preload": True}])))
        if draw(st.integers(0, 3)):
            policies["upstream"] = "app"
        made["sites"].append({"hostnames": [name], "routes": draw(routes()), **policies})
    first = made["sites"][0]
    if draw(BOOL) and not first["hostnames"][0].startswith("*."):
        first |= {"canonical": first["hostnames"][0], "hostnames": [*first["hostnames"], "alias.example.org"]}
    if draw(BOOL):
        made["sites"].append({"hostnames": "any", "upstream": "app"})
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


def without(data: Any, paths: Iterable[tuple[str | int, ...]]) -> None:
    """Take what stands at some paths out of a site: a route as a whole, else the innermost key that is written."""
    found = {found for path in paths if (found := _written(data, path))}
    for *above, last in sorted(found, key=lambda path: [str(step).zfill(6) for step in path], reverse=True):
        holder = data
        for step in above:
            holder = holder[step]
        del holder[last]


def _written(data: Any, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    if path[:1] == ("sites",) and "routes" in path:
        path = path[: path.index("routes") + 2]
    for at, step in enumerate(path):
        is_there = step in data if isinstance(data, dict) else isinstance(data, list) and isinstance(step, int) and step < len(data)
        if not is_there:
            return path[:at]
        data = data[step]
    return path
