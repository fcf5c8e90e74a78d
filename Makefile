# Everything a fresh clone needs: Debian's or Ubuntu's python3 (3.11 or newer) and make.

SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: demo demo-seeds test test-servers lint bench lock clean help

# The first Python that is new enough; `make PYTHON=/path/to/python` names another one.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
SEEDS ?= 0 1 2
# uv does not read pip's settings, so it is told where PyTorch's CPU builds are.
TORCH_LINKS := $(or $(PIP_FIND_LINKS),https://download.pytorch.org/whl/cpu/torch/)

demo: $(INSTALLED) ## Run the whole pipeline on the bundled shop and print what it bought
	$(BIN)/rro run --profile quickstart

demo-seeds: $(INSTALLED) ## The same with three seeds (SEEDS="0 1 2"), one after the other
	for seed in $(SEEDS); do $(BIN)/rro run --profile quickstart --seed $$seed || exit; done
	$(BIN)/rro query gain-over-seeds

test: $(INSTALLED) ## Fast tests first, then the slow ones with real models and whole chains
	$(BIN)/python -m pytest -m "not slow" -n 2 --dist loadfile
	$(BIN)/python -m pytest -m "slow and not servers" -n 2 --dist loadfile

test-servers: $(INSTALLED) ## Slow tests with vLLM servers, a Ray cluster, PostgreSQL and a bucket; half an hour or more
	$(BIN)/python -m pytest -m servers

lint: $(INSTALLED) ## Style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy flows tasks

bench: $(INSTALLED) ## Measure: every script in tests/benchmarks
	for script in tests/benchmarks/*.py; do $(BIN)/python -m tests.benchmarks.$$(basename $$script .py) || exit; done

lock: ## Resolve requirements/cpu.lock from pyproject.toml (LOCK_FLAGS=--upgrade for newer versions)
	$(PYTHON) requirements/make_venv.py build/lock
	build/lock/bin/pip install --quiet uv
	build/lock/bin/uv pip compile pyproject.toml --extra cpu --extra mysql --extra ray --extra s3 --extra dev --universal --python-version 3.11 \
		--find-links "$(TORCH_LINKS)" --excludes requirements/excludes.txt \
		--no-annotate --no-header -o requirements/cpu.lock $(LOCK_FLAGS)

clean: ## Remove the environment, builds and caches; the warehouse stays
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find flows tasks data tests -name __pycache__ -type d -prune -exec rm -rf {} +

help: ## This list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# Repeated when the lock or pyproject.toml is newer. The lock is complete, so pip resolves nothing: what
# excludes.txt leaves out (CUDA builds that break the CPU stack) would come back if it did.
$(INSTALLED): requirements/cpu.lock pyproject.toml
	@echo "Installing into $(VENV) with $(PYTHON); this takes one to three minutes the first time."
	@$(PYTHON) requirements/make_venv.py $(VENV)
	@rm -rf *.egg-info  # One that an older build left would hide new entry points from `python -m`.
	$(BIN)/python -m pip install --no-deps -r requirements/cpu.lock \
		| sed -u '/^Requirement already/d; /^Ignoring/d' || { cat requirements/torch-hint.txt; exit 1; }
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
