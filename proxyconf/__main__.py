"""`python -m proxyconf`."""

from __future__ import annotations

from proxyconf.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
