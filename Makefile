# `make demo` and `make test` need Python 3.11 or newer and make; everything else they fetch.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# uv does not read PIP_FIND_LINKS: pass it on
LINKS := $(foreach place,$(PIP_FIND_LINKS),--find-links $(place))
INSTALL := $(UV) pip install --quiet $(LINKS)
# one process more than there are processors: some tests wait for a server, or for time to pass
JOBS ?= $(shell echo $$(( $$(nproc 2>/dev/null || echo 2) + 1 )))
export PYTHONHASHSEED ?= 0

.PHONY: demo test quick check envs emulators lock golden matrix docs bench clean

demo: $(VENV)/.local ## install the light core with the local runner, and run the README's main job
	$(BIN)/mlspec run specs/churn.yaml

test: check envs ## install everything and run every test
	$(BIN)/pytest -q -n $(JOBS) --dist worksteal

quick: $(VENV)/.dev ## the tests that take a moment
	$(BIN)/pytest -q -n $(JOBS) -m "not slow"

check: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# One environment for each backend, from its own lock and with mlspec's wheel: what a user of a compiled project has.
envs: $(VENV)/.dev .venvs/kfp/.done .venvs/prefect/.done .venvs/zenml/.done .venvs/zenml-server/.done .venvs/airflow/.done .venvs/device/.done build/wheelhouse/.done

# What pre-commit needs to install the hooks without a package index.
build/wheelhouse/.done: $(VENV)/.dev requirements/core.txt
	rm -rf build/wheelhouse
	$(BIN)/python -m pip download --quiet --disable-pip-version-check --dest build/wheelhouse -r requirements/core.txt hatchling editables
	touch $@

# Not part of `make test`, which needs no Debian: its tests on other processors run where this has been done (docs/emulators.md).
emulators: $(VENV)/.dev ## an aarch64 processor and a Cortex-M4 under qemu
	$(BIN)/python -m tests.emulators

# What a device has, and no mlspec.
.venvs/device/.done: $(VENV)/.dev requirements/device.txt
	$(UV) venv --quiet --clear --python $(BIN)/python .venvs/device
	$(INSTALL) --python .venvs/device/bin/python -r requirements/device.txt
	touch $@

# Those of the backends have what exports need, too: the lock of a project that has some.
.venvs/%/.done: requirements/%.txt requirements/edge.txt requirements/keras.txt requirements/micro.txt build/wheel/.done
	mkdir -p build/locks
	$(BIN)/python -c 'import sys; from mlspec.bundle import lock; print(lock(*sys.argv[1:]), end="")' $* $(if $(findstring server,$*),,edge keras micro) > build/locks/$*.txt
	$(UV) venv --quiet --clear --python $(BIN)/python .venvs/$*
	$(INSTALL) --python .venvs/$*/bin/python -r build/locks/$*.txt
	$(INSTALL) --python .venvs/$*/bin/python --no-deps --reinstall build/wheel/mlspec-*.whl
	touch $@

SOURCES := $(shell find mlspec backends templates requirements -type f -not -path '*/__pycache__/*' 2>/dev/null)
build/wheel/.done: $(VENV)/.dev pyproject.toml README.md LICENSE $(SOURCES)
	rm -rf build/wheel
	$(UV) build --quiet --wheel --python $(BIN)/python --no-build-isolation --out-dir build/wheel .
	touch $@

$(UV):
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mlspec needs Python 3.11 or newer, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.local: $(UV) requirements/local.txt pyproject.toml
	$(INSTALL) --python $(BIN)/python -r requirements/local.txt
	$(INSTALL) --python $(BIN)/python --no-deps --editable .
	touch $@

$(VENV)/.dev: $(UV) requirements/dev.txt pyproject.toml
	$(INSTALL) --python $(BIN)/python -r requirements/dev.txt
	$(INSTALL) --python $(BIN)/python --no-deps --editable . --editable plugins/airflow
	touch $@ $(VENV)/.local

