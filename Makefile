# TAP's commands; `make help` lists them. Each sets up what it needs, once.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON_WANTED := 3.11
NODE_WANTED := 20
TERRAFORM_WANTED := 1.11

export PIPENV_VENV_IN_PROJECT := 1
export PIPENV_IGNORE_VIRTUALENVS := 1
export PIPENV_QUIET := 1
# A person's own settings install other packages, or elsewhere; where from is theirs to say.
export PIP_USER := 0
unexport PIP_CONSTRAINT PIP_DRY_RUN PIP_EDITABLE PIP_IGNORE_INSTALLED PIP_NO_DEPS PIP_PRE PIP_PREFIX
unexport PIP_PYTHON PIP_REQUIREMENT PIP_ROOT PIP_TARGET PIPENV_PIPFILE PIPENV_CUSTOM_VENV_NAME
unexport PYTHONHOME PYTHONPATH
NPM_CI := npm ci --no-audit --no-fund --include=dev --include=optional --include=peer \
  --global=false --prefix=. --dry-run=false --package-lock-only=false
# Where it forbids bytecode, each of the hundreds of processes of a test run compiles all of TAP.
unexport PYTHONDONTWRITEBYTECODE
RUN := .venv/bin/python -m

.PHONY: help
help: ## List the commands
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/\1\t\2/' | expand -t 14

.PHONY: setup
setup: ## Install everything, as locked
	@scripts/installed || rm -f .venv/.installed node_modules/.installed
	@$(MAKE) .venv/.installed node_modules/.installed
	@# Commands work from any folder, and with PYTHONSAFEPATH=1.
	@for packages in .venv/lib/python*/site-packages; do echo ../../../.. > $$packages/tap.pth; done

.venv/.installed: Pipfile.lock scripts/require | .tools/pipenv/.installed
	@scripts/require python3 $(PYTHON_WANTED)
	@echo "Installing Python packages into .venv ..."
	@.tools/pipenv/bin/pipenv --python "$$(command -v python3)" sync --dev
	@scripts/installed python
	@touch $@

node_modules/.installed: package-lock.json scripts/require
	@scripts/require node $(NODE_WANTED)
	@scripts/require terraform $(TERRAFORM_WANTED)
	@echo "Installing Node packages into node_modules ..."
	@$(NPM_CI)
	@scripts/installed node
	@touch $@

# Other people's tools pin what we use in other versions: each has an environment of its own.
.tools/%/.installed: requirements/%.txt scripts/require
	@scripts/require python3 $(PYTHON_WANTED)
	@echo "Installing $* into .tools/$* ..."
	@python3 -m venv --clear .tools/$*
	@.tools/$*/bin/pip install -q --disable-pip-version-check --no-compile \
	  --require-hashes --no-deps -r $<
	@.tools/$*/bin/pip show -q $$(sed -nE 's/^([A-Za-z0-9._-]+)==.*/\1/p' $<)
	@touch $@

.PHONY: local
local: export ENVIRONMENT ?= dev
local: export ENVIRONMENT_SUFFIX ?= local
local: setup ## Deploy ENVIRONMENT (dev) to an AWS emulator: no account; OPTIONS="--keep --destroy --json"
	@$(RUN) ops sandbox $(OPTIONS)

.PHONY: synth
synth: export ENVIRONMENT ?= all
synth: export ENVIRONMENT_SUFFIX ?= demo
synth: setup ## Write the Terraform JSON of ENVIRONMENT (all) as copy ENVIRONMENT_SUFFIX (demo)
	@npm run --silent cdktf:synth

.PHONY: test
test: ## Everything that CI runs
	@$(MAKE) -j2 --output-sync=target e2e checks  # the one waits for half of its time

.PHONY: checks
checks: lint audit policy unit fuzz ## All of it but the end-to-end tests

.PHONY: ci
ci: test ## The same

.PHONY: lint
lint: setup .tools/checks/.installed ## Formatting, pylint, types, secrets, licences, workflows
	@$(RUN) ruff format --check .
	@$(RUN) pylint tap.py lib ops checks policy tests bench bench/peers/*/*.py way_out/*.py
	@npx --no-install pyright
	@.tools/checks/bin/bandit -q -c pyproject.toml -r tap.py lib ops checks policy way_out bench/*.py bench/peers
	@$(RUN) checks secrets
	@$(RUN) checks licences
	@.tools/checks/bin/zizmor --offline --quiet --no-progress .github
	@.tools/checks/bin/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@.tools/checks/bin/check-jsonschema --builtin-schema vendor.github-actions .github/actions/*/action.yml

.PHONY: unit
unit: setup .tools/checks/.installed .tools/cdktn/.installed ## All tests but those that deploy, with coverage of lib (a quarter of an hour)
	@$(RUN) pytest tests/unit tests/snapshots -n auto --dist loadfile \
	  --cov --cov-report=term-missing:skip-covered --cov-fail-under=100
	@# Of the others coverage is not asked: it takes half as long again.
	@$(RUN) pytest --ignore=tests/unit --ignore=tests/snapshots \
	  --ignore=tests/e2e --ignore=tests/chaos --ignore=tests/policy --ignore=tests/fuzz \
	  -n auto --dist loadfile

