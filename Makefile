# Every target does its own set-up: a virtual environment in .venv with locked, hash-checked packages.
PYTHON ?= python3
# The locks name everything, so pip need not resolve: old releases of it trip over extras (coverage[toml]) of pinned packages.
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run
DEV_STAMP := $(VENV)/.dev
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## show this list
	@echo "kkiai-sdk: make TARGET"
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12 …" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): $(VENV)/pyvenv.cfg requirements/run.txt pyproject.toml
	@echo "Setting up $(VENV) to run (once) …"
	@$(INSTALL) --no-deps --require-hashes -r requirements/run.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): $(VENV)/pyvenv.cfg requirements/dev.txt pyproject.toml
	@echo "Setting up $(VENV) to develop (once, about a minute) …"
	@$(INSTALL) --no-deps --require-hashes -r requirements/dev.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@ $(RUN_STAMP)

.PHONY: setup
setup: $(DEV_STAMP) ## make the virtual environment for everything below

.PHONY: demo
demo: $(RUN_STAMP) ## wait for a video and download it, from a mock gateway (or TASK_ID=… with KKIAI_API_KEY)
	@$(BIN)/kkiai demo $(TASK_ID)

.PHONY: test
test: $(DEV_STAMP) ## run every test; fails under 100 % branch coverage of the pure modules
	@$(BIN)/python -m pytest --numprocesses=auto --cov --cov-report=term:skip-covered $(ARGS)

.PHONY: check
check: $(DEV_STAMP) ## lint, types, spec, generated code, documents and locks
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet
	@$(BIN)/mypy
	@$(BIN)/python -m openapi_spec_validator openapi.yaml
	@$(BIN)/python codegen/generate.py --check
	@$(BIN)/python tools/make_cli_docs.py --check
	@$(BIN)/zizmor --offline --persona=pedantic --no-progress --quiet .github/workflows action.yml

.PHONY: format
format: $(DEV_STAMP) ## format the hand-written code
	@$(BIN)/ruff check --quiet --fix
	@$(BIN)/ruff format --quiet

.PHONY: generate
generate: $(DEV_STAMP) ## regenerate generated/ from openapi.yaml
	@$(BIN)/python codegen/generate.py

.PHONY: spec-diff
spec-diff: $(DEV_STAMP) ## classify changes of the spec since BASE=… (a git revision or a file)
	@test -n "$$BASE" || { echo "name what to compare with: make spec-diff BASE=origin/main" >&2; exit 2; }
	@$(BIN)/python codegen/spec_diff.py "$$BASE"

.PHONY: contract
contract: $(DEV_STAMP) ## hold the SDK and the mock gateway to the spec (or a gateway: URL=… TASK_ID=… with KKIAI_API_KEY)
ifdef URL
	@$(BIN)/kkiai contract --base-url "$$URL" $(if $(TASK_ID),--task-id "$$TASK_ID") $(ARGS)
else
	@$(BIN)/python -m pytest contract_tests $(ARGS)
	@$(BIN)/kkiai contract --fail-on drift
endif

.PHONY: mutants
mutants: $(DEV_STAMP) ## try seeded defects of gateways and of the SDK (about 5 minutes); writes docs/mutants.md
	@$(BIN)/python -m contract_tests.mutants

.PHONY: docs
docs: $(DEV_STAMP) ## make docs/ anew: the command line's reference and the pictures
	@$(BIN)/python tools/make_cli_docs.py
	@$(BIN)/python tools/make_terminal_picture.py

.PHONY: build
build: $(DEV_STAMP) ## build the wheel and the source distribution into dist/
	@rm -rf dist
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --no-isolation --outdir dist

.PHONY: lock
lock: $(DEV_STAMP) ## resolve requirements/ anew (needs the package index)
	@$(BIN)/uv pip compile pyproject.toml --extra dev $(LOCK) --upgrade -o requirements/dev.txt
	@$(BIN)/uv pip compile pyproject.toml requirements/build.in --extra cli --extra mock $(LOCK) -c requirements/dev.txt -o requirements/run.txt


.PHONY: clean
clean: ## remove everything that can be made again
	@rm -rf $(VENV) dist build demo .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
