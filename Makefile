# The words people and CI use. `make demo` and `make test` do all the set-up themselves.
#
# Build products go to $CARGO_TARGET_DIR, or to target/.

export CARGO_TARGET_DIR ?= $(CURDIR)/target
export FARWATCH_MODULES_DIR := $(CARGO_TARGET_DIR)/modules
CARGO := cargo
# One profile and always the whole workspace with all its targets: another choice would choose other features and build
# the largest dependencies twice.
CI_PROFILE := --profile ci --locked
# The program of a version that there is not, which hosts are upgraded to in the lab.
ANOTHER_VERSION := 9.9.9
ANOTHER := $(CARGO_TARGET_DIR)/another-version
CARGO_DENY := $(CARGO_TARGET_DIR)/tools/bin/cargo-deny --locked
# The small workspaces are held to the rules of the whole, and need only a part of what those allow.
PART := --allow license-not-encountered --allow unmatched-skip

.PHONY: help setup guests build up demo test sdk sim lab lab-full another-version mutants upgrade servers compare hostile fuzz lint api docs bench crash follower fresh clean

help:
	@echo 'make demo   watch an outage being seen, confirmed and told, in three minutes'
	@echo 'make test   what CI runs but the lints and the lab'
	@echo 'make sdk    a module of each language as its author makes it, from nothing to an outage that it tells'
	@echo 'make sim    the fleet in simulated worlds where anything may fail (SEEDS=n)'
	@echo 'make lab    as root: hosts on machines of their own whose links are cut for real, in six minutes'
	@echo 'make lab-full  the same with 200 kills, ten minutes without control and a rolling upgrade (two hours; KILLS=n)'
	@echo 'make mutants  rules broken on purpose: the simulation must notice each'
	@echo 'make servers  which module is played against which servers, and in how many cases'
	@echo 'make compare  the same targets judged by this and by what you would use instead'
	@echo 'make hostile  modules that attack: how each ends, and what it costs 500 good checks on its host'
	@echo 'make fuzz   what reads the bytes of peers and uploads, against bytes that nobody sends (SECONDS=n for each)'
	@echo 'make lint   formatting, lints, licences'
	@echo 'make up     run Farwatch on this machine'
	@echo 'make api    question the API by its own OpenAPI document, and its metrics by promtool'
	@echo 'make bench  the measurements, beside what you would use instead'
	@echo 'make crash  kill control 300 times on each engine and count what was lost (an hour; KILLS=n)'
	@echo 'make follower  strike the leader of two 50 times in each way (half an hour; TIMES=n)'
	@echo 'make docs   write the manual pages of the built-in modules to docs/checks'
	@echo 'make setup  what the others need: packages, guest toolchain, Python environment'
	@echo 'make upgrade an earlier version and this one on one database, in turn; OLD=<commit> names it'
	@echo 'make fresh  as root: prove demo and test on a bare Debian in a folder'

setup:
	@setup/debian.sh
	@setup/guest-toolchain.sh
	@setup/python.sh

guests: setup
	@setup/build-guests.sh

build: guests
	$(CARGO) build $(CI_PROFILE) --workspace --all-targets

up: build
	$(CARGO_TARGET_DIR)/ci/farwatch up

demo: build
	$(CARGO_TARGET_DIR)/ci/demo

test: build
	cd checks-wasm && $(CARGO) test --locked --target-dir $(CARGO_TARGET_DIR)/guests-native
	$(CARGO) test $(CI_PROFILE) --workspace
	$(CARGO_TARGET_DIR)/ci/farwatch-sim
	$(CARGO_TARGET_DIR)/ci/fuzz test

sdk: build
	@setup/debian.sh sdk
	@setup/sdk.sh
	cd sdk/rust && $(CARGO) test --locked --target-dir $(CARGO_TARGET_DIR)/sdk/rust
	$(CARGO) test $(CI_PROFILE) --workspace --test sdk

sim: build
	$(CARGO_TARGET_DIR)/ci/farwatch-sim $(SEEDS)

lab: build
	$(CARGO_TARGET_DIR)/ci/lab short

lab-full: build another-version
	$(CARGO_TARGET_DIR)/ci/lab full $(ANOTHER)/farwatch $(KILLS)

another-version: guests
	FARWATCH_VERSION=$(ANOTHER_VERSION) $(CARGO) build $(CI_PROFILE) --workspace --bins --target-dir $(ANOTHER)
	strip -o $(ANOTHER)/farwatch $(ANOTHER)/ci/farwatch

mutants:
	@setup/mutants.sh

upgrade: build
	@setup/upgrade.sh

servers: setup
	$(CARGO) build $(CI_PROFILE) -p farwatch-guest-cases --bins
	$(CARGO_TARGET_DIR)/ci/servers

compare: guests
	@setup/debian.sh compare
	$(CARGO) build $(CI_PROFILE) -p farwatch-guest-cases --bins
	$(CARGO_TARGET_DIR)/ci/compare

hostile: build
	$(CARGO_TARGET_DIR)/ci/hostile

fuzz: guests
	$(CARGO) build $(CI_PROFILE) -p farwatch-guest-cases --bins
	$(CARGO_TARGET_DIR)/ci/fuzz $(SECONDS)

lint: guests
	$(CARGO) fmt --all --check
	cd checks-wasm && $(CARGO) fmt --all --check
	cd sdk/rust && $(CARGO) fmt --all --check
	cd setup/componentize && $(CARGO) fmt --all --check
	$(CARGO) clippy $(CI_PROFILE) --workspace --all-targets -- -D warnings
	@setup/cargo-deny.sh
	$(CARGO_DENY) check bans licenses sources
	$(CARGO_DENY) --manifest-path checks-wasm/Cargo.toml check $(PART) bans licenses sources
	$(CARGO_DENY) --manifest-path sdk/rust/Cargo.toml check $(PART) bans licenses sources
	$(CARGO_DENY) --manifest-path setup/componentize/Cargo.toml check $(PART) bans licenses sources

crash: build
	$(CARGO_TARGET_DIR)/ci/crash $(KILLS)

follower: build
	$(CARGO_TARGET_DIR)/ci/follower $(TIMES)

api: build
	@setup/debian.sh api
	@setup/api.sh

docs: build
	@setup/docs.sh

bench: guests
	@setup/debian.sh bench
	@setup/debian.sh sdk
	@setup/sdk.sh
	$(CARGO) build --release --locked -p farwatch -p farwatch-bench
	$(CARGO_TARGET_DIR)/release/bench

fresh:
	@setup/fresh.sh

clean:
	$(CARGO) clean
