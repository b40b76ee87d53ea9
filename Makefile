# Every target does its own set-up: a virtual environment in .venv with locked, hash-checked packages.
PYTHON ?= python3
# The locks name everything, so pip need not resolve: old releases of it trip over extras (coverage[toml]) of pinned packages.
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run
DEV_STAMP := $(VENV)/.dev
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOWEST := .venv-lowest
BENCH := .venv-bench
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## show this list
	@echo "kkiai-sdk: make TARGET"
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

# Byte code is kept although the environment may say otherwise: without it every process compiles every test anew.
TEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses=auto --dist=worksteal
# What is slow by nature, and what Hypothesis makes up, ten times as much of it as elsewhere.
DEEP := --hypothesis-profile=deep

.PHONY: test
test: $(DEV_STAMP) ## run the tests (about two minutes on two cores)
	@$(TEST) -m "not deep" $(ARGS)

.PHONY: coverage
coverage: $(DEV_STAMP) ## the tests of the pure modules; fails under 100 % of their branches (half a minute)
	@$(TEST) -m "not deep" tests/unit --cov --cov-report=term:skip-covered $(ARGS)

.PHONY: test-deep
test-deep: $(DEV_STAMP) ## the tests that take long, and ten times the made-up examples (about 5 minutes)
	@$(TEST) -m "deep or hypothesis" $(DEEP) $(ARGS)

.PHONY: test-aiohttp
test-aiohttp: $(DEV_STAMP) ## how the asynchronous client behaves over the extra aiohttp
	@$(TEST) $(DEEP) tests/behaviour --transport=aiohttp $(ARGS)

.PHONY: chaos
chaos: $(DEV_STAMP) ## what needs real time: kills, stops, slow peers, storms (under 5 minutes)
	@$(BIN)/python -m pytest tests/chaos $(ARGS)

$(LOWEST)/.stamp: $(DEV_STAMP) requirements/lowest.txt requirements/dev.txt pyproject.toml
	@echo "Setting up $(LOWEST) with the lowest versions that are allowed (once) …"
	@$(PYTHON) -m venv --clear $(LOWEST)
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/lowest.txt
	@$(LOWEST)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# The command line's reference is written by the locked version of typer, which words it in its own way.
.PHONY: test-lowest
test-lowest: $(LOWEST)/.stamp ## the tests of the package, with the lowest versions of what it needs
	@$(LOWEST)/bin/python -m pytest --numprocesses=auto $(DEEP) tests/unit tests/behaviour tests/mock tests/cli --ignore=tests/cli/test_cli_docs.py $(ARGS)

.PHONY: mutate
mutate: $(DEV_STAMP) ## change the pure modules in small ways: what no test notices must have a reason (ten minutes; MODULES="_text models")
	@$(if $(MODULES),rm -f mutants/mutmut-stats.json,rm -rf mutants)
	@$(BIN)/python tools/mutate.py $(MODULES)
	@$(BIN)/python tools/mutation_report.py $(MODULES)

.PHONY: audit
audit: $(DEV_STAMP) ## look the locked packages up in the list of known vulnerabilities
	@$(BIN)/python tools/audit.py requirements/run.txt requirements/dev.txt

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

# The peers, and the SDK as it stands, in an environment of their own.
$(BENCH)/.stamp: $(VENV)/pyvenv.cfg benchmarks/requirements.txt pyproject.toml
	@echo "Setting up $(BENCH) with the peers to measure beside (once) …"
	@$(PYTHON) -m venv --clear $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r benchmarks/requirements.txt
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: bench
bench: $(BENCH)/.stamp ## measure costs beside the peers (about 40 minutes, wants nginx); writes benchmarks/RESULTS.md
	@$(BENCH)/bin/python -m benchmarks $(ARGS)

.PHONY: bench-faults
bench-faults: $(BENCH)/.stamp $(DEV_STAMP) ## the same faults for the SDK and its peers (about 15 minutes); writes docs/reliability.md
	@rm -f $(BENCH)/faults.json
	@-$(BIN)/python -m pytest -p benchmarks.faults.witness --fault-report=$(BENCH)/faults.json -m fault --numprocesses=0 --quiet --override-ini="norecursedirs=mutants .*" tests contract_tests
	@$(BENCH)/bin/python -m benchmarks.faults --held $(BENCH)/faults.json $(ARGS)

.PHONY: build
build: $(DEV_STAMP) ## build the wheel and the source distribution into dist/
	@rm -rf dist
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --no-isolation --outdir dist

# An environment with the wheel and the locked releases of what it needs, and nothing else, is what the list is made of.
.PHONY: sbom
sbom: build ## list what the wheel needs at run time, as CycloneDX, into dist/
	@rm -rf build/sbom && $(PYTHON) -m venv --without-pip build/sbom
	@$(BIN)/python -m pip --python build/sbom install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/sdk.txt
	@$(BIN)/python -m pip --python build/sbom install --quiet --disable-pip-version-check --no-deps dist/*.whl
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --mc-type library -o dist/kkiai-sdk.cdx.json build/sbom/bin/python
	@echo "dist/kkiai-sdk.cdx.json"

.PHONY: lock
lock: $(DEV_STAMP) ## resolve requirements/ anew (needs the package index)
	@$(BIN)/uv pip compile pyproject.toml --extra dev $(LOCK) --upgrade -o requirements/dev.txt
	@$(BIN)/uv pip compile pyproject.toml requirements/build.in --extra cli $(LOCK) -c requirements/dev.txt -o requirements/run.txt
	@$(BIN)/uv pip compile pyproject.toml $(LOCK) -c requirements/dev.txt -o requirements/sdk.txt
	@$(BIN)/uv pip compile pyproject.toml benchmarks/requirements.in requirements/build.in --extra cli --extra aiohttp $(LOCK) -c requirements/dev.txt -o benchmarks/requirements.txt
	@$(BIN)/uv pip compile pyproject.toml --extra cli --extra contract --extra aiohttp $(LOCK) --upgrade --resolution lowest-direct -o requirements/lowest.txt

.PHONY: clean
clean: ## remove everything that can be made again
	@rm -rf $(VENV) $(LOWEST) $(BENCH) dist build demo mutants .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
