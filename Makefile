# The commands a developer and CI use. Everything runs from .venv, made from requirements-dev.lock.
# ARGS passes arguments on:  make test ARGS="-k settings -x"

BIN = .venv/bin
STAMP = .venv/.installed
# The page that the server serves at /, and what it is built from.
PAGE = src/codex_http_server/api/page/index.html
PAGE_FROM = scripts/page web/index.html web/vite.config.ts $(shell find web/src clients/typescript/src -type f)
LOCK = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-emit-index-url --no-header

.PHONY: help install electron demo test soak check gen docs format bench wheel lock clean

help:
	@echo "make install   create .venv and install everything (Python 3.11 or newer)"
	@echo "make electron  fetch the Electron that the tests run on (110 MB; they do it themselves, too)"
	@echo "make demo      try the server offline: the real core, a scripted model"
	@echo "make test      run the tests; skipped ones are listed with their reasons"
	@echo "make soak      the chaos test until 200 kills; writes benchmarks/results/soak-*.json"
	@echo "make check     formatting, lint, types, import rules, generated files, breaks of the contract, the TypeScript package, the page"
	@echo "make gen       write the generated files (docs, openapi.json)"
	@echo "make docs      build the site of the documents into site/ (ARGS=serve shows it while you write)"
	@echo "make format    format the code and fix what the linter can fix"
	@echo "make bench     measure the server beside the bare core (ARGS=--quick for the short form)"
	@echo "make wheel     build the package into dist/, with the page; installing it needs no Node"
	@echo "make lock      bring the lock files up to pyproject.toml (ARGS=--upgrade for newer versions)"
	@echo "make clean     remove .venv, caches and build output"

install: $(STAMP) $(PAGE)

# A no-op while the locks and the project's metadata are unchanged.
$(STAMP): pyproject.toml requirements-dev.lock clients/typescript/package-lock.json clients/typescript/tests/react18/package-lock.json web/package-lock.json scripts/install
	@PYTHON="$(PYTHON)" scripts/install
	@touch $(STAMP)

# Anew whenever something that it is made of has changed; it takes about two seconds.
$(PAGE): $(STAMP) $(PAGE_FROM)
	@scripts/page

electron: install
	@PATH="$$PWD/$(BIN):$$PATH" node desktop/test/get-electron.mjs desktop/.electron

demo: install
	$(BIN)/codex-http-server demo $(ARGS)

# A file's tests stay together: they share servers; the slowest files first (tests/support/order.py).
# Without it (a debugger, -s): .venv/bin/pytest.
test: install
	$(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder $(ARGS)

soak: install
	CHAOS_KILLS=$${CHAOS_KILLS:-200} CHAOS_RESULTS=benchmarks/results \
		$(BIN)/pytest tests/process/test_chaos.py -s --tb=short $(ARGS)

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python scripts/gen --check
	$(BIN)/python -m scripts.breaking
	$(BIN)/python -m scripts.typescript check

gen: install
	$(BIN)/python scripts/gen

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs $(or $(ARGS),build --clean)

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install
	$(BIN)/python -m benchmarks $(ARGS)

wheel: install
	$(BIN)/uv build --wheel --quiet --no-build-isolation $(ARGS)

lock: install
	$(LOCK) --output-file requirements.lock $(ARGS)
	$(LOCK) --group dev --constraint requirements.lock --output-file requirements-dev.lock $(ARGS)

clean:
	rm -rf clients/typescript/node_modules clients/typescript/dist clients/typescript/build
	rm -rf web/node_modules src/codex_http_server/api/page
	rm -rf desktop/.electron desktop/node_modules desktop/dist desktop/python desktop/release
	rm -rf .venv .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist site
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +
