# Each target works in a fresh clone with Python >= 3.11 and PyPI alone.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo dev test acceptance chaos docs lint bench bench-quick clean

$(READY): pyproject.toml uv.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
	@UV_PROJECT_ENVIRONMENT=$(VENV) $(BIN)/uv sync --locked --quiet --inexact --compile-bytecode --extra dev
	@touch $(READY)

demo: $(READY)
	@$(BIN)/dialnexa demo

dev: $(READY)
	@$(BIN)/dialnexa dev

# What is compiled once is kept, whatever the environment says.
test acceptance chaos: export PYTHONDONTWRITEBYTECODE =
test: $(READY)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --ignore=tests/chaos --ignore=tests/acceptance

# The wheel in an empty environment, `dagster dev`, its UI in a browser (pictures in
# build/screenshots/) and an independent mock of the API.
acceptance: $(READY)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile tests/acceptance

# Seeded histories of kills and faults, and mutants of the protocol: minutes of two cores.
chaos: $(READY)
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile tests/chaos

# The pages as a site in site/; a dead link or a page without a place is an error.
docs: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lint: $(READY)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright

bench: $(READY)
	@$(BIN)/python -m benchmarks.peers

bench-quick: $(READY)
	@$(BIN)/python -m benchmarks.peers --quick

clean:
	rm -rf .dialnexa dist build site
