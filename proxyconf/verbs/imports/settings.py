"""What a block of nginx.conf says about its requests, as policies of a site or a route."""

from __future__ import annotations

import re

from proxyconf.verbs.imports.draft import Data, bytes_of, duration, laid_over, seconds_of, size
from proxyconf.verbs.imports.statements import Statement

__all__ = ["IMPLIED", "forwarded", "policies"]

# What says how nginx works and not what a site does, or what is rendered in any case.
IMPLIED = frozenset({
    "accept_mutex", "client_body_buffer_size", "client_body_timeout", "client_header_buffer_size",
    "client_header_timeout", "default_type", "error_log", "events", "grpc_send_timeout", "gzip_buffers",
    "gzip_comp_level", "gzip_disable", "gzip_http_version", "gzip_proxied", "gzip_vary", "http2", "include",
    "index", "keepalive_requests", "map_hash_bucket_size", "multi_accept", "pid", "proxy_buffer_size",
    "proxy_buffers", "proxy_busy_buffers_size", "proxy_headers_hash_bucket_size", "proxy_headers_hash_max_size",
    "proxy_http_version", "proxy_redirect", "proxy_send_timeout", "proxy_socket_keepalive", "quic_retry",
    "reset_timedout_connection", "root", "send_timeout", "sendfile", "server_names_hash_bucket_size",
    "server_names_hash_max_size", "server_tokens", "ssl_ciphers", "ssl_dhparam", "ssl_early_data",
    "ssl_ecdh_curve", "ssl_prefer_server_ciphers", "ssl_session_cache", "ssl_session_tickets",
    "ssl_session_timeout", "ssl_stapling", "ssl_stapling_verify", "tcp_nodelay", "tcp_nopush", "types",
    "types_hash_bucket_size", "types_hash_max_size", "underscores_in_headers", "use", "variables_hash_max_size",
    "worker_connections", "worker_processes", "worker_rlimit_nofile", "worker_shutdown_timeout", "zone",
})  # fmt: skip
_FORWARDED = {"x-real-ip": "real-ip", "x-forwarded-port": "port"}
_OWN = frozenset({
    "host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-prefix", "x-forwarded-server", "forwarded", "upgrade",
    "connection", "te",
})  # fmt: skip
_TIMES = {
    "keepalive_timeout": ("client_idle", 75), "proxy_connect_timeout": ("connect", 5), "proxy_read_timeout": ("stream_idle", 3600),
    "grpc_read_timeout": ("stream_idle", 3600),
}  # fmt: skip


def policies(block: Statement) -> Data:
    """Return what stands in a block itself; what surrounds it is the caller's."""
    made: Data = {}
    for one in block.block or ():
        try:
            found = _policy(one)
        except ValueError:
            continue  # stays unread, and is listed
        if found is not None:
            made = laid_over(made, found)
            one.read()
    made = laid_over(made, _compression(block))
    made = laid_over(made, _access(block))
    return laid_over(made, _errors(block))


def forwarded(top: Statement) -> list[str]:
    """Return which forwarding fields are set somewhere, beyond the usual ones; marks them."""
    found = set()
    for one in top:
        if one.name in ("proxy_set_header", "grpc_set_header") and len(one.args) == 2:
            word = _FORWARDED.get(one.args[0].lower())
            if word and one.read().args[1]:
                found.add(word)
    return ["for", "proto", "host", *sorted(found)] if found else []


def _policy(one: Statement) -> Data | None:
    value = one.args[0] if one.args else ""
    if one.name == "client_max_body_size":
        return {"limits": {"request_body": size(bytes_of(value))}}
    if one.name == "large_client_header_buffers":
        limit = size(int(value) * bytes_of(one.args[1]))
        return {} if limit == "32KiB" else {"limits": {"request_headers": limit}}
    if one.name in _TIMES:
        key, usual = _TIMES[one.name]
        seconds = seconds_of(value)
        return {"timeouts": {key: duration(seconds) if seconds else "off"}} if seconds != usual else {}
    if one.name in ("proxy_buffering", "proxy_request_buffering"):
        key = "response" if one.name == "proxy_buffering" else "request"
        return {"buffering": {key: "on"}} if value == "on" else {}
    if one.name == "access_log" and value == "off":
        return {"log": "off"}
    return _field(one)


def _field(one: Statement) -> Data | None:
    if one.name in ("proxy_set_header", "grpc_set_header") and len(one.args) == 2:
        return _request_field(*one.args)
    if one.name == "proxy_hide_header" and one.args:
        return {"headers": {"response": {"remove": [one.args[0]]}}}
    if one.name == "add_header" and len(one.args) >= 2 and "$" not in one.args[1]:
        name, value = one.args[:2]
        if name.lower() == "strict-transport-security":
            return {"hsts": _hsts(value)}
        return {"headers": {"response": {"set": {name: value}}}}
    return None


def _request_field(name: str, value: str) -> Data | None:
    key = name.lower()
    if key in _OWN:
        return {} if "$" in value or value in ("", "upgrade", "websocket", "trailers", "close", "keep-alive") else None
    if value == "":
        return {} if key.startswith("x-forwarded-") or key == "x-real-ip" else {"headers": {"request": {"remove": [name]}}}
    return None if "$" in value or key.startswith("x-forwarded-") else {"headers": {"request": {"set": {name: value}}}}


def _hsts(value: str) -> Data:
    match = re.search(r"max-age=\"?([0-9]+)", value)
    if match is None or match[1] == "0":
        raise ValueError(value)
    made: Data = {"max_age": duration(int(match[1]))}
    for word, key in (("includesubdomains", "include_subdomains"), ("preload", "preload")):
        if word in value.lower():
            made[key] = True
    return made


def _compression(block: Statement) -> Data:
    if block.value("gzip") != "on":
        return {}
    made: Data = {"encodings": ["gzip"]}
    if least := block.first("gzip_min_length"):
        made["min_length"] = size(bytes_of(least.read().args[0]))
    if types := block.first("gzip_types"):
        made["types"] = sorted({"text/html", *types.read().args} - {"*"})
    return {"compression": made}


def _access(block: Statement) -> Data:
    made: Data = {}
    users = block.value("auth_basic_user_file")
    realm = block.value("auth_basic")
    if users and realm != "off":
        made["auth"] = {"basic": {"users_file": users, **({"realm": realm} if realm else {})}}
    allowed, denied = block.all("allow"), block.all("deny")
    if allowed and [one.args for one in denied] == [["all"]]:
        made["allow"] = [one.read().args[0] for one in allowed]
        denied[0].read()
    return made


def _errors(block: Statement) -> Data:
    """Read `error_page 502 503 /5xx.html` where the file can be found: a location of its own, or the block's root."""
    pages = []
    for one in block.all("error_page"):
        statuses, uri = one.args[:-1], one.args[-1]
        if not uri.startswith("/") or not all(word.isdigit() for word in statuses):
            continue
        place = next((found for found in block.all("location") if found.args == ["=", uri]), None)
        root = (place.first("root") if place else None) or block.inherited("root")
        if root is None:
            continue
        pages.append({"statuses": [int(word) for word in statuses], "file": f"{root.read().args[0].rstrip('/')}{uri}"})
        for read in place or ():
            read.read()
        one.read()
    return {"errors": {"pages": pages}} if pages else {}
