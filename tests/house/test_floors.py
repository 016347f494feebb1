"""Imports go down only; siblings never import each other; lazy imports count."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.floors import violations

ROOT = Path(__file__).resolve().parent.parent.parent


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def test_the_project_keeps_its_floors() -> None:
    assert violations(ROOT) == []


def test_a_clean_tree_passes(tmp_path: Path) -> None:
    clean = tree(
        tmp_path,
        {
            "appserver/__init__.py": '__version__ = "1"\n',
            "appserver/contract.py": "import typing\n",
            "appserver/h1/parser.py": "from appserver.http import fields\nfrom . import stream\n",
            "appserver/h1/stream.py": "from ..errors import PeerError\nfrom typing import Any\n",
            "appserver/h2/kernel/session.pyx": "from appserver.contract cimport Stream\nfrom .stream cimport Outbox\n",
            "appserver/worker/worker.py": "from appserver.config.options import Config\nimport appserver.h2.pure\n",
            "appserver/cli.py": "from appserver import __version__\nfrom appserver.worker import worker\n",
            "proxyconf/backend/appserver.py": "from appserver.config import sources\nfrom proxyconf.facts import table\n",
            "proxyconf/proxies/caddy/edge.py": "from proxyconf.proxies.contract import Proxy\nfrom proxyconf.syntax import words\n",
            "proxyconf/proxies/registry.py": "from proxyconf.proxies.caddy import PROXY\nfrom proxyconf import proxies\n",
        },
    )
    assert violations(clean) == []


@pytest.mark.parametrize(
    ("path", "code", "complaint"),
    [
        ("appserver/http/fields.py", "from appserver.net import peer", "http is on floor 1, net above it on 2"),
        ("appserver/http/fields.py", "from .. import worker", "http is on floor 1, worker above it on 4"),
        ("appserver/h1/stream.py", "def f():\n    from appserver.h2 import pure", "h1 and h2 are siblings on floor 3"),
        ("appserver/h1/stream.py", "def f():\n    import appserver.apps.asgi", "h1 and apps are siblings on floor 3"),
        ("appserver/net/peer.py", "import importlib\nimportlib.import_module('appserver.ops.log')",
         "net is on floor 2, ops above it on 3"),
        ("appserver/h2/pure.py", "if 0:\n    from ..worker import front", "h2 is on floor 3, worker above it on 4"),
        ("appserver/h2/kernel/a.pyx", "from appserver.h1.stream cimport Stream", "h2 and h1 are siblings on floor 3"),
        ("appserver/h2/kernel/a.pxd", "from ...apps.asgi.scope cimport build", "h2 and apps are siblings on floor 3"),
        ("appserver/contract.pxd", "cimport appserver.http.fields", "contract is on floor 0, http above it on 1"),
        ("appserver/errors.py", "from appserver.events import Event", "errors and events are siblings on floor 0"),
        ("appserver/h1/a.py", "from appserver.config.options import Config", "know the whole configuration"),
        ("appserver/cli.py", "import proxyconf.spec", "appserver never imports proxyconf"),
        ("appserver/misc.py", "from appserver import errors", "misc is on no floor"),
        ("appserver/cli.py", "from appserver import misc", "misc is on no floor"),
        ("appserver/__init__.py", "from appserver.worker import serve", "imports none of its modules"),
        ("proxyconf/backend/a.py", "def f():\n    from appserver.net import address", "appserver.config only"),
        ("proxyconf/backend/a.py", "from proxyconf.proxies import contract", "backend and proxies are siblings on floor 3"),
        ("proxyconf/spec/a.py", "from proxyconf.facts.table import table", "spec is on floor 1, facts above it on 2"),
        ("proxyconf/proxies/caddy/a.py", "from proxyconf.proxies.nginx.plan import Plan", "may import proxies.contract only"),
        ("proxyconf/proxies/contract.py", "from proxyconf.proxies.registry import proxy", "may import proxies.contract only"),
        ("proxyconf/misc.py", "from proxyconf.document import yaml", "misc is on no floor"),
    ],
)  # fmt: skip
def test_a_broken_floor_is_named_with_its_place(tmp_path: Path, path: str, code: str, complaint: str) -> None:
    found = violations(tree(tmp_path, {path: code + "\n"}))
    assert len(found) == 1
    assert found[0].startswith(f"{path}:")
    assert complaint in found[0]
