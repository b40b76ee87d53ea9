# Every target does its own set-up: a virtual environment in .venv with locked, hash-checked packages.
PYTHON ?= python3
# The locks name everything, so pip need not resolve: old releases of it trip over extras (coverage[toml]) of pinned packages.
VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.run
DEV_STAMP := $(VENV)/.dev
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOWEST_VENV := .venv-lowest
BENCH := .venv-bench
RECIPES := .venv-recipe

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

.PHONY: demo
demo: $(RUN_STAMP) ## wait for a video and download it, from a mock gateway (or TASK_ID=… with KKIAI_API_KEY)
	@$(BIN)/kkiai demo $(TASK_ID)

# Byte code is kept although the environment may say otherwise: without it every process compiles every test anew.
TEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses=auto --dist=worksteal

# The command line's reference is written by the locked version of click, which words it in its own way.
.PHONY: test
test: $(if $(LOWEST),$(LOWEST_VENV)/.stamp,$(DEV_STAMP)) ## run the tests, in 100 seconds on two cores (LOWEST=1: over the lowest versions allowed)
ifdef LOWEST
	@$(LOWEST_VENV)/bin/python -m pytest --numprocesses=auto tests/unit tests/behaviour tests/mock tests/cli --ignore=tests/cli/test_docs.py $(ARGS)
else
	@$(TEST) -m "not deep" $(ARGS)
endif

.PHONY: test-all
test-all: $(DEV_STAMP) ## run what test leaves out: slow tests, more generated examples, coverage, chaos (12 minutes)
	@# Coverage takes memory of its own, which the tests of memory would count.
	@$(TEST) -m "not deep" tests/unit --ignore=tests/unit/polling/test_fleet_memory.py --cov --cov-report=term:skip-covered
	@$(TEST) -m "deep or hypothesis" --hypothesis-profile=deep
	@$(BIN)/python -m pytest tests/chaos

