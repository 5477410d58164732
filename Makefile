# Needs python3 (3.11 or later), make and git. Everything else goes into .venv.
PYTHON ?= python3
JOBS   ?= 2
PORT   ?= 8000

BIN    := .venv/bin
PYTEST := $(BIN)/python -m pytest

# `make train MODEL=espcn`: at which scale, with which budget (quick, colab or full); VGG is for srgan
SCALE  ?= 3
BUDGET ?= full
DATA   ?= t91,bsds500

# `make notebooks ONLY=book/03_srcnn.ipynb` executes that one
ONLY   ?= $(sort $(wildcard book/*.ipynb))

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help env book serve test lint unit chapters pages notebooks train bench address links lock clean distclean

help:
	@echo "make book       build the book into _build/html (the first time, the environment too)"
	@echo "make serve      the same, then serve it on http://127.0.0.1:$(PORT)"
	@echo "make test       everything CI runs: lint, types, unit tests, every notebook, the book, the browser"
	@echo "make notebooks  execute every chapter again, in place"
	@echo "make train      train every network of the book; or one: MODEL=espcn SCALE=$(SCALE) BUDGET=$(BUDGET) DATA=$(DATA)"
	@echo "make bench      measure speed and memory here, and draw the figures of the training page"
	@echo "make address    write the public address everywhere: URL=https://github.com/OWNER/NAME"
	@echo "make links      ask every external link whether it still answers"
	@echo "make lock       resolve requirements.txt into requirements.lock again"
	@echo "make clean      remove what was built; make distclean removes .venv and runs too"

env: .venv/installed

# The long step: only when the lock changes. --clear, so that nothing of an older lock stays behind. --no-deps: the lock
# is complete, and pip would ask for an extra (coverage[toml]) in its newest release, which no lock can know.
.venv/locked: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and "This project needs Python 3.11 or later, and $(PYTHON) is %d.%d. Name another one: make PYTHON=python3.11" % v)'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements.lock
	@touch $@

.venv/installed: .venv/locked pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# Always a full build: warnings of pages that an incremental build skips would stay unseen.
book: env
	@rm -rf _build/html _build/.doctrees
	$(BIN)/jupyter-book build . -W -n --keep-going --quiet

serve: book
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html $(PORT)

test: env lint unit chapters pages

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff

# One thread for each of the workers; more would fight for the cores.
unit: env
	OMP_NUM_THREADS=1 $(PYTEST) -n $(JOBS) --durations=10 --cov --doctest-modules srlib benchmarks tests/unit tests/notebooks

# Every chapter as a hosted notebook runs it, and its outputs compared with the committed ones.
# Without workers: a training cell is promised a time on the whole machine.
chapters: env
	$(BIN)/python -m tools.room

pages: env book
	$(PYTEST) tests/browser

notebooks: env
	$(BIN)/ruff format $(ONLY)
	$(BIN)/python -m tools.execute $(ONLY)

# Every network of the book, or one of them: make train MODEL=espcn SCALE=3. What is done already is not done again.
train: env
ifdef MODEL
	$(BIN)/srlib train --model $(MODEL) --scale $(SCALE) --budget $(BUDGET) --data $(DATA) $(if $(VGG),--vgg $(VGG)) --resume
else
	$(BIN)/srlib train --all --budget $(BUDGET) --data $(DATA) --vgg $(or $(VGG),torchvision) --moments 28 --out runs
endif

# On a machine that does nothing else meanwhile.
bench: env
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.inference
	$(BIN)/python -m benchmarks.page

address:
	$(PYTHON) -m tools.address $(URL) $(if $(BRANCH),--branch $(BRANCH))

links: env
	$(BIN)/jupyter-book build . --builder linkcheck

# Needs uv on the PATH. No index address is written into the lock, so any mirror will do.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-header requirements.txt -o requirements.lock

clean:
	rm -rf _build build dist .coverage .pytest_cache .mypy_cache .ruff_cache

distclean: clean
	rm -rf .venv runs
