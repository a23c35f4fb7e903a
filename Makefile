# TAP's commands; `make help` lists them. Each sets up what it needs, once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON_WANTED := 3.11
NODE_WANTED := 20
TERRAFORM_WANTED := 1.11
PIPENV_WANTED := 2026.10.3

export ENVIRONMENT ?= all
export ENVIRONMENT_SUFFIX ?= demo
export PIPENV_VENV_IN_PROJECT := 1
export PIPENV_IGNORE_VIRTUALENVS := 1
export PIPENV_QUIET := 1
RUN := .venv/bin/python -m

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

.PHONY: setup
setup: .venv/.installed node_modules/.installed ## Install everything, as locked

.venv/.installed: Pipfile.lock scripts/require
	@scripts/require python3 $(PYTHON_WANTED)
	@echo "Installing Python packages into .venv ..."
	@pipenv=$$(command -v pipenv) || { \
	  [ -x .tools/bin/pipenv ] || { python3 -m venv .tools && .tools/bin/pip install -q pipenv==$(PIPENV_WANTED); }; \
	  pipenv=.tools/bin/pipenv; }; \
	$$pipenv --python "$$(command -v python3)" sync --dev
	@touch $@

node_modules/.installed: package-lock.json scripts/require
	@scripts/require node $(NODE_WANTED)
	@scripts/require terraform $(TERRAFORM_WANTED)
	@echo "Installing Node packages into node_modules ..."
	@npm ci --no-audit --no-fund
	@touch $@

.PHONY: synth
synth: setup ## Write the Terraform JSON of ENVIRONMENT (all) as copy ENVIRONMENT_SUFFIX (demo)
	@npm run --silent cdktf:synth

.PHONY: test
test: lint unit ## Everything that CI runs
	@true

.PHONY: ci
ci: test ## The same

.PHONY: lint
lint: setup ## Formatting, pylint, types
	@$(RUN) ruff format --check .
	@$(RUN) pylint tap.py lib ops tests
	@npx --no-install pyright

.PHONY: unit
unit: setup ## The tests, with coverage
	@$(RUN) pytest -n auto --cov --cov-report=term-missing:skip-covered --cov-fail-under=100

.PHONY: format
format: setup ## Format the code
	@$(RUN) ruff format .

.PHONY: snapshots
snapshots: setup ## Write the snapshots anew: read the difference before you commit it
	@$(RUN) pytest tests/snapshots --snapshot-update

.PHONY: bench
bench: setup ## Measure synthesis against stock loading and other tools (20 minutes)
	@$(RUN) bench

.PHONY: clean
clean: ## Remove what the commands made, but for local Terraform state
	@rm -rf .venv .tools node_modules cdktf.out bench/.work .pytest_cache .ruff_cache .coverage .hypothesis
