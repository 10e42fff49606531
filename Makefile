# make run                           set up .venv, then search spaces/coral.yaml
# make run SPACE=spaces/cpu.yaml     another space
# make test                          set up .venv, then run the tests
# make notebooks                     set up .venv with JupyterLab, then open notebooks/
# make check                         style, types, layers, and Python 3.7 on the device side
# make clean                         remove .venv; runs/ stays
#
# Another Python: make run PYTHON=/path/to/python3.11

PYTHON ?= python3
SPACE ?= spaces/coral.yaml
BIN := .venv/bin
# Not compiled ahead: most of these modules are never imported, and the others are on first use.
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile \
	--constraint constraints.txt

# Where images of Docker set it, each of the many processes of a search would compile PyTorch anew.
unexport PYTHONDONTWRITEBYTECODE

# What is copied to a device, where there may be only CPython 3.7 and NumPy.
DEVICE_SIDE := evaluators/__init__.py evaluators/child_death.py evaluators/device_lock.py \
	evaluators/failures.py evaluators/flag.py evaluators/frames.py evaluators/framing.py \
	evaluators/service.py evaluators/benchmark evaluators/board evaluators/bundle \
	evaluators/engines evaluators/meters evaluators/power_modes

.DELETE_ON_ERROR:
.PHONY: run notebooks test check style types layers device-side clean

run: .venv/set-up-to-run
	$(BIN)/python -m search run --space $(SPACE)

# JupyterLab would ask a server whether there is a newer version, and for news.
notebooks: .venv/set-up-for-notebooks
	cd notebooks && ../$(BIN)/jupyter-lab --LabApp.news_url=None \
		--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate

# What depends on what is timed runs alone, the rest on every CPU.
test: .venv/set-up-to-develop
	$(BIN)/python -m pytest --numprocesses auto --dist worksteal -m 'not measures and not long'
	$(BIN)/python -m pytest -m 'measures and not long'

check: style types layers device-side

style: .venv/set-up-to-develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/set-up-to-develop
	$(BIN)/mypy

layers: .venv/set-up-to-develop
	$(BIN)/lint-imports

device-side: .venv/set-up-to-develop
	$(BIN)/vermin --quiet --no-tips --violations -t=3.7- --eval-annotations $(DEVICE_SIDE)

# constraints.txt pins torch exactly: a range takes the newest build, and several GB of CUDA with it.
.venv/set-up-to-run: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'error: Python 3.11 or later is needed. Name one with PYTHON=...' >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip' \
		|| { echo 'error: $(PYTHON) has no venv. Install it: apt-get install python3-venv' >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(PIP) --editable '.[all]'
	@touch $@

.venv/set-up-for-notebooks: .venv/set-up-to-run
	$(PIP) --editable '.[all,notebooks]'
	@touch $@

.venv/set-up-to-develop: .venv/set-up-to-run
	$(PIP) --editable '.[all,tensorrt-rtx,dev]'
	@touch $@

clean:
	rm -rf .venv
