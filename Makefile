# Two commands on a fresh machine with Python 3.11+, pip and make: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
EXAMPLES := .venv-examples
BENCH := .venv-bench
BENCHOPT := .venv-benchopt
DOCS := .venv-docs
GUESTS := .venv-guests
OLDEST := .venv-oldest
NEWEST := .venv-newest
NEWER_PYTHONS := 3.12 3.13 3.14
# the bounds of pyproject.toml, numpy>=2.0 and so on, as numpy==2.0.*
OLDEST_VERSIONS = python -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
    print(*(bound.replace(">=", "==") + ".*" for bound in project["dependencies"]))'
# what a run stands on
VERSIONS = python -c 'import sys, numpy, scipy, numba; \
    print("Python", sys.version.split()[0], *(f"{m.__name__} {m.__version__}" for m in (numpy, scipy, numba)))'
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# products are small here: one BLAS thread a process is the fastest, and tests run in two processes
export OPENBLAS_NUM_THREADS ?= 1
# the tests of a file share a worker, and so what the file makes once; those that compile come first (tests/conftest.py)
TWO := -n 2 --dist loadfile --no-loadscope-reorder
# or each of the hundred processes that tests start would compile the package's text, and every worker all tests, again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run docs test test-versions test-newest test-examples test-docs test-guests test-python test-thorough coverage validate fuzz bench bench-smoke benchopt lint typecheck format clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*##/\1\t/p' $(MAKEFILE_LIST)

run: $(VENV)/cli.stamp  ## hyper-data cleaning on the digits: report, trace, summary and figure in lancbio-runs/digits
	$(BIN)/lancbio-ref run $(ARGS)

test: $(VENV)/test.stamp  ## every test and doctest
	$(BIN)/python -m pytest -q $(TWO) $(ARGS)

test-versions: $(OLDEST)/ready.stamp  ## the suite on the oldest numpy, scipy and numba allowed, and on the newest with each newer Python found
	@$(OLDEST)/bin/$(VERSIONS)
	$(OLDEST)/bin/python -m pytest -q $(TWO) $(ARGS)
	@tried=; for version in $(NEWER_PYTHONS); do \
	    if ! .ci/find-python $$version >/dev/null; then echo "Python $$version: none here that runs, so not tried"; continue; fi; \
	    $(MAKE) --no-print-directory $(NEWEST)-$$version/ready.stamp || exit 1; bin=$(NEWEST)-$$version/bin; \
	    $$bin/python -m pip install --quiet --disable-pip-version-check --upgrade numpy scipy numba || exit 1; \
	    $$bin/$(VERSIONS); $$bin/python -m pytest -q $(TWO) $(ARGS) || exit 1; tried=yes; \
	done; \
	test -n "$$tried" || { echo "none of Python $(NEWER_PYTHONS) runs here: the newest versions were not tried" >&2; exit 1; }

test-newest:  ## operators and hyper-gradients on the newest Python found, with the newest numpy, scipy and numba for it
	@newest=$$(for version in $(NEWER_PYTHONS); do .ci/find-python $$version >/dev/null && echo $$version; done | tail -n 1); \
	if [ -z "$$newest" ]; then echo "none of Python $(NEWER_PYTHONS) runs here: the newest versions are not tried"; exit 0; fi; \
	$(MAKE) --no-print-directory $(NEWEST)-$$newest/ready.stamp || exit 1; bin=$(NEWEST)-$$newest/bin; \
	$$bin/$(VERSIONS); $$bin/python -m pytest -q $(TWO) lancbio_ref/operators lancbio_ref/krylov lancbio_ref/hypergradient.py \
	    tests/operators tests/test_hypergradient.py tests/test_scipy_cg_suite.py tests/pathologies/test_black_boxes.py $(ARGS)

test-examples: $(EXAMPLES)/ready.stamp  ## the example candidates in NumPy, C, PyTorch and JAX against every vector; installs the last two
	$(EXAMPLES)/bin/python docs/candidates/run_all.py

test-guests: $(GUESTS)/ready.stamp  ## the package in programs of JAX, PyTorch, Dask, pandas and joblib; installs them
	$(GUESTS)/bin/python -m pytest -q $(TWO) tests/adapters lancbio_ref/adapters tests/blocks $(ARGS)

benchopt: $(BENCHOPT)/ready.stamp  ## the methods, SciPy, jaxopt and torchopt on problems of benchopt's kind; installs them (ARGS="-n 100": its options)
	$(BENCHOPT)/bin/benchopt run validation/benchopt --no-display $(or $(ARGS),--config validation/benchopt/small.yml)

