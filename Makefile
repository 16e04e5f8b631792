# make run     the whole pipeline on the rendered world, shown in a local Prefect server
# make test    lint, types, tests
# make stop    stop the local Prefect server and its worker
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: run test stop

run: $(INSTALLED)
	$(BIN)/ezhoi launch

test: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

stop: $(INSTALLED)
	$(BIN)/ezhoi down

$(INSTALLED): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@