$(LOWEST_VENV)/.stamp: $(DEV_STAMP) requirements/lowest.txt requirements/dev.txt pyproject.toml
	@echo "Setting up $(LOWEST_VENV) with the lowest versions that are allowed (once) …"
	@$(PYTHON) -m venv --clear $(LOWEST_VENV)
	@$(LOWEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@$(LOWEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/lowest.txt
	@$(LOWEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: check
check: $(DEV_STAMP) ## lint, types, spec, generated code, documents (FIX=1: format; AUDIT=1: known vulnerabilities)
	@$(BIN)/ruff check --quiet $(if $(FIX),--fix)
	@$(BIN)/ruff format --quiet $(if $(FIX),,--check)
	@$(BIN)/mypy
	@$(BIN)/python codegen/validate.py openapi.yaml
	@$(BIN)/python codegen/generate.py --check
	@$(BIN)/python tools/make_cli_docs.py --check
	@$(BIN)/zizmor --offline --persona=pedantic --no-progress --quiet .github/workflows action.yml
	@$(if $(AUDIT),$(BIN)/python -m pip_audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements/run.txt -r requirements/dev.txt)

.PHONY: generate
generate: $(DEV_STAMP) ## regenerate generated/ from openapi.yaml
	@$(BIN)/python codegen/generate.py

.PHONY: contract
contract: $(DEV_STAMP) ## hold the SDK to the spec (URL=… TASK_ID=…: a gateway; BASE=…: the changes of the spec since)
ifdef URL
	@$(BIN)/kkiai contract --base-url "$$URL" $(if $(TASK_ID),--task-id "$$TASK_ID") $(ARGS)
else ifdef BASE
	@$(BIN)/python codegen/spec_diff.py "$$BASE"
else
	@$(BIN)/python -m pytest contract_tests $(ARGS)
	@$(BIN)/kkiai contract --fail-on drift --only queryVideoTask
endif

# A survivor among the changes of the pure modules must have a reason in tests/survivors.md.
.PHONY: mutants
mutants: $(DEV_STAMP) ## seed defects that tests must find; writes docs/mutants.md (MODULES=all: small changes of modules)
ifdef MODULES
	@$(if $(filter all,$(MODULES)),rm -rf mutants,rm -f mutants/mutmut-stats.json)
	@$(BIN)/python tools/mutate.py $(filter-out all,$(MODULES))
	@$(BIN)/python tools/mutation_report.py $(filter-out all,$(MODULES))
else
	@$(BIN)/python -m contract_tests.mutants
endif

# A warning of Sphinx is an error: no reference is open, no page without a place.
.PHONY: docs
docs: $(DEV_STAMP) ## write the command line's reference and the pictures, build the site in build/site, test it (Chromium)
	@$(BIN)/python tools/make_cli_docs.py
	@$(BIN)/python tools/make_terminal_picture.py
	@$(BIN)/python tools/make_diagrams.py
	@rm -rf build/site build/doctrees
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --conf-dir docs --doctree-dir build/doctrees . build/site
	@$(BIN)/python -m pytest tests/site $(ARGS)
	@echo "open build/site/index.html"

# The peers, and the SDK as it stands, in an environment of their own.
$(BENCH)/.stamp: $(VENV)/pyvenv.cfg benchmarks/requirements.txt pyproject.toml
	@echo "Setting up $(BENCH) with the peers to measure beside (once) …"
	@$(PYTHON) -m venv --clear $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r benchmarks/requirements.txt
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: bench
bench: $(BENCH)/.stamp $(DEV_STAMP) ## measure beside the peers, in an hour, with nginx (ARGS=--own: a minute; FAULTS=1: faults)
ifdef FAULTS
	@rm -f $(BENCH)/faults.json
	@-$(BIN)/python -m pytest -p benchmarks.faults.recorder --fault-report=$(BENCH)/faults.json -m fault --numprocesses=auto --dist=worksteal --quiet --override-ini="norecursedirs=mutants site .*" tests contract_tests
	@$(BENCH)/bin/python -m benchmarks.faults --outcomes $(BENCH)/faults.json $(ARGS)
else
	@$(BENCH)/bin/python -m benchmarks $(ARGS)
endif

.PHONY: bench-durable
bench-durable: $(DEV_STAMP) ## kill the workers of a durable queue, in a quarter of an hour (ARGS="sqlite --tasks 200": less)
	@$(BIN)/python -m benchmarks.durable $(ARGS)

# The recipes run with the real packages, each set in an environment of its own.
$(RECIPES)%/.stamp: $(VENV)/pyvenv.cfg examples/requirements.txt examples/airflow/requirements.txt pyproject.toml
	@echo "Setting up $(@D) to run the recipes (once) …"
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r examples/$(if $(findstring airflow,$*),airflow/)requirements.txt
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: recipes
recipes: $(RECIPES)s/.stamp $(if $(AIRFLOW),$(RECIPES)-airflow/.stamp) ## run the recipes of examples/ with the real packages (AIRFLOW=1: Airflow's, too)
	@PYTHONPATH=. $(RECIPES)s/bin/python examples/fastapi/check.py
	@PYTHONPATH=. $(RECIPES)s/bin/python examples/procrastinate/check.py
	@$(if $(AIRFLOW),AIRFLOW_HOME=$(abspath $(RECIPES)-airflow/home) $(RECIPES)-airflow/bin/python examples/airflow/check.py)

# An environment with the wheel and the locked releases of what it needs, and nothing else, is what the list is made of.
.PHONY: build
build: $(DEV_STAMP) ## build the wheel, the source distribution and the list of parts (CycloneDX) into dist/
	@rm -rf dist build/sbom
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --no-isolation --outdir dist
	@$(PYTHON) -m venv --without-pip build/sbom
	@$(BIN)/python -m pip --python build/sbom install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/sdk.txt
	@$(BIN)/python -m pip --python build/sbom install --quiet --disable-pip-version-check --no-deps dist/*.whl
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --mc-type library -o dist/kkiai-sdk.cdx.json build/sbom/bin/python

.PHONY: clean
clean: ## remove everything that can be made again
	@rm -rf $(VENV) $(LOWEST_VENV) $(BENCH) $(RECIPES)* dist build demo mutants .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
