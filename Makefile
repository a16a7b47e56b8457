# Every target does its own set-up: Python 3.11 or newer with pip is all that must be there.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
INSTALLED = $(VENV)/installed
OUT ?= runs/demo
CUDA_BASE ?= nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04
# processes that test
WORKERS ?= 2

.PHONY: install fix check test test-all demo bento image sbom docs site clean clean-runs

install: $(INSTALLED)

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: $(INSTALLED)  ## build from the embedded sentences, serve, ask for sentiment and names, stop
	$(BIN)/python demo.py --out $(OUT)

test: $(INSTALLED)  ## the quick tests
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile -m "not slow"

test-all: $(INSTALLED)  ## the slow ones too
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

check: $(INSTALLED)  ## lint, types, borders, spelling
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

fix: $(INSTALLED)  ## what can be mended by itself
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(INSTALLED)  ## pages that are generated from the code
	$(BIN)/python -m gradsim_shared.schema > docs/manifest.schema.json
	$(BIN)/python docs/generate.py

site: $(INSTALLED)  ## the documentation as a site, in site/; a broken link is an error
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt mkdocs-material
	$(BIN)/mkdocs build --strict

bento: $(INSTALLED)  ## make bento BUNDLE=runs/demo/bundle
	@test -n "$(BUNDLE)" || { echo "name a bundle: make bento BUNDLE=runs/demo/bundle" >&2; exit 2; }
	$(BIN)/python serving/make_bento.py $(BUNDLE)

image:  ## a container image of the service, deploy/Dockerfile; make image CUDA=1 for GPUs; needs a running Docker engine
	@docker info >/dev/null 2>&1 || { echo "no Docker engine is running here; 'make bento' packs service and bundle without one" >&2; exit 1; }
	docker build -f deploy/Dockerfile -t gradsim$(if $(CUDA),:cuda --build-arg BASE=$(CUDA_BASE) --build-arg PROVIDER=cuda) .

sbom: $(INSTALLED)  ## what is installed, with versions and licences: sbom.json (CycloneDX)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt cyclonedx-bom
	$(BIN)/cyclonedx-py environment --output-file sbom.json $(BIN)/python

clean:  ## the virtual environment of 'make install' and all caches
	rm -rf .venv site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find bench docs offline serving shared tests -name __pycache__ -type d -prune -exec rm -rf {} +

clean-runs:  ## what was built, models and bundles
	rm -rf runs
