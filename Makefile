# Everything starts from Python 3.11+ alone: no root, no Docker, no Java. `make help` lists the targets.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.complete

.DEFAULT_GOAL := help
.PHONY: help setup demo up test bench faults mutants check format specifications lock clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 24

setup: $(STAMP) ## the environment in .venv, from the hashed lock

$(STAMP): requirements.lock pyproject.toml
	@echo "Setting up .venv from requirements.lock (about a minute the first time) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=python3.12, say")'
	@$(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q services libs
	@touch $@

demo: setup ## the main job, end to end, as a story (under 30 seconds)
	@$(BIN)/samtykkebro demo $(ARGS)

up: setup ## the same system for a person to use; Ctrl-C stops everything
	@$(BIN)/samtykkebro up $(ARGS)

test: setup ## the whole suite against real PostgreSQL and a real Apache Kafka
	@$(BIN)/python -m tests $(ARGS)

bench: setup ## each figure beside its ceiling, measured in the same run (about four minutes, on an idle machine)
	@$(BIN)/python -m tests.bench $(ARGS)

faults: setup ## break the whole system on purpose for three minutes and decide whether its promises held
	@$(BIN)/python -m tests.faults $(ARGS)

mutants: setup ## break one rule of the fence at a time and see which proof notices (about eight minutes)
	@$(BIN)/python -m tests.mutants --write docs/mutants.md $(ARGS)

check: setup ## format, lint, types, import contracts, specifications, budgets
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m openapi.export --check
	@$(BIN)/python -m pytest -q -n logical --dist loadfile tests/architecture tests/contract

format: setup ## rewrite the code in the project's format
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

specifications: setup ## write openapi/ anew from the code
	@$(BIN)/python -m openapi.export

LOCK := uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
  --python-version 3.11
lock: ## resolve the dependencies anew (needs uv); the image's lock is a subset of the tested one
	@$(LOCK) --extra local --extra dev pyproject.toml --output-file requirements.lock
	@$(LOCK) --no-annotate --constraint requirements.lock pyproject.toml --output-file deploy/requirements.lock

clean: ## remove the environment and caches, nothing else
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
