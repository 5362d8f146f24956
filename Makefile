# make app        install what is missing, the tailscope command included, and open the app on
#                 http://127.0.0.1:8501
# make test       install what is missing and run the tests of every kind, but for the slow ones
# make test-slow  the slow ones: whole audits, clusters, long walks in a browser
# make test-studies  what repeats over many seeds or kills, beside the tables of benchmarks/; not part of CI
# make test-real  what needs the fetched real model (`tailscope models get smollm2`); left out without it
# make install    install all that tests and lint need
# make lint       format check, lint and types
#
# Options: make app PORT=8600        make test PYTEST_ARGS="-k store"
#          make app PYTHON=/path/to/python3.12
# Written for GNU make 3.81, the version that macOS ships.

VENV := .venv
PY   := $(VENV)/bin/python
PORT ?= 8501
PYTEST_ARGS ?=

# The first of these that is 3.11 or newer makes the environment.
CANDIDATES := $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3 python

# The stamps carry a checksum of the requirements and of pyproject.toml, so that an edit installs again and a
# plain second run does not.
APP_SUM := $(shell cat requirements.txt pyproject.toml | cksum | tr ' ' '-')
DEV_SUM := $(shell cat requirements*.txt pyproject.toml | cksum | tr ' ' '-')
APP_STAMP := $(VENV)/.installed-app-$(APP_SUM)
DEV_STAMP := $(VENV)/.installed-dev-$(DEV_SUM)

PIP := $(PY) -m pip install --disable-pip-version-check --no-input

.PHONY: app install test test-slow test-studies test-real lint format clean-venv
# An environment that was left half-made, or whose Python has gone since, is made anew.
ifneq ($(shell $(PY) -c 'import pip; print("works")' 2>/dev/null),works)
.PHONY: $(PY) $(APP_STAMP) $(DEV_STAMP)
endif

.DEFAULT_GOAL := app

app: $(APP_STAMP)
	$(PY) -m pages.shared.serve --server.address 127.0.0.1 --server.port $(PORT) \
	  --server.headless true --browser.gatherUsageStats false

# Tests that fill the machine by themselves (a browser, a cluster, processes that are killed) come after the
# others, one by one. 5: a choice of tests that leaves none in one of the two parts.
ALONE := tests/browser tests/audit/test_ray.py tests/audit/test_processes.py

test: CHOSEN := not slow and not study and not real
test-slow: CHOSEN := slow and not study and not real
test-studies: CHOSEN := study and not real
test-real: CHOSEN := real

test test-slow test-studies test-real: $(DEV_STAMP)
	OMP_NUM_THREADS=1 $(PY) -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile -m "$(CHOSEN)" \
	  $(addprefix --ignore=,$(ALONE)) $(PYTEST_ARGS) || [ $$? -eq 5 ]
	$(PY) -m pytest -m "$(CHOSEN)" $(ALONE) $(PYTEST_ARGS) || [ $$? -eq 5 ]

install: $(DEV_STAMP)

lint: $(DEV_STAMP)
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy

format: $(DEV_STAMP)
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

clean-venv:
	rm -rf $(VENV)

$(APP_STAMP): | $(PY)
	$(PIP) -r requirements.txt
	$(PIP) --no-deps -e .
	@rm -f $(VENV)/.installed-app-*
	@touch $@

$(DEV_STAMP): $(APP_STAMP)
	$(PIP) -r requirements.txt -r requirements-dev.txt
	@rm -f $(VENV)/.installed-dev-*
	@touch $@

$(PY):
	@for candidate in $(CANDIDATES); do \
	  if command -v "$$candidate" >/dev/null 2>&1 && \
	     "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "Making $(VENV) with $$("$$candidate" --version 2>&1) ($$candidate)"; \
	    rm -rf $(VENV); \
	    if "$$candidate" -m venv $(VENV); then exit 0; fi; \
	    rm -rf $(VENV); \
	    echo "error: $$candidate could not make a virtual environment; on Debian: apt install python3-venv" >&2; \
	    exit 1; \
	  fi; \
	done; \
	found=`python3 --version 2>&1 || true`; \
	echo "error: Tailscope needs Python 3.11 or newer; found: $$found." >&2; \
	echo "       Install one (Debian: apt install python3 python3-venv; macOS: brew install python@3.12)" >&2; \
	echo "       or name it: make app PYTHON=/path/to/python3.12" >&2; \
	exit 1
