# make compare   sets up .venv when needed, then runs the pocket comparison
# make test      the same, then the tests: two at a time, then those that want every core
# make check     format, lint, strict types, who imports whom
# make setup     .venv alone; EXTRA=cuda takes vLLM's build for NVIDIA GPUs
# make lock      resolves requirements-cpu.lock anew

PYTHON ?= python3
EXTRA  ?= cpu
LOCK   := requirements-cpu.lock
BIN    := .venv/bin
STAMP  := .venv/.xreason-$(EXTRA)

# uv does not read pip's settings; what the machine tells pip about its package index is handed on.
ifdef PIP_INDEX_URL
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
endif
ifdef PIP_CERT
export SSL_CERT_FILE ?= $(PIP_CERT)
endif
# PyTorch's CPU build: from where pip finds wheels on this machine, else from PyTorch's own index.
ifdef PIP_FIND_LINKS
CPU_WHEELS := --find-links "$(PIP_FIND_LINKS)"
else
CPU_WHEELS := --torch-backend cpu
endif

.PHONY: compare test check setup lock clean

compare: setup
	$(BIN)/xreason compare

test: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not every_core"
	$(BIN)/python -m pytest -m every_core

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

setup: $(STAMP)

# compiled once, here: imports of PyTorch and Transformers from source take longer than most commands
$(STAMP): $(LOCK) pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet "$$(grep '^uv==' $(LOCK))"
ifeq ($(EXTRA),cpu)
	$(BIN)/uv pip sync --compile-bytecode --python $(BIN)/python $(CPU_WHEELS) $(LOCK)
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --editable .
else
	$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python --editable ".[$(EXTRA),dev]"
endif
	rm -f .venv/.xreason-*
	touch $@

lock:
	$(BIN)/uv pip compile --upgrade --universal --python-version 3.11 $(CPU_WHEELS) --no-emit-find-links --no-emit-index-url \
		--override .ci/cpu-overrides.txt --extra cpu --extra dev --output-file $(LOCK) \
		--custom-compile-command "make lock" pyproject.toml

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build *.egg-info
