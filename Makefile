# The verbs of this repository. `make run` and `make test` do their whole set-up on a fresh machine.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
CARGO := cargo
export PATH := $(PATH):$(HOME)/.cargo/bin
# An environment that is active in the shell is not the one that is used here, and IPython would warn of it.
unexport VIRTUAL_ENV
WORKERS ?= 2
FUZZ_SECONDS ?= 30

help: ## list the verbs
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: packages redis ## all that the other verbs need, once: environment, native core, and for the tests redis-server

core: # virtual environment, the packages that the hub needs, native core (release); nothing if nothing changed
	@scripts/setup.sh run

packages: # the same with what tests, linters and benchmarks need
	@scripts/setup.sh dev

redis: # redis-server for the tests: by apt where it is missing and that can be done, else told
	@scripts/redis.sh

run: core ## the hub with the live demo: ws://localhost:8000/ws, or the next free port (NG_PORT=9000 for another)
	@exec .venv/bin/neurograph-hub demo

test: setup test-native test-ts test-python ## everything that can be tested here

test-native: ## the Rust crates alone
	cd native && $(CARGO) test --quiet --workspace --exclude ng-python

test-ts: ## the TypeScript client and the page alone; skipped, with the reason, without Node 20.19 or what its lock names
	@scripts/typescript.sh test

test-python: ## the Python suites alone (WORKERS=2 processes)
	@# What failed beside others is run once more alone: a test that only fails under load is then named, and not fatal.
	timeout 2700 $(PY) -m pytest -n $(WORKERS) || $(PY) -m pytest --last-failed --last-failed-no-failures none

lint: packages ## formatters, linters, types, import rules, the stub against the module; changes nothing
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/python -m mypy.stubtest channels._native --allowlist tests/stubtest-allow.txt
	@scripts/typescript.sh lint
	cd native && $(CARGO) fmt --all --check && $(CARGO) clippy --quiet --workspace --all-targets --locked -- -D warnings

fmt: packages ## format Python and Rust in place
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .
	cd native && $(CARGO) fmt --all

bench: packages ## every workload beside the floor and the peers, three rounds (about an hour); one: benchmarks/run.py W1
	@benchmarks/peers/install.sh
	$(PY) benchmarks/run.py all
	$(PY) benchmarks/resume.py --clients 3000 --seconds 6

conformance: packages ## the Autobahn suite against the hub's framing, about a minute; all of it: scripts/autobahn.py --cases all
	$(PY) scripts/autobahn.py --cases fast

bench-signals: packages ## the SignalSystem's figures, checked against brute force (about ten minutes); soak: benchmarks/signals.py soak
	$(PY) benchmarks/signals.py

verify: setup ## campaigns of faults against one hub and several nodes, and against planted bugs (about seven minutes)
	$(PY) scripts/verify.py

fuzz: ## the native parsers under cargo-fuzz, FUZZ_SECONDS=30 each: frames, inflate, json, filters, entries, signals
	@command -v cargo-fuzz >/dev/null 2>&1 || { echo "fuzz: cargo-fuzz is needed: cargo install cargo-fuzz; and a nightly Rust: rustup toolchain install nightly" >&2; exit 1; }
	cd native && for target in frames inflate json filters entries signals; do $(CARGO) +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; done

docs: packages ## regenerate what the documents take from the code
	$(PY) scripts/generate_docs.py

# For 64-bit ARM the Rust target has to be there: rustup target add aarch64-unknown-linux-gnu.
wheels: core ## wheels for x86-64 and 64-bit ARM (glibc 2.17), linked by Zig, in dist/
	$(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt --group wheels
	PATH="$(CURDIR)/.venv/bin:$$PATH"; for target in x86_64 aarch64; do \
	  maturin build --release --locked --zig --target $$target-unknown-linux-gnu -m native/python/Cargo.toml --out dist || exit 1; done

clean: ## remove the environment and every build
	rm -rf .venv native/target benchmarks/.build channels/_native*.so clients/ts/node_modules clients/ts/dist dashboard/node_modules

.PHONY: help setup core packages redis run test test-native test-ts test-python lint fmt bench conformance bench-signals verify fuzz docs wheels clean
