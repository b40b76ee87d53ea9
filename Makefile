# Every target sets up what it needs: a virtual environment in .venv with locked, hash-checked packages.
PYTHON ?= python3
# The lock files are complete, so pip need not resolve; old releases fail on extras of pinned packages (coverage[toml]).
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
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "$(PYTHON) is older than 3.11; choose a newer one: make PYTHON=python3.12 …" >&2; exit 2; }
	@$(PYTHON) -m venv $(VENV)

$(RUN_STAMP): $(VENV)/pyvenv.cfg requirements/run.txt pyproject.toml
	@echo "Setting up $(VENV) for running (once) …"
	@$(INSTALL) --no-deps --require-hashes -r requirements/run.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_STAMP): $(VENV)/pyvenv.cfg requirements/dev.txt pyproject.toml
	@echo "Setting up $(VENV) for development (once, about a minute) …"
	@$(INSTALL) --no-deps --require-hashes -r requirements/dev.txt
	@$(INSTALL) --no-deps --no-build-isolation -e .
	@touch $@ $(RUN_STAMP)

.PHONY: demo
demo: $(RUN_STAMP) ## wait for a task of a mock gateway and download its video (TASK_ID=… with KKIAI_API_KEY: a real one)
	@$(BIN)/kkiai demo $(TASK_ID)

# Byte code is kept even if the environment disables it: otherwise, every process compiles every test again.
TEST := PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --numprocesses=auto --dist=worksteal

# The command-line reference is generated with the locked version of click; other versions format it differently.
.PHONY: test
test: $(if $(LOWEST),$(LOWEST_VENV)/.stamp,$(DEV_STAMP)) ## run the tests, in three minutes on two cores (LOWEST=1: with the lowest allowed versions)
ifdef LOWEST
	@$(LOWEST_VENV)/bin/python -m pytest --numprocesses=auto tests/unit tests/behaviour tests/mock tests/cli --ignore=tests/cli/test_docs.py $(ARGS)
else
	@$(TEST) -m "not deep" $(ARGS)
endif

.PHONY: test-all
test-all: $(DEV_STAMP) ## run what test omits: slow tests, more generated examples, coverage, chaos tests (12 minutes)
	@# Coverage takes memory of its own, which the tests of memory would count.
	@$(TEST) -m "not deep" tests/unit --ignore=tests/unit/polling/test_fleet_memory.py --cov --cov-report=term:skip-covered
	@$(TEST) -m "deep or hypothesis" --hypothesis-profile=deep
	@$(BIN)/python -m pytest tests/chaos

