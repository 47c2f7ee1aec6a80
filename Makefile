# Everything starts here. A fresh machine needs Python 3.11 or newer, nothing else.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin

.PHONY: run test lint faults clean

run: $(VENV)/.runs
	$(BIN)/iam-ledger serve $(ARGS)

test: lint
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(VENV)/.runs: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/.tests: $(VENV)/.runs
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	touch $@

$(VENV)/.faults: $(VENV)/.tests
	-$(BIN)/python -m pip install --quiet --only-binary atheris --editable '.[faults]'
	touch $@

faults: $(VENV)/.faults
	PYTHONPATH=tests $(BIN)/python -m faults $(or $(ARGS),--help)

clean:
	rm -rf $(VENV) build ./*.egg-info
