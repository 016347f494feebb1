# CI calls these targets and nothing else: what is red there is red here.
# Variables: PYTHON= (interpreter), VENV= (default .venv), APPSERVER_BUILD=auto|kernel|pure.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test proofs test-unit test-uncompiled test-nghttp2 test-containers lint types docs reference h2spec autobahn bench wheel ci clean

VENV ?= .venv
export VENV PYTHON APPSERVER_BUILD NGHTTP2_PREFIX
PY := $(VENV)/bin/python
# Only what is there: the list is the same in every state of the tree.
CODE := $(wildcard appserver proxyconf bench h2spec tools examples tests docs/generate.py)
PYTEST := $(PY) -m pytest
# One worker for each core, each with whole files, the last of which are short; ARGS="-n 0" runs in one process, as --pdb wants it.
PARALLEL := -n auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder
# What is rendered, on every real proxy, and a browser: minutes, and the same on every Python.
PROOFS := $(wildcard tests/interop/test_proxies*.py tests/interop/test_any_site.py tests/interop/test_examples.py \
	tests/interop/test_presets.py tests/interop/test_apply.py tests/interop/test_import.py tests/interop/test_verify_*.py \
	tests/interop/test_*_hop.py tests/interop/test_*_validate.py tests/interop/test_browser.py)
# What needs a container engine.
CONTAINERS := $(wildcard tests/containers)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make .venv on the newest suitable Python, install everything, build the kernel (PYTHON= chooses)
	@tools/setup.sh dev

demo: ## Prove the hop through a real proxy (PROXY=caddy, BACKEND=hypercorn runs the control, KEEP=1 leaves it up)
	@tools/setup.sh demo
	@$(PY) -m tools.demo $(if $(PROXY),--proxy $(PROXY)) $(if $(BACKEND),--backend $(BACKEND)) $(if $(KEEP),--keep)

test: setup ## The whole suite but `proofs` and `test-containers`: unit, engines, live, interop, and the engines uncompiled
	@tools/packages.sh test
	@state=$$($(PY) tools/compiled.py --state); EXPECT_BUILD=$$state \
		LASTHOP_ENGINES=$$([ $$state = kernel ] && echo kernel,pure || echo pure) \
		$(PYTEST) $(PARALLEL) $(addprefix --ignore=,$(PROOFS) $(CONTAINERS)) $(ARGS)
	@$(MAKE) --no-print-directory test-uncompiled

proofs: setup ## Every capability of every proxy, on a current and an older real program (PROXY=nginx: of one)
	@tools/packages.sh test $(if $(PROXY),,browser)
	@$(PY) -m tools.proxies $(PROXY) $(if $(PROXY),curl)
	@LASTHOP_PROOFS=1 $(PYTEST) $(PROOFS) $(if $(PROXY),-k $(PROXY)) $(ARGS)

test-unit: setup ## The fast part of the suite
	@$(PYTEST) $(PARALLEL) $(wildcard tests/house tests/unit tests/engines) $(ARGS)

test-uncompiled: setup ## appserver's unit and engine suites on the plain Python sources, without any extension
	@tools/leg.sh uncompiled

test-nghttp2: setup ## The kernel's suites against the libnghttp2 of Debian testing
	@tools/leg.sh nghttp2

test-containers: setup ## Proxies in container images; starts dockerd for itself where no engine answers
	@tools/packages.sh test containers
	@$(PY) -m tools.proxies nginx haproxy caddy
	@$(PYTEST) $(CONTAINERS) $(ARGS)

lint: setup ## ruff, and no name of one machine in any file
	@$(PY) -m ruff check .
	@$(PY) -m tools.machine_paths

types: setup ## mypy --strict
	@$(PY) -m mypy $(CODE)

docs: reference ## Build the documentation strictly; generated pages must not have drifted
	@git diff --exit-code --stat -- docs/reference || { echo "docs/reference has drifted: commit what 'make reference' wrote"; exit 1; }
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict --quiet --site-dir build/site
	@echo "build/site/index.html"

reference: setup ## Write the generated pages of docs/reference
	@$(PY) docs/generate.py
	@$(PY) -m proxyconf schema --docs > docs/reference/site-spec.md
	@$(PY) -m proxyconf matrix --page > docs/reference/proxies.md

h2spec: setup ## h2spec against both engines; the failing set must equal h2spec/waivers.toml
	@tools/packages.sh h2spec
	@$(PY) -m h2spec.run $(ARGS)

autobahn: setup ## Autobahn's WebSocket suite, over HTTP/1.1 and through an HTTP/2 tunnel; 0 failed
	@tools/packages.sh test
	@$(PY) -m tools.proxies haproxy
	@$(PY) -m tools.autobahn $(ARGS)

bench: setup ## Benchmark against the peers (QUICK=1: two minutes; HOP=caddy: through that proxy)
	@tools/packages.sh test bench
	@$(PY) -m bench $(if $(QUICK),--quick) $(if $(HOP),--hop $(HOP)) $(ARGS)

wheel: setup ## Build the wheel into dist/
	@$(PY) -m tools.wheel dist

ci: ## What CI runs, from nothing (.ci/run)
	@.ci/run

clean: ## Remove what was built and installed here
	rm -rf build dist site .venv .venv-* *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find appserver -name '*.so' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
