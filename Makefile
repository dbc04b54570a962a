# Every target first sets up what it needs. All of that lies below .venv/, .lockgate/ and .cache/.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV := .venv
PY := $(VENV)/bin/python
# The first interpreter that is new enough; `make PYTHON=/path/to/python ...` names another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; \
	done || true)
# Where the demo keeps artifacts: nothing for a folder, `s3` for moto's server.
STORE ?=
# Passed on to pytest: `make test ARGS="tests/promotion -x"`.
ARGS ?=

# Two at a time, each with servers of its own. Servers that are named exist once: then one by one.
WORKERS := $(if $(DATABASE_URL)$(BROKER_URL)$(MIRROR_URL)$(STORE_URL),,-n 2 --dist loadfile)

# Of cheat-check: attacks by name, `ONLY=edit-entry,grant`.
ONLY ?=

# The seed of a soak or of `make fuzz`, to repeat it.
SEED ?=

.PHONY: help bench-agent bench-audit bench-forest bench-matrix fuzz soak setup cheat cheat-check demo demo-check up lint test screenshots chromium clean

help:  ## This list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' \
		| while IFS=$$'\t' read -r name text; do printf '  make %-12s %s\n' "$$name" "$$text"; done

setup: $(VENV)/.installed  ## The virtual environment, from requirements.lock

demo: setup  ## The story of a model's life, on real data; stays up for your turn. STORE=s3 keeps artifacts on S3
	@exec $(PY) -m lockgate.demo play $(if $(STORE),--store $(STORE))

demo-check: setup  ## The same story, asserted; stops everything; exit 0 or 1
	@exec $(PY) -m lockgate.demo check $(if $(STORE),--store $(STORE))

cheat: setup  ## The demo's beginning; then a superuser's psql, the store and an agent's disk are yours
	@exec $(PY) -m lockgate.demo cheat

cheat-check: setup  ## Every way to cheat of docs/audit.md, played on a running system; exit 0 or 1
	@exec $(PY) -m lockgate.demo cheat --check $(if $(ONLY),--only $(ONLY))

up: setup  ## The embedded system without the story, for trying it by hand
	@exec $(VENV)/bin/lockgate up

lint: setup  ## ruff, its format, and mypy; the layers' contracts run with the tests
	@$(PY) -m ruff check -q .
	@$(PY) -m ruff format -q --check .
	@$(PY) -m mypy --no-error-summary

test: lint chromium  ## Lint, types, contracts and all tests; says what did not run, and why
	@$(PY) -m pytest -q -rsxX --durations=5 $(WORKERS) $(ARGS)

screenshots: setup chromium  ## The pictures of docs/, taken from the demo's own story
	@$(PY) -m tests.system.screenshots

soak: setup  ## 10,000 operations in any order and many at once, on one database; SEED=n repeats a run
	@LOCKGATE_SOAK=10000 LOCKGATE_SEED=$(SEED) $(PY) -m pytest -q tests/promotion/test_many_operations.py

fuzz: setup  ## 30 calls of each API operation by each of five callers, made from its OpenAPI schema; SEED=n repeats a run
	@LOCKGATE_FUZZ=$${LOCKGATE_FUZZ:-30} LOCKGATE_SEED=$(SEED) $(PY) -m pytest -q tests/access/test_schema_fuzz.py

bench-agent: setup .cache/mlserver/.installed  ## The agent beside MLServer with the same small forest: requests/s and latency
	@$(PY) -W ignore -m benchmarks.agent --home .cache/bench-agent --mlserver .cache/mlserver

bench-audit: setup  ## 1,000,000 entries verified offline, one version reported among 10,000; what recording and sealing cost
	@rm -rf .cache/bench-audit && $(PY) -W ignore -m benchmarks.audit --home .cache/bench-audit

bench-forest: setup  ## 250 trees of 100,000 nodes: scikit-learn, skl2onnx and ours, in process and over HTTP; trains once
	@$(PY) -W ignore -m benchmarks.forest --home .cache/bench-forest

bench-matrix: setup  ## How long the environment matrix takes with 200 models, 8 environments and 20,000 versions
	@rm -rf .cache/bench-matrix && $(PY) -W ignore -m benchmarks.matrix --home .cache/bench-matrix

clean:  ## Remove everything these targets made
	rm -rf $(VENV) .lockgate .cache

# The lock is installed when it changed, and only then; the project itself when its metadata did.
$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	@$(PY) -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.locked: requirements.lock
	@if [ -z "$(PYTHON)" ]; then \
		echo "Lockgate needs Python 3.11 or newer, and none is on the PATH. Install one, or name it:" >&2; \
		echo "  make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; fi
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Lockgate needs Python 3.11 or newer; $(PYTHON) is $$("$(PYTHON)" --version 2>&1)." >&2; exit 1; }
	@echo "setting up $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv $(VENV) || { \
		echo "Python could not make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(PY) -m pip install -q --disable-pip-version-check --no-compile --require-hashes -r requirements.lock
	@touch $@

# The baseline of bench-agent, apart from what the project itself needs.
.cache/mlserver/.installed: benchmarks/mlserver.txt
	@mkdir -p .cache && $(PY) -m venv --clear .cache/mlserver
	@.cache/mlserver/bin/python -m pip install -q --disable-pip-version-check --no-compile --no-deps -r $<
	@touch $@

# For the tests of the pages. Without it they are skipped, and the summary says so.
chromium:
	@mkdir -p .cache
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& { timeout 120 apt-get update -qq && DEBIAN_FRONTEND=noninteractive timeout 600 apt-get install -qq -y \
			--no-install-recommends chromium; } </dev/null >.cache/apt.log 2>&1; } \
		|| echo "no chromium: the tests of the pages in a browser will be skipped (apt-get install chromium)"
