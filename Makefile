# make run                           set up .venv, then search spaces/coral.yaml
# make run SPACE=spaces/cpu.yaml     another space
# make test                          set up .venv, then run the tests
# make check                         lint, types, layers, device-side Python 3.7

PYTHON ?= python3
SPACE ?= spaces/coral.yaml
BIN := .venv/bin

.PHONY: run test check clean

run: .venv/run-is-set-up
	$(BIN)/python -m search run --space $(SPACE)

test: .venv/test-is-set-up
	$(BIN)/python -m pytest

check: .venv/test-is-set-up
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/vermin --quiet --no-tips --violations -t=3.7- --eval-annotations $(DEVICE_SIDE)

DEVICE_SIDE := evaluators/__init__.py evaluators/failures.py evaluators/flag.py \
	evaluators/framing.py evaluators/service.py evaluators/engines evaluators/benchmark \
	evaluators/meters

# torch first and exactly: any range takes the registry's newest build, with several GB of CUDA.
.venv/torch-is-set-up:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] < (3, 11) and "Python 3.11 is needed")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	touch $@

.venv/run-is-set-up: .venv/torch-is-set-up pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[all]'
	touch $@

.venv/test-is-set-up: .venv/run-is-set-up
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[all,dev]'
	touch $@

clean:
	rm -rf .venv runs
