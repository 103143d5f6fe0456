# Everything a clone needs: Python 3.11 to 3.13 and make.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PROFILE ?= quick
LAUNCHER ?= local
RESULTS ?= $(if $(filter full,$(PROFILE)),results/full,results)
OUTPUTS ?= outputs
EMOJI ?= $(OUTPUTS)/emoji/package
UV_VERSION := 0.13.8
# A test process a core and one more, for while one waits for another program; the tests of a file,
# which share fixtures, in one of them, and the files in the order of tests/conftest.py.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# Compiled modules are kept: else each of the processes that tests start compiles the package anew.
PYTEST := env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help setup test test-fast test-cluster lint format docs readme hooks
.PHONY: app reproduce-paper stable-diffusion exact-gradient report browser bench
.PHONY: sweep-lambda sweep-steps starts memory gpu-check high-dimension large-data sigma-auto
.PHONY: train-digits model-cards train-emoji emoji-assets lock clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-18s %s\n", $$1, $$2}'
	@echo
	@echo "  experiment-NAME    One folder of experiments/ alone; NAME is one of:"
	@echo "                     $(EXPERIMENTS)"
	@echo
	@echo "  PROFILE=quick|full   size of reproduce-paper and the sweeps (now: $(PROFILE))"
	@echo "  LAUNCHER=local|ray|slurm   of reproduce-paper (now: $(LAUNCHER));"
	@echo "                             basic runs one job at a time in this process"
	@echo "  EMOJI=FOLDER         unpacked npm package emoji-datasource-google 16.0.0 (now: $(EMOJI))"
	@echo "  PYTHON=...           interpreter that makes $(VENV) (now: $(PYTHON))"

setup: $(READY) ## Make the virtual environment, a Chromium for the tests in it (8.3 GB)

$(READY): requirements.lock requirements.no-deps.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps -r requirements.no-deps.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps \
		--config-settings editable_mode=compat -e .  # a path: a folder named scoregeo does not hide it
	-$(BIN)/python scripts/browser.py
	touch $@

test: $(READY) ## Run every test but those of test-cluster
	$(PYTEST) -m "not cluster" $(PARALLEL)

test-fast: $(READY) ## Run the tests that take seconds
	$(PYTEST) -m "not slow and not cluster" $(PARALLEL)

# On a SLURM and a Ray cluster that they start on this machine; they say what is missing.
test-cluster: $(READY) ## Run the launchers' tests on clusters of this machine (Linux)
	$(PYTEST) -m cluster tests/cluster

lint: $(READY) ## Check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## Put style right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY) ## Build the documentation into site/ (works offline; several minutes)
	$(BIN)/mkdocs build
	@echo "site/index.html opens in a browser, without a server"

readme: $(READY) ## Write README.md anew from its template and the numbers of results/
	$(BIN)/python scripts/readme.py

hooks: $(READY) ## Run ruff, mypy and a check for large files before every commit
	$(BIN)/pre-commit install

reproduce-paper: $(READY) ## Run the paper's experiments and write results/ (resumes)
	$(REPRODUCE) --profile $(PROFILE); \
	  code=$$?; $(REPORT) && exit $$code

REPRODUCE = $(BIN)/python scripts/reproduce.py --launcher $(LAUNCHER) \
  --output $(OUTPUTS)/reproduce --results $(RESULTS)
REPORT = $(BIN)/scoregeo-report $(RESULTS)

