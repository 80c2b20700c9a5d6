# `make reproduce` and `make test` are all that most people need; each makes its own environment when it is missing.

PYTHON      ?= python3
CONSTRAINTS ?= constraints.txt
PRESET      ?= demo
ONLY        ?=
SET         ?=
JOBS        ?= 2

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/installed

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help reproduce site lite test lint test-unit test-notebooks install constraints clean

help: ## this list
	@grep -hE '^[a-z-]+:.* ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.* ## /\1\t/' | expand -t 17
	@echo
	@echo 'Variables: PRESET=demo  ONLY="table1 fig4a"  SET="seed=1 search.population=40"  JOBS=2  PYTHON=python3'

reproduce: $(STAMP) ## every figure and table of PRESET (narrow it with ONLY, change it with SET)
	$(BIN)/regnas reproduce --preset $(PRESET) --jobs $(JOBS) $(ONLY:%=--only %) $(SET:%=--set %)

site: $(STAMP) ## notebooks, lessons, explorer and guides as pages that open from the disk: site/index.html
	$(BIN)/python -m regnas_core.reproduction.site --out site

lite: $(STAMP) ## the same, with lessons that run in the browser, once a web server shows it
	$(BIN)/python -m regnas_core.reproduction.site --out site --lite

test: lint test-unit test-notebooks ## linters, unit tests, and every notebook run again and compared

lint: $(STAMP) ## ruff over code and notebooks, mypy over the rooms that are typed strictly
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet regnas_core tests
	$(BIN)/mypy

test-unit: $(STAMP) ## unit tests and doctests
	$(BIN)/pytest -n $(JOBS) --dist loadfile --durations 5

test-notebooks: $(STAMP) ## run the notebooks and compare what they print with what they show
	rm -rf .nbval # afresh; what one notebook computes, the next ones read
	env -u MPLBACKEND TQDM_DISABLE=1 REGNAS_OUT=$(CURDIR)/.nbval $(BIN)/pytest -n $(JOBS) --dist loadfile --durations 5 \
		--nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg notebooks

install: $(STAMP) ## the environment alone (CONSTRAINTS= takes the newest versions within range)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || { \
		echo "Python 3.10 or newer is needed, but $(PYTHON) is: $$($(PYTHON) --version 2>&1)." >&2; \
		echo "Name another one, as: make install PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { \
		echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@echo "Installing into $(VENV) with $$($(PYTHON) --version); the first time, torch alone is gigabytes: minutes."
	@pins="$(CONSTRAINTS:%=-c %)"; \
	if ! $(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then \
		pins=""; echo "Python 3.10: the pins are for 3.11 and newer, so versions come from pyproject.toml's ranges."; \
	fi; \
	set -x; $(BIN)/python -m pip install --quiet $$pins -e '.[all]'
	@touch $@

PINNING := .venv-constraints

constraints: ## write constraints.txt again: the newest versions that pyproject.toml allows
	rm -rf $(PINNING)
	$(PYTHON) -m venv $(PINNING)
	$(PINNING)/bin/python -m pip install --quiet '.[all]'
	@{ echo '# Exact versions of everything that `make install` installs, extras included. Written by `make constraints`'; \
	$(PYTHON) -c 'import platform as p; print("# with Python", p.python_version(), "on", p.system(), p.machine() + ".")'; \
	echo '# For Python 3.11 and newer. Many of these releases have left Python 3.10 behind; there `make install` goes'; \
	echo '# by the ranges of pyproject.toml alone.'; \
	$(PINNING)/bin/python -m pip freeze --all --exclude pip --exclude regnas-core | sed -E \
		-e 's/\+[A-Za-z0-9.]+$$//' \
		-e '/^((nvidia|cuda)-|triton==)/s/$$/ ; platform_system == "Linux" and platform_machine == "x86_64"/'; \
	} > $(PINNING)/constraints.txt
	mv $(PINNING)/constraints.txt constraints.txt
	rm -rf $(PINNING)

clean: ## remove the environment and all caches; keeps runs/ and figures/
	rm -rf $(VENV) $(PINNING) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
