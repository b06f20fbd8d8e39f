# make run    the program; without a display, its report and figures in out/
# make test   every check, in order; stops at the first that fails
# make format, make clean
#
# All of them use a private environment in .venv; nothing else has to be installed beforehand but Python.

PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11 python; do \
    "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)
# On two cores the tests take half as long side by side; for coverage: make test PYTEST_OPTIONS=--cov
PYTEST_OPTIONS ?= --numprocesses=2 --dist=loadfile
# Shapes and types are checked where the numerics are tested; everywhere else that would take most of the time.
NUMERICS := tests/kernels tests/spectra

ifeq ($(OS),Windows_NT)
BIN := .venv/Scripts
else
BIN := .venv/bin
endif
INSTALL := $(BIN)/python -m pip --disable-pip-version-check --no-input install --constraint constraints.txt

.PHONY: run test format clean system

run: .venv/run.stamp system
	@case "$$(uname -s)" in \
	    Darwin | MINGW* | MSYS* | CYGWIN*) display=native ;; \
	    *) display="$$DISPLAY$$WAYLAND_DISPLAY" ;; \
	esac; \
	if [ -n "$$display" ]; then \
	    $(BIN)/wasserscope; \
	else \
	    echo "No display was found, so no window can open; computing the report instead."; \
	    $(BIN)/wasserscope run --out out && \
	    echo "No display was found: the report, the numbers (CSV) and the figures are in out/."; \
	fi

test: .venv/test.stamp system
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest $(PYTEST_OPTIONS) $(NUMERICS)
	QT_QPA_PLATFORM=offscreen WASSERSCOPE_TYPECHECK=0 $(BIN)/python -m pytest $(PYTEST_OPTIONS) tests $(NUMERICS:%=--ignore=%)

format: .venv/test.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv build dist out *.egg-info .coverage .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find kernels explorer tests -type d -name __pycache__ -prune -exec rm -rf {} +

# Qt's wheels lean on a few libraries of the system; only Linux can lack them.
system: | .venv/made.stamp
	@$(BIN)/python -m explorer.system --install

.venv/made.stamp:
	@[ -n "$(PYTHON)" ] || { \
	    echo "Wasserscope needs Python 3.11 or newer; name yours with: make PYTHON=/path/to/python run" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	    version="$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')"; \
	    echo "$(PYTHON) has no venv module; on Debian and Ubuntu: sudo apt-get install python$$version-venv" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	@touch $@

.venv/run.stamp: .venv/made.stamp pyproject.toml constraints.txt
	$(INSTALL) --editable .
	@touch $@

.venv/test.stamp: .venv/made.stamp pyproject.toml constraints.txt
	$(INSTALL) --editable '.[test]'
	@touch $@
