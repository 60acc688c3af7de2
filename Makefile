# What a person runs. `make test` and `make demo` set up everything they need themselves; .ci/run calls both.
#
# Nothing is installed: the real parts come from Debian's packages into .peers/, everything else into target/.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
# One thing after the other: cargo uses all processors itself, and two builds in one folder wait for each other.
.NOTPARALLEL:

CARGO ?= cargo
# The demo's build: `make demo PROFILE=release` shows what a package would hold.
PROFILE ?= dev

.PHONY: help
help: ## this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

.PHONY: peers
peers: ## real containerd, cosign, oras, crane and a registry into .peers/, from Debian's packages
	tests/peers/install

.PHONY: build
build: ## everything, as the tests use it
	$(CARGO) build --locked --workspace --all-targets

.PHONY: demo
demo: ## a signed image is pulled by a real containerd, others are refused, offline; see README.md
	tests/demo/run --profile $(PROFILE)

.PHONY: test
test: peers build test-workspace test-no-network test-no-std test-bare-metal ## all tests, on real peers; as root, because containerd needs it

.PHONY: test-workspace
test-workspace:
	rm -f target/peer-tests.log
	PULLWARD_REQUIRE_PEERS=1 $(CARGO) test --locked --workspace

.PHONY: test-no-network
test-no-network: ## the build without network code, its tests, and what it is linked from
	PULLWARD_REQUIRE_PEERS=1 $(CARGO) test --locked -p pullward --no-default-features
	tests/no-network-tree

.PHONY: test-no-std
test-no-std: ## proves that the core links neither std nor an allocator
	tests/no-std/run

.PHONY: test-bare-metal
test-bare-metal: ## the core's verdicts on emulated boards without operating system; needs test-workspace first
	tests/bare-metal/run

.PHONY: fuzz
fuzz: ## changed bundles, certificates, checkpoints, timestamps, roots: whatever is accepted was signed; a minute each
	tests/fuzz/run

.PHONY: bench
bench: peers ## the numbers, as ratios side by side in one run
	$(CARGO) build --locked --release -p pullward --bins
	tests/rivals/install
	$(CARGO) bench --locked --no-fail-fast -p pullward-tests --bench predicates --bench attestations --bench rejudge --bench proxy --bench numbers --bench keyless

.PHONY: doc
doc: ## the library's documentation, into target/doc
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --workspace --no-deps --document-private-items

.PHONY: ci
ci: ## all of what CI runs
	.ci/run

.PHONY: clean-peers
clean-peers: ## removes .peers/
	rm -rf .peers
