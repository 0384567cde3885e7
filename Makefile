# Everything happens in .venv; nothing is installed outside it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
CORES ?= all
TESTS ?= tests

.PHONY: demo test lint env env-offline envs lock config docs clean
# wheels of `make env-offline`, where there are any: then pip asks nobody
WHEELS := $(if $(wildcard wheels/*.whl),--no-index --find-links wheels)

demo: .venv/.ready  ## the whole workflow on free stand-in humans; run it again to go on after a stop
	flock --nonblock --conflict-exit-code 75 .snakemake.lock $(BIN)/snakemake --nolock --cores $(CORES) $(ARGS) || { test $$? = 75 && echo "Another run is still working in this folder."; exit 1; }
	@echo "Open results/demo/report/index.html"

test: lint  ## style, types, unit and workflow tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TESTS) -n 2 --dist loadfile

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint

env: .venv/.ready  ## the environment only; without internet, from the folder wheels

env-offline:  ## all packages into the folder wheels, for machines without internet
	rm -rf .venv-wheels
	$(PYTHON) -m venv .venv-wheels
	.venv-wheels/bin/python -m pip wheel --quiet --disable-pip-version-check -w wheels -r requirements.lock "setuptools>=68" wheel
	rm -rf .venv-wheels

.venv/.ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed (bpy): make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	@echo "Fetching the packages of requirements.lock; this takes some minutes, once"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(WHEELS) -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(WHEELS) --no-deps -e .
	touch $@

lock:  ## resolve requirements.in anew
	rm -rf .venv-lock
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet -r requirements.in
	(sed -n 1p requirements.lock; .venv-lock/bin/python -m pip freeze | sed -E 's/\+cpu$$//') > requirements.lock.new
	mv requirements.lock.new requirements.lock
	rm -rf .venv-lock

envs: .venv/.ready  ## envs/*.yaml from requirements.lock and envs/gpu.lock
	$(BIN)/python -m hgm.env_files

config: .venv/.ready  ## config.yaml, its schema, docs/config.md and docs/reference.md from the code
	$(BIN)/hgm config --write

docs: .venv-docs/.ready  ## the documentation as a site, in site/
	.venv-docs/bin/mkdocs build --strict
	@echo "Open site/index.html"

.venv-docs/.ready: pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check $$($(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"])')
	touch $@

clean:  ## the demo's results
	rm -rf results/demo
