"""What Apache says about its work: the access log."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.proxies.apache.plan import Words, line
from proxyconf.spec.observe import Logging

__all__ = ["logs"]

_COMBINED = '"%a - %u %t \\"%r\\" %>s %B \\"%{Referer}i\\" \\"%{User-Agent}i\\""'
_FIELDS = {
    "time": "%{%Y-%m-%dT%H:%M:%S%z}t", "client_ip": "%a", "method": "%m", "host": "%{LOG_HOST}e", "path": "%{LOG_TARGET}e",
    "status": "%>s", "bytes": "%B", "duration": "%{LOG_SECONDS}e", "protocol": "%H", "upstream_protocol": "%{BALANCER_WORKER_NAME}e",
    "upstream_address": "%{BALANCER_WORKER_NAME}e", "user_agent": "%{LOG_AGENT}e", "referer": "%{LOG_REFERER}e",
    "request_id": "%{UNIQUE_ID}e",
}  # fmt: skip
# Apache writes what it cannot print as \xHH, which is no JSON: only what it can is noted for the log.
_PRINTABLE = {"host": ("Host", "LOG_HOST"), "user_agent": ("User-Agent", "LOG_AGENT"), "referer": ("Referer", "LOG_REFERER")}
_NUMBERS = {"status", "bytes"}


def logs(logging: Logging | None) -> Iterator[Words]:
    """Yield the access log, if there is one, and what makes its values."""
    if logging is None:
        return
    if logging.format == "combined":
        yield line(f"LogFormat {_COMBINED} lasthop")
    else:
        for name in logging.fields:
            if name in _PRINTABLE:
                field, variable = _PRINTABLE[name]
                yield line(f'SetEnvIf {field} "^([ -~]*)$" {variable}=$1')
        if "path" in logging.fields:
            yield line('SetEnvIfExpr "%{THE_REQUEST} =~ m#^[^ ]+ ([!-~]*)#" LOG_TARGET=$1')
        pairs = ",".join(f'\\"{name}\\":{_value(name)}' for name in logging.fields)
        yield line(f'LogFormat "{{{pairs}}}" lasthop')
    yield line("CustomLog /dev/stdout lasthop env=!UNLOGGED")


def _value(name: str) -> str:
    if name == "duration":
        return "%{ms}T"
    return _FIELDS[name] if name in _NUMBERS else f'\\"{_FIELDS[name]}\\"'