$(LOWEST_VENV)/.stamp: $(DEV_STAMP) requirements/lowest.txt requirements/dev.txt pyproject.toml
	@echo "Setting up $(LOWEST_VENV) with the lowest allowed versions (once) …"
	@$(PYTHON) -m venv --clear $(LOWEST_VENV)
	@$(LOWEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@$(LOWEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/lowest.txt
	@$(LOWEST_VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: check
check: $(DEV_STAMP) ## check style, types, spec, generated code and documents (FIX=1: fix style; AUDIT=1: known vulnerabilities)
	@$(BIN)/ruff check --quiet $(if $(FIX),--fix)
	@$(BIN)/ruff format --quiet $(if $(FIX),,--check)
	@$(BIN)/mypy
	@$(BIN)/python codegen/generate.py --check
	@$(BIN)/python tools/make_cli_docs.py --check
	@$(BIN)/zizmor --offline --persona=pedantic --no-progress --quiet .github/workflows action.yml
	@$(if $(AUDIT),$(BIN)/python -m pip_audit --strict --disable-pip --require-hashes --progress-spinner off -r requirements/run.txt -r requirements/dev.txt)

.PHONY: generate
generate: $(DEV_STAMP) ## regenerate generated/ from openapi.yaml
	@$(BIN)/python codegen/generate.py

.PHONY: contract
contract: $(DEV_STAMP) ## check the SDK against the spec (URL=… TASK_ID=…: a gateway; BASE=…: changes of the spec since then)
ifdef URL
	@$(BIN)/kkiai contract --base-url "$$URL" $(if $(TASK_ID),--task-id "$$TASK_ID") $(ARGS)
else ifdef BASE
	@$(BIN)/python codegen/spec_diff.py "$$BASE"
else
	@$(BIN)/python -m pytest contract_tests $(ARGS)
	@$(BIN)/kkiai contract --fail-on drift --only queryVideoTask
endif

# Every surviving mutant of the pure modules must have a reason in tests/survivors.md.
.PHONY: mutants
mutants: $(DEV_STAMP) ## seed defects that the tests must find; writes docs/mutants.md (MODULES=all: mutate the pure modules)
ifdef MODULES
	@$(if $(filter all,$(MODULES)),rm -rf mutants,rm -f mutants/mutmut-stats.json)
	@$(BIN)/python tools/mutate.py $(filter-out all,$(MODULES))
	@$(BIN)/python tools/mutation_report.py $(filter-out all,$(MODULES))
else
	@$(BIN)/python -m contract_tests.mutants
endif

# Sphinx warnings are errors, so there are no dangling references and no pages outside the table of contents.
.PHONY: docs
docs: $(DEV_STAMP) ## write the command-line reference and the pictures, build the site in build/site and test it (Chromium)
	@$(BIN)/python tools/make_cli_docs.py
	@$(BIN)/python tools/make_terminal_picture.py
	@$(BIN)/python tools/make_diagrams.py
	@rm -rf build/site build/doctrees
	@$(BIN)/python -m sphinx --quiet --fail-on-warning --keep-going --conf-dir docs --doctree-dir build/doctrees . build/site
	@$(BIN)/python -m pytest tests/site $(ARGS)
	@echo "open build/site/index.html"

# The other libraries, and the SDK from this checkout, in a separate environment.
$(BENCH)/.stamp: $(VENV)/pyvenv.cfg benchmarks/requirements.txt pyproject.toml
	@echo "Setting up $(BENCH) with the libraries to compare with (once) …"
	@$(PYTHON) -m venv --clear $(BENCH)
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r benchmarks/requirements.txt
	@$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: bench
bench: $(BENCH)/.stamp $(DEV_STAMP) ## measure against other libraries, in an hour, with nginx (ARGS=--own: a minute; FAULTS=1: faults)
ifdef FAULTS
	@rm -f $(BENCH)/faults.json
	@-$(BIN)/python -m pytest -p benchmarks.faults.recorder --fault-report=$(BENCH)/faults.json -m fault --numprocesses=auto --dist=worksteal --quiet --override-ini="norecursedirs=mutants site .*" tests contract_tests
	@$(BENCH)/bin/python -m benchmarks.faults --outcomes $(BENCH)/faults.json $(ARGS)
else
	@$(BENCH)/bin/python -m benchmarks $(ARGS)
endif

.PHONY: bench-durable
bench-durable: $(DEV_STAMP) ## measure a durable queue while its workers are killed, in 15 minutes (ARGS="sqlite --tasks 200": fewer)
	@$(BIN)/python -m benchmarks.durable $(ARGS)

# The recipes run with the real packages, each set in a separate environment.
$(RECIPES)%/.stamp: $(VENV)/pyvenv.cfg examples/requirements.txt examples/airflow/requirements.txt pyproject.toml
	@echo "Setting up $(@D) for the recipes (once) …"
	@$(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r examples/$(if $(findstring airflow,$*),airflow/)requirements.txt
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: recipes
recipes: $(RECIPES)s/.stamp $(if $(AIRFLOW),$(RECIPES)-airflow/.stamp) ## run the recipes in examples/ with the real packages (AIRFLOW=1: Airflow's, too)
	@PYTHONPATH=. $(RECIPES)s/bin/python examples/fastapi/check.py
	@PYTHONPATH=. $(RECIPES)s/bin/python examples/procrastinate/check.py
	@$(if $(AIRFLOW),AIRFLOW_HOME=$(abspath $(RECIPES)-airflow/home) $(RECIPES)-airflow/bin/python examples/airflow/check.py)

# The SBOM is made from an environment that contains the wheel, its locked dependencies, and nothing else.
.PHONY: build
build: $(DEV_STAMP) ## build the wheel, the source distribution and the SBOM (CycloneDX) in dist/
	@rm -rf dist build/sbom
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --no-isolation --outdir dist
	@$(PYTHON) -m venv --without-pip build/sbom
	@$(BIN)/python -m pip --python build/sbom install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements/sdk.txt
	@$(BIN)/python -m pip --python build/sbom install --quiet --disable-pip-version-check --no-deps dist/*.whl
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --mc-type library -o dist/kkiai-sdk.cdx.json build/sbom/bin/python

.PHONY: clean
clean: ## remove everything that can be regenerated
	@rm -rf $(VENV) $(LOWEST_VENV) $(BENCH) $(RECIPES)* dist build demo mutants .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