# benchmark, memory and large_data have targets of their own.
EXPERIMENTS := $(filter-out benchmark memory large_data, \
  $(patsubst experiments/%/README.md,%,$(wildcard experiments/*/README.md)))
.PHONY: $(EXPERIMENTS:%=experiment-%)
$(EXPERIMENTS:%=experiment-%): experiment-%: $(READY)
	$(REPRODUCE) --experiment $* --profile $(PROFILE)

# results/stable_diffusion_hundred/
stable-diffusion: $(READY) ## The emoji experiment, 100 pairs (an hour and a half; resumes)
	$(REPRODUCE) --only stable_diffusion_hundred

# results/rotated_mnist_unet_ten_exact_gradient/
exact-gradient: $(READY) ## Ten digits by the U-Net's exact gradient (15 minutes; resumes)
	$(REPRODUCE) --only rotated_mnist_unet_ten_exact_gradient

report: $(READY) ## Write results/report.html, one page of everything in results/
	$(REPORT)

app: $(READY) ## Morph two pictures or prompts in the browser (this machine alone)
	$(BIN)/scoregeo app

browser: $(READY) ## Fetch the Chromium of the report's tests, where make setup could not
	$(BIN)/python scripts/browser.py

bench: $(READY) ## Compare the solvers: results/bench_solver/ (an hour and a half of a core; resumes)
	$(BIN)/python -m experiments.benchmark --output $(RESULTS) --store $(OUTPUTS)/bench

sweep-lambda: $(READY) ## Sweep the weight of the score, metric.lam, on the sphere
	$(BIN)/scoregeo -m experiment=sphere metric.lam=1,10,100,1000

sweep-steps: $(READY) ## Sweep the points of a path, solver.num_points, on the sphere
	$(BIN)/scoregeo -m experiment=sphere solver.num_points=8,16,32,64

# results/starts/
starts: $(READY) ## How often each start finds the best geodesic (half an hour; resumes)
	$(REPRODUCE) --only starts

# results/memory/
memory: $(READY) ## Memory of batches at Stable Diffusion's size (Linux; minutes)
	$(BIN)/python -m experiments.memory --results $(RESULTS)

# results/gpu/
gpu-check: $(READY) ## Agreement, time and memory on a GPU at Stable Diffusion's sizes (minutes)
	$(BIN)/python scripts/gpu_check.py --results $(RESULTS)

# results/high_dimension/
high-dimension: $(READY) ## The solver's own cost in high dimension beside networks' (minutes, 12 GB)
	$(BIN)/python scripts/high_dimension.py --results $(RESULTS)

# results/large_data/
large-data: $(READY) ## Scores and graphs of references by the million (Linux; minutes)
	$(BIN)/python -m experiments.large_data --results $(RESULTS)

# results/sigma_auto/
sigma-auto: $(READY) ## Noise levels that a rule chooses, against a grid (half an hour; resumes)
	$(REPRODUCE) --only sigma_auto

train-digits: $(READY) ## Train the digit classifier and both digit models anew (hours on two cores)
	$(DIGITS) --model classifier --steps 5000 --out $(TRAIN)/classifier --export
	$(DIGITS_TEN) --steps 13500
	$(BIN)/python scripts/digit_geodesics.py --seed 2000 --out $(TRAIN)/geodesics_2000.safetensors
	$(DIGITS_TEN) --steps 15600 --geodesics $(TRAIN)/geodesics_2000.safetensors
	$(BIN)/python scripts/digit_geodesics.py --seed 3000 --out $(TRAIN)/geodesics_3000.safetensors
	$(DIGITS_TEN) --steps 18000 \
	  --geodesics $(TRAIN)/geodesics_2000.safetensors $(TRAIN)/geodesics_3000.safetensors
	$(DIGITS) --model all --steps 5000 --out $(TRAIN)/all --compile --export
	$(MAKE) model-cards

TRAIN = $(OUTPUTS)/train
DIGITS = $(BIN)/python scripts/train_digits.py
DIGITS_TEN = $(DIGITS) --model ten --lr 7e-4 --out $(TRAIN)/ten --compile --export

model-cards: $(READY) ## Measure the shipped models and write their cards
	$(BIN)/python scripts/model_card.py

$(EMOJI)/emoji.json:
	mkdir -p $(dir $(EMOJI))
	cd $(dir $(EMOJI)) && npm pack --silent emoji-datasource-google@16.0.0 \
	  && tar xf emoji-datasource-google-16.0.0.tgz

# Both need npm or EMOJI=.
train-emoji: $(READY) $(EMOJI)/emoji.json ## Train the emoji model anew (a day; resumes)
	$(BIN)/python scripts/train_emoji.py --emoji $(EMOJI) --out $(TRAIN)/emoji --compile --export
	$(BIN)/python scripts/emoji_card.py --emoji $(EMOJI)

emoji-assets: $(READY) $(EMOJI)/emoji.json ## Make the shipped emoji pictures anew
	$(BIN)/python scripts/make_emoji_assets.py --emoji $(EMOJI)

lock: $(READY) ## Pin the newest allowed versions in requirements.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-emit-index-url \
	  --custom-compile-command "make lock" --quiet --upgrade --extra dev pyproject.toml \
	  -o requirements.lock

clean: ## Remove run folders and caches; keeps the environment and results/
	rm -rf $(OUTPUTS) multirun wandb site build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
