"""What HAProxy says about its work: access logs, and figures for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from proxyconf.proxies.haproxy.binds import places
from proxyconf.proxies.haproxy.plan import Frontend, Words
from proxyconf.proxies.haproxy.words import line
from proxyconf.spec.addresses import ListenAddress
from proxyconf.spec.observe import LogField, Logging
from proxyconf.syntax.words import Raw

__all__ = ["log_format", "metrics", "remembered"]

# Texts of clients go through json(), which escapes; what HAProxy itself makes is written as it is.
_FIELDS: dict[LogField, str] = {
    "time": '"%[date,utime(%Y-%m-%dT%H:%M:%SZ)]"',
    "client_ip": '"%ci"',
    "method": '"%[var(txn.method),json(utf8s)]"',
    "host": '"%[var(txn.host),json(utf8s)]"',
    "path": '"%[var(txn.path),json(utf8s)]"',
    "status": "%ST",
    "bytes": "%B",
    "duration": "%Ta",
    "protocol": '"%[var(txn.version)]"',
    "upstream_protocol": '"%[bc_http_major]"',
    "upstream_address": '"%si:%sp"',
    "user_agent": '"%[var(txn.user_agent),json(utf8s)]"',
    "referer": '"%[var(txn.referer),json(utf8s)]"',
    "request_id": '"%[var(txn.request_id),json(utf8s)]"',
}
_NAMES = {"duration": "duration_ms"}
_REMEMBERED = {
    "method": "method", "path": "path", "protocol": "req.ver", "user_agent": "req.fhdr(user-agent)", "referer": "req.fhdr(referer)",
}  # fmt: skip
_VARIABLES = {"protocol": "version"}
_COMBINED = (
    '%ci - - [%[date,utime(%d/%b/%Y:%H:%M:%S +0000)]] "%HM %HPO%HQ %HV" %ST %B'
    ' %{+Q,+E}[var(txn.referer)] %{+Q,+E}[var(txn.user_agent)]'
)


def remembered(logging: Logging | None) -> Iterator[Words]:
    """Yield what keeps parts of the request until the log line is written."""
    if logging is None:
        return
    fields = logging.fields if logging.format == "json" else ("user_agent", "referer")
    for field in fields:
        if field in _REMEMBERED:
            yield line(f"set-var(txn.{_VARIABLES.get(field, field)}) {_REMEMBERED[field]}")


def log_format(logging: Logging | None) -> Iterator[Words]:
    """Yield the lines of a frontend about its access log."""
    if logging is None:
        yield line("no log")
        return
    pairs = ",".join(f'"{_NAMES.get(field, field)}":{_FIELDS[field]}' for field in logging.fields)
    yield line("log-format", Raw(f"'{{{pairs}}}'" if logging.format == "json" else f"'{_COMBINED}'"))


def metrics(listen: ListenAddress) -> Frontend:
    """Return the frontend that Prometheus reads."""
    service = line("use-service prometheus-exporter if { path /metrics }")
    return Frontend(
        Raw("metrics"), tuple(line(where) for where in places(listen)), (line("no log"), line("timeout client 10s")), (), (),
        (service, line("deny deny_status 404")), (), (), Raw(""),
    )  # fmt: skip
