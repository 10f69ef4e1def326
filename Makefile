# The verbs of this project. Each sets up what it needs, on a fresh clone, with any Python from 3.11 on.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test check bench hunt nemesis docs specs

MINIMUM := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
# Each candidate is run, not only looked up: a shim on the PATH may stand for an interpreter that is not selected.
ifndef PYTHON
PYTHON := $(shell for python in python3.11 python3.12 python3.13 python3 python python3.14 \
	$$HOME/.pyenv/versions/3.1[1-9]*/bin/python; do \
	if "$$python" -c "$(MINIMUM)" >/dev/null 2>&1; then command -v "$$python"; break; fi; done)
endif

SOURCES := pyproject.toml README.md LICENSE $(shell find src -type f -not -name '*.py[co]')
BIN := .venv/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

help: ## show this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: .venv-demo/installed ## leaders killed and frozen, a lock and a cluster of our own: under a minute and a half
	@.venv-demo/bin/tenure demo
	@.venv-demo/bin/tenure demo --cluster --picture .venv-demo/host.html --picture .venv-demo/network.html

test: .venv/installed ## the whole test suite (serial tests after the parallel ones)
	@$(find_browser)
	@$(find_java)
	$(BIN)/python -m pytest -q -n 2 -m "not serial" $(PYTEST_ARGS)
	$(BIN)/python -m pytest -q -m serial $(PYTEST_ARGS)

check: .venv/installed ## format, lint, types, layers, documentation
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/sphinx-build -q -E -W --keep-going docs docs/_build/html

bench: .venv/installed ## speed, with peers beside it where they are present
	$(BIN)/pip install -q -r requirements-bench.txt -c constraints.txt
	$(BIN)/python -m benchmarks $(BENCH_ARGS)

hunt: .venv/installed ## 10,000 seeds of every algorithm, and 1,000 with heartbeats, on all cores: an hour
	$(BIN)/tenure hunt --algorithm all --detector told --seeds 10000 $(HUNT_ARGS)
	$(BIN)/tenure hunt --algorithm all --seeds 1000 $(HUNT_ARGS)

nemesis: .venv/installed ## real processes, disks and links under faults and load for an hour (NEMESIS_ARGS="--for 8h")
	$(BIN)/python -m tests.nemesis --for 1h $(NEMESIS_ARGS)

specs: .venv/installed ## what TLC says of specs/: minutes, half an hour where much else runs
	@$(find_java)
	$(BIN)/python -m specs.check $(SPECS_ARGS)

docs: .venv/installed ## the documentation, in docs/_build/html
	$(BIN)/sphinx-build -q -W --keep-going docs docs/_build/html
	@echo "open docs/_build/html/index.html"

# Development: the project editable, and every tool, at the versions of constraints.txt.
.venv/installed: pyproject.toml requirements-dev.txt constraints.txt
	@$(call need_python)
	@test -x $(BIN)/python -a -x $(BIN)/pip || "$(PYTHON)" -m venv --clear .venv
	$(BIN)/pip install -qq -r requirements-dev.txt -c constraints.txt
	$(BIN)/pip install -qq --no-build-isolation -e . -c constraints.txt
	@touch $@

# The demonstration: the base wheel only, as a user would install it. A venv without its own pip is made in no time;
# where the Python's own pip is too old to install into another environment, the venv gets one.
.venv-demo/installed: $(SOURCES)
	@$(call need_python)
	@echo "setting up .venv-demo with $(PYTHON)"
	@rm -rf .venv-demo
	@{ "$(PYTHON)" -m venv --without-pip .venv-demo && \
	   "$(PYTHON)" -m pip --python .venv-demo/bin/python install -q . >.venv-demo/install.log 2>&1; } || \
	 { "$(PYTHON)" -m venv --clear .venv-demo && .venv-demo/bin/pip install -q .; }
	@touch $@

# The pages that a run is shown on are tested in a real browser. Where root may install Debian's, that is done once.
LOG := .venv/chromium.log
define find_browser
	if ! command -v chromium >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null; then \
	    echo "installing chromium, in which pages are tested: apt-get install --no-install-recommends chromium"; \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -qq --no-install-recommends chromium; } >$(LOG) 2>&1 || \
	      echo "that failed (see $(LOG)); the tests that need a browser will be skipped"; \
	  else \
	    echo "no chromium here: the tests that need a browser will be skipped (Debian: apt-get install chromium)"; \
	  fi; \
	fi
endef

# TLC, which checks what is in specs/, runs on Java.
define find_java
	if ! command -v java >/dev/null; then \
	  if [ "$$(id -u)" = 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null; then \
	    echo "installing Java, on which TLC runs: apt-get install --no-install-recommends default-jre-headless"; \
	    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	      apt-get install -y -qq --no-install-recommends default-jre-headless; } >.venv/java.log 2>&1 || \
	      echo "that failed (see .venv/java.log); the tests that need Java will be skipped"; \
	  else \
	    echo "no java here: the tests that need it will be skipped (Debian: apt-get install default-jre-headless)"; \
	  fi; \
	fi
endef

define need_python
	if [ -z "$(PYTHON)" ]; then \
	  echo "tenure needs Python 3.11 or newer with its venv module, and none was found on the PATH." >&2; \
	  echo "Install one (on Debian: apt-get install python3 python3-venv) or say where it is: make PYTHON=/path/to/python" >&2; \
	  exit 1; \
	fi
endef
