# Two commands for a newcomer: `make demo` and `make test`. Both make .venv first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: audit demo demo-serve serving-picture test test-fast test-extras fuzz lint lint-style lint-types lint-imports docs picture site release-check bench bench-small bench-prompting constraints clean

demo: $(STAMP)
	$(BIN)/tsprompt fit GunPoint --strategy per-step --seed 0

test: $(STAMP)
	$(BIN)/pytest --numprocesses auto --dist worksteal

# An answer in a minute: all but the tests that take seconds each.
test-fast: $(STAMP)
	$(BIN)/pytest --numprocesses auto --dist worksteal -m "not slow"

# An environment for each extra, and the tests that need it: none of them may be skipped there.
# Those of `serve` need a Chromium for the page, curl, and a user who may not read everything, as root may.
# tsai comes with torchvision, and that with a torch of its own.
# MLflow takes no importlib_metadata as new as dask's.
EXTRAS := baselines dask mantis mlflow onnx ray serve tsai
TORCH_OF_tsai := torch==2.14.1 torchvision==0.29.1
UNPINNED_mlflow := importlib_metadata
test-extras: $(EXTRAS:%=test-extra-%)
test-extra-%: .venv-extras/%/.installed
	.venv-extras/$*/bin/pytest --extra $*
.venv-extras/%/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-extras/$*
	grep -vE "^($(or $(UNPINNED_$*),torch)|torch)==" constraints.txt > .venv-extras/$*/constraints.txt
	printf '%s\n' $(or $(TORCH_OF_$*),$(shell grep "^torch==" constraints.txt)) >> .venv-extras/$*/constraints.txt
	.venv-extras/$*/bin/python -m pip install --quiet --constraint .venv-extras/$*/constraints.txt $(or $(TORCH_OF_$*),torch)
	.venv-extras/$*/bin/python -m pip install --quiet --constraint .venv-extras/$*/constraints.txt --editable ".[$*,test]"
	touch $@
.PRECIOUS: .venv-extras/%/.installed

# 100,000 damaged files of every format; the figures go to the docs.
fuzz: $(STAMP)
	$(BIN)/python benchmarks/fuzz.py --tried 100000 --seed 0 --output docs/results/fuzzing.md

lint: lint-style lint-types lint-imports
lint-style: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
lint-types: $(STAMP)
	$(BIN)/mypy
lint-imports: $(STAMP)
	$(BIN)/lint-imports --no-cache --no-logo

# Known holes in the packages that are pinned; says so where they can't be looked up.
audit: $(STAMP)
	$(BIN)/python .ci/audit.py constraints.txt

docs: $(STAMP)
	$(BIN)/python docs/make_cli.py docs/reference/cli.md
	$(BIN)/python docs/make_python.py docs/reference/python.md

# A server of two models that are fitted first; then open http://127.0.0.1:8000. Ctrl-C stops it.
demo-serve: $(STAMP)
	test -e results/demo-serve/gunpoint || $(BIN)/tsprompt fit GunPoint -o results/demo-serve/gunpoint
	test -e results/demo-serve/motion || $(BIN)/tsprompt fit BasicMotions -o results/demo-serve/motion
	$(BIN)/tsprompt serve results/demo-serve

# The picture of README.md: a fit of GunPoint, drawn.
picture: $(STAMP)
	$(BIN)/python docs/make_picture.py docs

# Those of the guide "Serve it": the page of a server, in a browser that answers a case.
serving-picture: $(STAMP)
	$(BIN)/python docs/make_serving_picture.py docs/guides

# A searchable site of docs/ in site/; a link that leads nowhere fails it. To read it:
# python -m http.server --directory site
site: $(STAMP)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

# What a release would be: sdist and wheel, and the wheel installed and
# used where there is no checkout. It takes minutes, most of them to install torch.
release-check: $(STAMP)
	$(BIN)/python tests/release_check.py

bench: $(STAMP)
	$(BIN)/python benchmarks/prompt_search.py

# Eight sets, eight methods, two seeds; goes on where it was stopped. Then the report.
bench-small: $(STAMP)
	$(BIN)/tsprompt bench run benchmarks/small.toml --results results/small
	$(BIN)/tsprompt report results/small --against published --html results/small.html

# Each prompting method beside its twin, its placebo and itself without a prompt, on twelve small sets: hours. It goes
# on where it was stopped. It needs a BERT with a head for masked words in results/models/splade-tiny-mlm. Two rows
# start from prompts that were made on five other sets.
PRETRAIN = $(BIN)/tsprompt pretrain ECG200 GunPoint ShapeletSim Trace ACSF1 \
	--backbone results/models/splade-tiny-mlm --tokenizer kernels:steps=24
PRETRAINED_ppt = ppt:epochs=8,patience=3,pretraining_epochs=2,pretraining_cases=32
PRETRAINED_transprompt = transprompt:epochs=8,patience=3,pretraining_epochs=4
results/pretrained/%/prompts.json: $(STAMP)
	$(PRETRAIN) --method $* --tuner $(PRETRAINED_$*) -o results/pretrained/$*

bench-prompting: $(STAMP) results/pretrained/ppt/prompts.json results/pretrained/transprompt/prompts.json
	$(BIN)/tsprompt bench run benchmarks/prompting.toml --results results/prompting
	$(BIN)/tsprompt report results/prompting --reference "no prompt, mask + ridge"

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[dev]"
	touch $@

# Write down the set of packages that the tests have just passed on.
constraints: $(STAMP)
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' > constraints.txt

clean:
	rm -rf $(VENV) build site *.egg-info .pytest_cache .mypy_cache .ruff_cache
