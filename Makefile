# Needs Python 3.11 or later as python3 (or PYTHON=…) and a package registry; everything else is installed into .venv.

PYTHON ?= python3
WORKERS ?= 2
BROKERS ?= 1
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo up down test simulate faults check bench golden format lock clean

help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## make .venv: the locked dependencies and this project (the other targets call it)

demo: setup ## drive a simulated fleet live, serve it, print the address and queries to try
	$(BIN)/fleettwin demo

up: setup ## start Apache Kafka in the background (BROKERS=3 for three); needs Java 17 and mvn
	@$(BIN)/python -m adapters.local_kafka up $(BROKERS)

down: setup ## stop it; its data stay
	@$(BIN)/python -m adapters.local_kafka down

test: setup ## all tests; says what was skipped and why (ARGS="-k name" chooses)
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(ARGS)

simulate: setup ## run the whole path with faults: SEED=42 tells all about one seed, without it 200 are run
	$(BIN)/python -m tests.support.simulation.command $(if $(SEED),--seed $(SEED)) $(ARGS)

faults: setup ## kill, freeze and cut off real processes under load: SEED=42 tells all about one, COUNT=50 runs so many
	$(BIN)/python -m tests.support.faults.command $(if $(SEED),--seed $(SEED)) $(if $(COUNT),--count $(COUNT)) $(ARGS)

check: setup ## format, lint, types, import contracts, schema locks, architecture tests; needs no service
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m adapters.avro.lock --check
	$(BIN)/python -m adapters.graphql.sdl --check
	$(BIN)/python -m pytest --quiet -n $(WORKERS) tests/architecture

bench: setup ## measure against the peers, append to bench/results (NAMES="decode fold" chooses)
	$(BIN)/python -m bench $(NAMES)

golden: setup ## rewrite the golden files; `git diff` is the review
	$(BIN)/python -m pytest --rewrite-golden tests/golden tests/console/test_console_served.py \
		tests/console/test_console_pipeline.py::test_the_picture_of_the_pipeline

format: setup ## format the code and apply the safe fixes of the linter
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

lock: setup ## bring requirements.lock up to date with pyproject.toml (UPGRADE=--upgrade takes the newest releases)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev --generate-hashes --no-emit-index-url \
		--custom-compile-command "make lock" $(UPGRADE) --output-file requirements.lock pyproject.toml

clean: ## remove .venv, caches and builds; keeps the data of `make demo`
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit(f"fleettwin needs Python 3.11 or later; $(PYTHON) is {sys.version.split()[0]}: make PYTHON=python3.12 …")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