# what PyTorch's wheel for CUDA brings, in no lock: without that wheel nothing needs it, with it the installer adds it
CUDA := cuda-bindings cuda-pathfinder cuda-toolkit triton $(addprefix nvidia-,cublas cuda-cupti cuda-nvrtc cuda-runtime cudnn-cu13 \
  cufft cufile curand cusolver cusparse cusparselt-cu13 nccl-cu13 nvjitlink nvshmem-cu13 nvtx)
COMPILE = $(UV) pip compile $(addprefix --no-emit-package ,$(CUDA)) --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make lock" $(LINKS) pyproject.toml
# an emitted project has the libraries of all families, so that another model is no other image
FAMILIES = --extra xgboost --extra lightgbm
lock: $(UV) ## resolve every lock anew; the others follow dev.txt, so that all environments hold the same versions
	$(COMPILE) --extra all --group dev -o requirements/dev.txt --upgrade
	$(COMPILE) -c requirements/dev.txt -o requirements/core.txt --upgrade
	$(COMPILE) --extra local -c requirements/dev.txt -o requirements/local.txt --upgrade
	$(COMPILE) --extra kfp $(FAMILIES) -c requirements/dev.txt -o requirements/kfp.txt --upgrade
	$(COMPILE) --extra prefect $(FAMILIES) -c requirements/dev.txt -o requirements/prefect.txt --upgrade
	$(COMPILE) --extra prefect-dask $(FAMILIES) -c requirements/dev.txt -o requirements/prefect-dask.txt --upgrade
	$(COMPILE) --extra prefect-ray $(FAMILIES) -c requirements/dev.txt -o requirements/prefect-ray.txt --upgrade
	$(COMPILE) --extra edge -c requirements/dev.txt -o requirements/edge.txt --upgrade
	$(COMPILE) --extra torch -c requirements/dev.txt -o requirements/torch.txt --upgrade
	$(COMPILE) --extra keras -c requirements/dev.txt -o requirements/keras.txt --upgrade
	$(COMPILE) --extra coreml -c requirements/dev.txt -o requirements/coreml.txt --upgrade
	$(COMPILE) --extra micro -c requirements/dev.txt -o requirements/micro.txt --upgrade
	$(subst pyproject.toml,,$(COMPILE)) --group device -c requirements/dev.txt -o requirements/device.txt --upgrade
	$(COMPILE) --extra zenml $(FAMILIES) -c requirements/dev.txt -o requirements/zenml.txt --upgrade
	$(COMPILE) --extra local --group zenml-server -c requirements/zenml.txt -o requirements/zenml-server.txt --upgrade
	$(COMPILE) plugins/airflow/requirements.in --extra local $(FAMILIES) -c requirements/local.txt -o requirements/airflow.txt --upgrade
	$(COMPILE) --extra local --extra lsp --group bench -c requirements/dev.txt -o requirements/bench.txt --upgrade
	sed -i '/^torch==.*+cpu/d; s/^torch==\([0-9.]*\) ;.*/torch==\1/' requirements/*.txt # either wheel will do

matrix: envs ## run the conformance matrix and write its results into docs/backends.md
	$(BIN)/pytest -q -n $(JOBS) tests/conformance/test_matrix.py --mlspec-results docs/data/matrix.json
	$(BIN)/python -m docs.generate

edge-matrix: $(VENV)/.dev ## export every family in every way, and write what is left of it into docs/edge.md
	$(BIN)/python -m docs.edge_matrix
	$(BIN)/python -m docs.generate

docs: $(VENV)/.dev ## write the generated pages
	$(BIN)/python -m docs.generate

golden: $(VENV)/.dev ## refresh the golden trees; review the diff
	$(BIN)/pytest -q tests/test_golden.py --update-golden

bench: envs ## measure (see benchmarks/README.md)
	$(UV) venv --quiet --allow-existing --python $(BIN)/python .venvs/bench
	$(INSTALL) --python .venvs/bench/bin/python -r requirements/bench.txt
	$(INSTALL) --python .venvs/bench/bin/python --no-deps --editable . --editable plugins/airflow
	if command -v npm > /dev/null; then npm install --silent --no-audit --no-fund --prefix .venvs/node yaml-language-server@1; fi
	.venvs/bench/bin/python -m benchmarks

clean:
	rm -rf $(VENV) .venvs build dist runs .mlspec
