#!/usr/bin/env bash
# Resolve the locks anew. Needs the package index, and the environment that make test sets up.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
    .venv/bin/uv pip compile pyproject.toml "$@" \
        --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate
}
compile --extra dev --upgrade -o requirements/dev.txt
compile requirements/build.in --extra cli -c requirements/dev.txt -o requirements/run.txt
compile -c requirements/dev.txt -o requirements/sdk.txt
compile benchmarks/requirements.in requirements/build.in --extra cli --extra aiohttp -c requirements/dev.txt \
    -o benchmarks/requirements.txt
compile examples/requirements.in requirements/build.in -c requirements/dev.txt -o examples/requirements.txt
compile examples/airflow/requirements.in requirements/build.in -c requirements/dev.txt -o examples/airflow/requirements.txt
compile --extra cli --extra contract --extra aiohttp --upgrade --resolution lowest-direct -o requirements/lowest.txt
