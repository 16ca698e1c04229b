# Two commands: `make run` and `make test`. Each makes the environment it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
QUICK := $(addprefix tests/test_,layers.py house.py ratings.py splitting.py metrics.py ranking.py sparse.py losses.py \
	nn.py linear.py autorec.py storage.py cli_printing.py)
.DEFAULT_GOAL := help
# Byte code is kept even where the shell says otherwise: one process writes it, and hundreds of others read it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help run test test-quick test-bounds fuzz properties kills lint smoke test-gpu bench bench-quick bench-gpu docs \
	clean

help:
	@echo "make run       set up, then train, evaluate and recommend on the embedded sample"
	@echo "make test      set up, then lint, type-check and test"
	@echo "make test-quick  the tests that fail first, in under a minute"
	@echo "make docs      the site, into build/site (no network is needed once the environment is made)"
	@echo "make fuzz      changed files of all kinds, CASES=1000 from SEED=0, read and used in child processes"
	@echo "make properties  property tests with 1,000 random examples each, of FILES=\"tests/test_metrics.py ...\""
	@echo "make kills     work that is killed at random moments, KILLS=200 times, and begun again"
	@echo "make test-bounds  every model's kernels with bounds checks"
	@echo "make lint      ruff and mypy alone"
	@echo "make smoke     a wheel, installed into an empty environment, runs the site's first pages"
	@echo "make test-gpu  the tests and timings that need a CUDA device (skipped where there is none)"
	@echo "make bench-quick  hot operations against their stored times, in ratios (a minute)"
	@echo "make bench-gpu    on a GPU machine: its tests, times, a table beside the goals (four runs, twelve minutes)"
	@echo "make bench     the benchmark tables (long; needs data, see benchmarks/README.md)"
	@echo "make clean     remove the environment and what tests leave behind"

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0 -e '.[dev,docs]'
	@touch $(READY)

run: $(READY)
	$(BIN)/recae train sample --out sample.recae
	$(BIN)/recae recommend sample.recae --user 1 -n 10
	@echo
	@echo "That was the generated sample. Real data next:"
	@echo "  $(BIN)/recae train ml-100k --out m.recae     # downloads MovieLens-100K, or any CSV of yours"
	@echo "  $(BIN)/recae --help"

# One kernel thread a test process: the processes have the cores. What is about threads runs by itself. Types are checked
# meanwhile, by one process more, and told at the end.
test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@said=$$(mktemp); $(BIN)/mypy >"$$said" 2>&1 & types=$$!; \
	NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder; \
	failed=$$?; wait $$types || failed=1; cat "$$said"; rm "$$said"; exit $$failed
	$(BIN)/python -m pytest -q tests/test_sparse.py -k thread

# What fails first where something is wrong, in under a minute: contracts of data, metrics, core and command line.
test-quick: $(READY)
	NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto -m "not slow and not data" $(QUICK)

# Files of all kinds that somebody has changed, in child processes with a limit of memory and time.
fuzz: $(READY)
	NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m fuzz --cases $(or $(CASES),1000) \
		--seed $(or $(SEED),0) $(if $(OUT),--out $(OUT))

# Property tests, 1,000 random examples each instead of the few that `make test` tries: hours where examples are fits.
properties: $(READY)
	HYPOTHESIS_PROFILE=thorough NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n auto \
		$(or $(FILES),$(shell grep -l "^from property_examples" tests/test_*.py) tests/test_reading_any_table.py)

# Preparations, trainings and searches that are killed at random moments and begun again.
kills: $(READY)
	NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m kill_programs --kills $(or $(KILLS),200) \
		--seed $(or $(SEED),0) $(if $(OUT),--out $(OUT))

# A part of the suite that every model passes, its kernels compiled with bounds checks (into a cache of their own).
test-bounds: $(READY)
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=.bounds-cache NUMBA_NUM_THREADS=1 OMP_NUM_THREADS=1 \
		$(BIN)/python -m pytest -q -n auto tests/test_models.py -k "hidden_films or unknown_users or similar_items"

# The site, with warnings as errors. Everything that a page loads lies in build/site.
docs: $(READY)
	$(BIN)/python -m sphinx -W --keep-going -q -j auto -b html docs build/site
	@echo "open build/site/index.html"

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What somebody meets who installs the package: the wheel in an environment of its own, away from the source.
smoke:
	rm -rf build/smoke
	$(PYTHON) -m venv build/smoke/env
	build/smoke/env/bin/python -m pip wheel --quiet --disable-pip-version-check --no-deps -w build/smoke .
	build/smoke/env/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch==2.13.0 \
		build/smoke/recae-*.whl
	cd build/smoke && env/bin/python ../../tests/smoke.py ../../README.md ../../docs/index.md ../../docs/start/index.md

# On a GPU machine with its own PyTorch, no environment is made: PYTHON has what the tests need.
test-gpu:
	$(PYTHON) -m pytest -p no:cacheprovider -m gpu tests/test_sparse_cuda.py -q
	$(PYTHON) -m benchmarks.kernels

bench-gpu:
	$(PYTHON) -m benchmarks.gpu kernels
	$(PYTHON) -m benchmarks.gpu epochs
	$(PYTHON) -m benchmarks.gpu steps
	$(PYTHON) -m benchmarks.gpu again --tilings $(or $(OUT),benchmarks/results)/gpu-tilings.json
	$(PYTHON) -m benchmarks.gpu table $(foreach run,kernels epochs steps again,$(or $(OUT),benchmarks/results)/gpu-$(run).jsonl)

bench-quick: $(READY)
	$(BIN)/python -m pytest -q benchmarks/suite

bench: $(READY)
	$(BIN)/python -m benchmarks.accuracy ml-1m
	$(BIN)/python -m benchmarks.accuracy ml-100k
	$(BIN)/python -m benchmarks.speed
	$(BIN)/python -m benchmarks.loading
	$(BIN)/python -m benchmarks.linear_vs_mf ml-1m
	$(BIN)/recae demo all --out figures/

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .bounds-cache
