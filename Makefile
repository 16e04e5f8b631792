# make run     the whole pipeline on the rendered world, shown in a local Prefect server
# make test    lint, types, tests
# make test-vllm  the tests that need a real vLLM, for CPUs, in an environment of its own (2.5 GB)
# make test-gpu   the tests and measurements on a GPU; ends with a table for docs/scale.md
# make stop    stop the local Prefect server and its workers
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run test types tests test-vllm test-gpu stop

run: $(INSTALLED)
	$(BIN)/ezhoi launch

test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) --no-print-directory --jobs=2 types tests

# Side by side: the tests wait for servers and workers a fifth of their time.
types:
	$(BIN)/mypy

tests:
	$(BIN)/python -m pytest

test-vllm: $(INSTALLED) .venv-vllm
	$(BIN)/python -m pytest --numprocesses=0 tests/vllm

test-gpu: $(INSTALLED)
	$(BIN)/python -m pytest --numprocesses=0 -m gpu -rs tests/gpu

.venv-vllm: tests/vllm/requirements.txt tests/vllm/repair.py
	$(PYTHON) -m venv $@
	$@/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --requirement $<
	$@/bin/python tests/vllm/repair.py
	touch $@

stop: $(INSTALLED)
	$(BIN)/ezhoi down

$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
