# Everything happens in .venv; nothing is installed outside it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
CORES ?= all
TESTS ?= tests
SYSTEMS := $(notdir $(patsubst %/settings.py,%,$(wildcard hgm/systems/*/settings.py)))

.PHONY: demo demo-hgm run test test-isa libraries lint env env-offline envs lock viewer pose config docs clean
# Nothing else of the user's Python gets in, as with python -I, and pip installs into .venv, all that is asked for and nothing else. Where
# packages come from stays the user's: indices, proxies, certificates, caches, pip.conf.
unexport $(filter PYTHON%,$(.VARIABLES))
unexport PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON PIP_SRC PIP_DRY_RUN PIP_NO_DEPS PIP_IGNORE_INSTALLED PIP_REQUIREMENT PIP_EDITABLE
unexport PIP_REQUIRE_VIRTUALENV PIP_PLATFORM PIP_PYTHON_VERSION PIP_IMPLEMENTATION PIP_ABI
export PIP_USER := 0
export PYTHONNOUSERSITE := 1
export PYTHONUTF8 := 1

# wheels of `make env-offline`, where there are any: then pip asks nobody
WHEELS := $(if $(wildcard wheels/*.whl),--no-index --find-links wheels)

demo: run  ## the whole workflow on free stand-in humans; run it again to go on after a stop
	@echo "Open results/demo/report/index.html"

demo-hgm: demo

demo-%:  ## the demo of another system, on what its preset config/<system>/demo.yaml names
	@test -f config/$*/demo.yaml || { echo "There is no config/$*/demo.yaml; the systems are: $(SYSTEMS)"; exit 1; }
	$(MAKE) run ARGS="--configfile config/$*/demo.yaml $(ARGS)"
	@echo "Open results/$$(sed -n 's/^run: *\([A-Za-z0-9_.-]*\).*/\1/p' config/$*/demo.yaml)/report/index.html"

run: .venv/.ready libraries .venv/.viewer .venv/.pose  ## any configuration: make run ARGS="--configfile config/hgm/single_gpu.yaml"
	flock --nonblock --conflict-exit-code 75 .snakemake.lock $(BIN)/python -m snakemake --nolock --cores $(CORES) $(ARGS) || { test $$? = 75 && echo "Another run is still working in this folder."; exit 1; }

libraries: .venv/.ready  # of the system, for bpy and open3d; a plan needs none, and a cluster's jobs those of its nodes
	@$(if $(filter -n --dry-run --dryrun --profile% --executor%,$(ARGS)),,$(BIN)/python -m hgm.core.libraries)

test: lint .venv/.viewer .venv/.pose  ## style, types, unit and workflow tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(TESTS) -n 4 --dist loadfile --no-loadscope-reorder

test-isa: .venv/.ready  ## the numeric tests as other processors run them: make test-isa ARGS="--only sse4 avx2"
	$(BIN)/python tests/processors.py $(ARGS)

lint: .venv/.ready
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/python -m snakefmt --check Snakefile rules
	$(BIN)/python -m snakemake --lint

env: .venv/.ready .venv/.viewer .venv/.pose  ## the environment only; without internet, from the folder wheels

env-offline:  ## all packages and the report's viewer into the folder wheels, for machines without internet
	rm -rf .venv-wheels wheels/viewer.js
	mkdir -p wheels
	-sh hgm/report/web/build.sh "$(PYTHON)" && cp hgm/report/web/dist/viewer.js wheels/viewer.js
	"$(PYTHON)" -m venv .venv-wheels
	.venv-wheels/bin/python -m pip wheel --quiet --disable-pip-version-check -w wheels -r requirements.lock "setuptools>=68" wheel
	-.venv-wheels/bin/python -m hgm.images.photos.pose.fetching --keep wheels
	rm -rf .venv-wheels

.venv/.ready: requirements.lock pyproject.toml plugins/pyproject.toml
	"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11) and "Python 3.11 is needed (bpy): make PYTHON=/path/to/python3.11")'
	@"$(PYTHON)" -m hgm.core.isolation
	"$(PYTHON)" -m venv .venv
	@echo "Fetching the packages of requirements.lock; this takes some minutes, once"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile $(WHEELS) -r requirements.lock
	@# on all cores, where pip uses one, without the tests of packages; some bring files that cannot be compiled
	@$(BIN)/python -m compileall -qq -j 0 -x '/(tests?|testing/_internal)/' .venv/lib || true
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(WHEELS) --no-deps -e . -e ./plugins
	$(BIN)/python -m hgm.workflow.launchers
	touch $@

viewer:  ## the report's interactive view, hgm/report/web/dist/viewer.js
	sh hgm/report/web/build.sh "$(PYTHON)"

.venv/.viewer: .venv/.ready $(wildcard hgm/report/web/*.*)
	@sh hgm/report/web/build.sh "$(PYTHON)" >/dev/null 2>&1 || echo "The report's interactive view could not be built, films take its place; make viewer says why."
	@touch $@

pose: .venv/.ready  ## the networks that find people in photos, hgm/images/photos/pose/files
	$(BIN)/python -m hgm.images.photos.pose.fetching $(WHEELS)

.venv/.pose: .venv/.ready $(wildcard hgm/images/photos/pose/published.py)
	@$(BIN)/python -m hgm.images.photos.pose.fetching $(WHEELS) 2>/dev/null || echo "The networks that find people in photos could not be fetched: photos then need masks and bodies; make pose says why."
	@touch $@

lock:  ## resolve requirements.in anew
	rm -rf .venv-lock
	"$(PYTHON)" -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet -r requirements.in
	(sed -n 1p requirements.lock; .venv-lock/bin/python -m pip freeze | sed -E 's/\+cpu$$//') > requirements.lock.new
	mv requirements.lock.new requirements.lock
	rm -rf .venv-lock

envs: .venv/.ready  ## envs/*.yaml from requirements.lock and envs/gpu.lock
	$(BIN)/python -m hgm.workflow.environments

config: .venv/.ready  ## what is generated from the code: comments and order of config.yaml, config/schema, docs/config, docs/reference.md
	$(BIN)/python -m hgm.cli config --write

docs: .venv-docs/.ready  ## the documentation as a site, in site/
	.venv-docs/bin/python -m mkdocs build --strict
	@echo "Open site/index.html"

.venv-docs/.ready: pyproject.toml
	"$(PYTHON)" -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check $$("$(PYTHON)" -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["docs"])')
	touch $@

clean:  ## the demo's results
	rm -rf results/demo
