"""What only Caddy has, run: its own CA, its control interface, sockets with any name, and what it cannot."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.interop.hop import SITE, Installed, Origin, Stacks, fields_of, origin, proves, stack, until
from tests.interop.test_proxies import HANDSHAKE

CADDY = ("caddy",)
FILES = 'tls: {certificates: [{cert: "${DIR}/cert.pem", key: "${DIR}/cert.pem.key"}]}'


@proves("tls_internal", proxies=CADDY)
def test_internal_ca(on: Installed, app: Origin, tmp_path: Path) -> None:
    with stack(on, tmp_path, app.address, SITE.replace(FILES, "tls: {issuer: internal}")) as running:
        root = tmp_path / "caddy/pki/authorities/local/root.crt"
        until(root.exists, "Caddy's own CA")
        (tmp_path / "cert.pem").write_bytes(root.read_bytes())
        until(lambda: any((tmp_path / "caddy/certificates").glob("*/shop.test/*.json")), "the certificate")
        assert running.ask().json()["version"] == "2"
        assert running.ask(host="other.test").status_code == 421
        with running.client() as client:
            assert client.get("/").status_code == 421  # no SNI at all


@pytest.mark.parametrize(
    "name", ["app.sock", "a b{x}\"c'd\\e#é;$ENV.sock", "<<EOF.sock", "a`b{host}.sock", "{env.HOME}.sock"]
)
@proves("unix_upstream", proxies=CADDY)
def test_unix_sockets_with_any_name(on: Installed, tmp_path: Path, name: str) -> None:
    with origin(f"unix:{tmp_path / name}") as app, stack(on, tmp_path, app.address) as running:
        assert running.ask().json()["version"] == "2"
        assert len(app.seen) == 1


@proves("admin_unix", proxies=CADDY)
def test_admin_on_a_unix_socket(on: Installed, app: Origin, tmp_path: Path) -> None:
    admin = tmp_path / "ad min{x}.sock"
    site = f"targets: [{{proxy: caddy, admin: 'unix:{admin}'}}]{SITE}"
    with stack(on, tmp_path, app.address, site):
        until(admin.exists, "the control interface")
        with httpx.Client(transport=httpx.HTTPTransport(uds=str(admin))) as client:
            assert client.get("http://localhost/config/admin").status_code == 200


@proves("h2c_upstream", proxies=CADDY)
def test_no_compression_is_asked_for_that_the_client_did_not_ask_for(on: Installed, stacks: Stacks) -> None:
    answer = stacks.get(on).ask(headers=[("accept-encoding", "")])
    assert fields_of(answer).get("accept-encoding", [""]) == [""]


@proves("h2c_upstream", proxies=CADDY)
def test_the_path_arrives_as_sent(on: Installed, stacks: Stacks) -> None:
    assert stacks.get(on).ask("/a%2Fb/../c?d=%20").json()["query"] == "d=%20"


@proves("h2c_upstream", proxies=CADDY)
def test_websocket_over_the_h2c_hop_itself_is_502(on: Installed, stacks: Stacks) -> None:
    """What the table says `never` of; where there is no split, as for gRPC, Caddy tries and fails."""
    shop = stacks.get(on, SITE.replace("protocol: h2c", "protocol: grpc"))
    assert shop.ask("/ws", headers=HANDSHAKE, http2=False).status_code == 502
