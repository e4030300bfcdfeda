# The two commands of the README are `make run` and `make test`; both set up what they need.
SHELL := /bin/bash
CACHE ?= $(or $(HUB_CACHE),$(CURDIR)/target/cache)
TARGET ?= $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
CHDB := $(CACHE)/chdb/node_modules/@chdb/lib-linux-x64-gnu
export HUB_CACHE := $(CACHE)
export HUB_CLICKHOUSE_LIBRARY ?= $(CACHE)/chdb/libchdb.so

.PHONY: run test test-clients test-api build clickhouse kafka cluster chaos chaos-kafka outage-kafka failover sim fuzz bench bench-kafka bench-control fmt lint tools help

help: ## Lists the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: tools build clickhouse ## Builds the hub and serves on 127.0.0.1:8787
	@exec $(TARGET)/release/hub serve

build: tools
	@echo "building the hub (the first time takes some minutes)"
	@cargo build --release --locked -p hub --bin hub

clickhouse: ## Fetches the embedded ClickHouse engine (libchdb, pinned)
	@infra/deploy/clickhouse/install "$(CACHE)/chdb"

kafka: ## A Kafka broker and a schema registry on 127.0.0.1:9092 and :8081, for a hub beside them
	@infra/deploy/kafka/with data-kafka infra/deploy/kafka/welcome

cluster: tools build clickhouse ## The hub as a cluster of processes: Kafka, registry, two gateways, each processor on its own
	@HUB_BINARY=$(TARGET)/release/hub infra/deploy/cluster data-cluster

test: tools ## Checks everything: format, lints, unit, contract, end to end, a short chaos run
	@tests/run

test-clients: tools ## The official clients of all vendors through the hub to providers of all formats
	@infra/deploy/tools openssl python3 python3-venv
	@cargo build --locked -p hub --bin hub -p e2e --bins
	@FAKE_PROVIDER=$(TARGET)/debug/fake-provider tests/sdk/run.sh $(TARGET)/debug/hub
	@tests/clients/run.sh $(TARGET)/debug/hub

test-api: tools clickhouse ## Requests generated from the admin API's description: every answer is as described
	@infra/deploy/tools python3 python3-venv
	@cargo build --locked -p hub --bin hub
	@tests/api/run.sh $(TARGET)/debug/hub

chaos: tools clickhouse ## Kills every part at random under load and compares with the oracle
	@tests/chaos/run

chaos-kafka: tools clickhouse ## The same on Kafka: two gateways; broker and registry fall too, owners come back
	@tests/chaos/run --kafka

outage-kafka: tools clickhouse ## Takes Kafka away for ten minutes under load
	@tests/chaos/run --kafka --calls 0 --gateway-kills 0 --processor-kills 0 --broker-kills 0 --broker-pause 0 \
	  --registry-away 0 --zombies 0 --outage 600

failover: tools clickhouse ## Fails one of three upstreams in every way, on the wire: the hub alone, and two gateways on Kafka
	@infra/deploy/kafka/install "$(CACHE)/kafka"
	@cargo build --release --locked -p hub --bin hub && cargo build --release --locked -p e2e --bin failover
	@$(TARGET)/release/failover --hub $(TARGET)/release/hub

sim: tools ## Simulates failing upstreams in virtual time beside other routers; writes tests/SIM.md
	@cargo run --release --locked -p sim -- --out tests/SIM.md

fuzz: tools ## Fuzzes every decoder and dialect for FUZZ_SECONDS (600) in all, on nightly with cargo-fuzz
	@gateway/fuzz/run

bench: tools clickhouse ## Measures the hub beside nginx and the bare upstream; writes tests/BENCHMARKS.md
	@tests/bench/run

bench-kafka: tools clickhouse ## Measures the processors on a real broker beside a bare client; writes tests/BENCHMARKS.md
	@tests/bench/kafka

bench-control: tools ## Measures 10,000 keys, 1,000 providers and a million changes, and how soon a change spreads; writes tests/CONTROL.md
	@infra/deploy/kafka/install "$(CACHE)/kafka"
	@cargo build --release --locked -p hub --bin hub && cargo build --release --locked -p e2e --bin control
	@$(TARGET)/release/control --hub $(TARGET)/release/hub --out tests/CONTROL.md

lint: ## Format and lints only
	@cargo fmt --all --check && cargo clippy --workspace --all-targets --locked -- -D warnings

tools:
	@infra/deploy/tools cargo npm gcc g++ make pkg-config libssl-dev