test-docs: $(DOCS)/ready.stamp  ## the explorer in Node, by the oracle and in Chromium, and the extensions of the site; installs the two with apt where it may
	@for pair in chromium:chromium node:nodejs; do \
	    if command -v $${pair%:*} >/dev/null; then continue; fi; \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        apt-get update --quiet && apt-get install --quiet --yes $${pair#*:} || exit 1; \
	    else echo "$${pair%:*} is not on PATH: install the package $${pair#*:}" >&2; exit 1; fi; \
	done
	$(DOCS)/bin/python -m pytest -q tests/site $(ARGS)

test-python: $(VENV)/test.stamp  ## the Krylov tests with the kernels as plain Python, where an index out of bounds is an error
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q $(TWO) tests/krylov/test_lanczos_solve.py tests/krylov/test_process.py \
	    tests/pathologies/test_indefinite_hessian.py tests/pathologies/test_nonsymmetric_operators.py $(ARGS)

test-thorough: $(VENV)/test.stamp  ## the same with 10 000 examples a property
	HYPOTHESIS_PROFILE=thorough $(BIN)/python -m pytest -q -n auto $(ARGS)

coverage: $(VENV)/test.stamp  ## lines and branches that the tests reach; kernels run as Python
	NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q $(TWO) --cov --cov-report=term $(ARGS)

validate: $(VENV)/test.stamp  ## measure what the paper and the project claim; writes validation/REPORT.md (ARGS=--full: a day)
	$(BIN)/python validation/run.py $(ARGS)

fuzz: $(VENV)/test.stamp  ## attack every claim with seeded cases and exact truth; fails at a violation (ARGS="--minutes 5 --seed 1 --only lower,value")
	$(BIN)/python validation/fuzz/run.py $(ARGS)

bench: $(BENCH)/ready.stamp  ## speed beside NumPy, SciPy, jaxopt, lineax, PyTorch and torchopt; installs them; writes validation/performance/REPORT.md
	$(BENCH)/bin/python validation/performance/run.py $(ARGS)

bench-smoke: $(VENV)/test.stamp  ## two minutes: ratios to NumPy and SciPy, and which fell by a tenth (ARGS=--save commits them)
	$(BIN)/python validation/performance/smoke.py $(ARGS)

docs: $(DOCS)/ready.stamp  ## the textbook, the gallery and the reference as a site in docs/_build/html; every figure computed anew
	$(DOCS)/bin/python docs/overview.py docs/_build/overview.svg
	$(DOCS)/bin/python -m sphinx --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo docs/_build/html/index.html

lint: $(VENV)/dev.stamp  ## style, formatting, import contract
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-logo

typecheck: $(VENV)/dev.stamp  ## types
	$(BIN)/mypy

format: $(VENV)/dev.stamp  ## let ruff format and sort
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:  ## remove the environment and every cache
	rm -rf $(VENV) $(EXAMPLES) $(BENCH) $(BENCHOPT) $(DOCS) $(GUESTS) $(OLDEST) $(NEWEST)-* docs/_build docs/examples docs/reference/generated build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/%.stamp: pyproject.toml | $(BIN)/python
	$(PIP) --editable '.[$*]'
	@touch $@

$(EXAMPLES)/ready.stamp: pyproject.toml
	$(PYTHON) -m venv $(EXAMPLES)
	$(EXAMPLES)/bin/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(BENCH)/ready.stamp: pyproject.toml
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@touch $@

$(BENCHOPT)/ready.stamp: pyproject.toml
	$(PYTHON) -m venv $(BENCHOPT)
	$(BENCHOPT)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BENCHOPT)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]' benchopt
	@touch $@

$(GUESTS)/ready.stamp: pyproject.toml
	$(PYTHON) -m venv $(GUESTS)
	$(GUESTS)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(GUESTS)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[guests]'
	@touch $@

$(DOCS)/ready.stamp: pyproject.toml
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

$(OLDEST)/ready.stamp: pyproject.toml
	@for version in 3.11 $(NEWER_PYTHONS); do \
	    if python=$$(.ci/find-python $$version); then "$$python" -m venv $(OLDEST); exit; fi; \
	done; echo "none of Python 3.11 $(NEWER_PYTHONS) runs here" >&2; exit 1
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]' $$($(OLDEST)/bin/$(OLDEST_VERSIONS))
	@touch $@

$(NEWEST)-%/ready.stamp: pyproject.toml
	"$$(.ci/find-python $*)" -m venv $(NEWEST)-$*
	$(NEWEST)-$*/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