.PHONY: quick
quick: setup .tools/checkov/.installed ## After an edit of the config or of lib/extend.py: rules, snapshots, policy
	@$(RUN) pytest -q tests/rules tests/snapshots -n auto
	@$(RUN) ops policy

.PHONY: policy
policy: setup .tools/checkov/.installed ## Hold every environment against policy checks, offline; OPTIONS="--write"
	@$(RUN) ops policy $(OPTIONS)
	@$(RUN) pytest -q tests/policy -n auto

.PHONY: e2e
e2e: setup .tools/tf-nag/.installed ## Deploy to an AWS emulator, look, change, interrupt, kill, recover, destroy (ten minutes)
	@# Each file in one process, the longest first.
	@$(RUN) pytest $(patsubst %,tests/e2e/test_%.py,deployed recover state_deploy faults password) \
	  tests/e2e -n 4 --dist loadfile --no-loadscope-reorder

# A seed of the commit's: another with each change, the same on every machine.
.PHONY: fuzz
fuzz: export TAP_FUZZ_SEED ?= $(shell printf %d 0x$$(git rev-parse --short=8 HEAD 2>/dev/null || echo 0))
fuzz: setup ## 2,000 configs: each is refused by name, or Terraform takes what comes of it (minutes)
	@nice $(RUN) pytest tests/fuzz -n 2 --dist load

.PHONY: chaos
chaos: setup ## Every kill, fault and interrupt, against an AWS emulator (an hour)
	@$(RUN) pytest tests/chaos -n 3 --dist load
	@TAP_LOCK_ROUNDS=200 $(RUN) pytest tests/e2e/test_state*.py -n 3 --dist loadfile

.PHONY: hooks
hooks: setup .tools/checks/.installed ## Check what is committed, as it is committed (pre-commit)
	@.tools/checks/bin/pre-commit install

.PHONY: validate
validate: setup ## Every stack against the AWS provider that the bindings are of, from the registry
	@TF_PROVIDER_MIRROR= TAP_PROVIDER=registry $(RUN) pytest tests/integration/test_terraform_validate.py

.PHONY: audit
audit: setup .tools/checks/.installed ## Known vulnerabilities of what is locked, where a registry answers
	@$(RUN) checks audit $(OPTIONS)

.PHONY: providers
providers: setup ## Lock the AWS provider by its hashes in .terraform.lock.hcl, where a registry answers
	@$(RUN) checks providers

.PHONY: environments
environments: ## The environments of the config, as the workflows read them
	@scripts/require python3 $(PYTHON_WANTED)
	@python3 scripts/environments

.PHONY: sbom
sbom: setup .tools/checks/.installed ## Write the bills of materials (CycloneDX) to sbom/
	@$(RUN) checks sbom

.PHONY: format
format: setup ## Format the code
	@$(RUN) ruff format .

# What documents have from the environments that TAP ships.
PAGES := $(patsubst %,tests/docs/test_%.py,cost_page fields parity_page)

.PHONY: snapshots
snapshots: setup ## Write anew all that is made from the config and the code: read the difference
	@TAP_WRITE_DOCS=1 TAP_WRITE_GUARD_FIELDS=1 $(RUN) pytest -q -n auto --dist loadfile --snapshot-update \
	  tests/snapshots tests/ops/test_guard_fields.py $(PAGES)
	@$(RUN) checks licences --write

.PHONY: fields
fields: setup ## Record anew what changing each field of the config does (minutes); then make docs
	@TAP_WRITE_FIELDS=1 $(RUN) pytest tests/e2e/test_deployed.py -k changing_each_field

.PHONY: plans
plans: setup ## Write anew the plans that the guard is tested with (minutes)
	@TAP_WRITE_PLANS=1 $(RUN) pytest tests/e2e/test_deployed.py -k recorded_plans

.PHONY: docs
docs: setup ## Write anew what the documents have from the environments: costs, parity, fields
	@TAP_WRITE_DOCS=1 $(RUN) pytest -q -n auto --dist loadfile $(PAGES)

.PHONY: diagram
diagram: setup ## Draw each environment anew: look at the pictures before you commit them
	@$(RUN) ops diagram

.PHONY: report
report: export ENVIRONMENT ?= all
report: export ENVIRONMENT_SUFFIX ?= demo
report: setup ## Write a page of each of ENVIRONMENT (all) to report/: parts, costs, open paths, waivers
	@$(RUN) ops report $(OPTIONS)

.PHONY: bench
bench: setup ## Measure synthesis against stock loading and other tools (20 minutes); OPTIONS="--write --check"
	@$(RUN) bench $(OPTIONS)

.PHONY: way-out
way-out: setup .tools/cdktn/.installed ## Synthesize with cdktn and as plain HCL, and compare
	@$(RUN) pytest tests/integration/test_way_out.py

.PHONY: clean
clean: ## Remove what the commands made, but for local and unsaved Terraform state
	@python3 ops/terraform/unsaved.py cdktf.out
	@rm -rf .venv .tools node_modules cdktf.out hcl.out report bench/.work .pytest_cache .ruff_cache .coverage .hypothesis
