# kvs: `make run` starts a local cluster of three, `make test` proves the house in order. `make help` lists the rest.
SHELL := /bin/bash
GO ?= go
BIN := bin
CLUSTER := out/local
NODES := $(CLUSTER)/node1.yaml $(CLUSTER)/node2.yaml $(CLUSTER)/node3.yaml
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X main.version=$(VERSION)"

SEED ?= 1
SEEDS ?= 1..200
SCENARIO ?= swarm
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
FUZZTIME ?= 20s
# Packages whose tests run real nodes against the real clock: one package at a time, so that they do not starve each other, and never
# from the cache, which does not know that tests build kvs themselves.
REALTIME := ^kvs/(chaos|cmd|integration_test|node/(client|daemon|host)|scenarios/live)(/|$$)

.PHONY: help build run stop test integration check sim soak mutants bench gossip fuzz clean

help: ## List the targets.
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 13

build: ## Build bin/kvs and bin/kvsim, static.
	@mkdir -p $(BIN)
	$(BUILD) -o $(BIN)/kvs ./cmd/kvs
	$(BUILD) -o $(BIN)/kvsim ./cmd/kvsim

run: build ## Start three local nodes, write through one, read through another.
	@test -e $(CLUSTER)/node1.yaml || $(BIN)/kvs init --nodes 3 --dir $(CLUSTER)
	@$(BIN)/kvs start --wait $(NODES)
	@echo; echo '$$ kvs put greetings/hello "hello from node 1" --endpoint 127.0.0.1:7001'
	@$(BIN)/kvs put greetings/hello "hello from node 1" --endpoint 127.0.0.1:7001
	@echo '$$ kvs get greetings/hello --endpoint 127.0.0.1:7003'
	@for i in $$(seq 50); do $(BIN)/kvs get greetings/hello --endpoint 127.0.0.1:7003 2>/dev/null && break; sleep 0.1; \
		if [ $$i = 50 ]; then $(BIN)/kvs get greetings/hello --endpoint 127.0.0.1:7003; exit 1; fi; done
	@echo; echo; $(BIN)/kvs status $(NODES)
	@printf '\nTry next:\n  curl -i -X PUT --data "42" http://127.0.0.1:7001/kv/answers/all\n  curl -i http://127.0.0.1:7002/kv/answers/all\n  curl http://127.0.0.1:7003/kv/answers/\n  $(BIN)/kvs members\n  make stop\n'

stop: ## Stop what `make run` started.
	@test -x $(BIN)/kvs || $(MAKE) --no-print-directory build
	@if test -e $(CLUSTER)/node1.yaml; then $(BIN)/kvs stop $(NODES); else echo "nothing to stop: make run has not been used here"; fi

test: check ## Everything: format, vet, race tests, the daemon by shell, simulator seeds.
	$(GO) test -race -timeout 20m $$($(GO) list ./... | grep -vE '$(REALTIME)')
	$(GO) test -count=1 -race -timeout 20m -p 1 $$($(GO) list ./... | grep -E '$(REALTIME)')
	@$(MAKE) --no-print-directory build
	integration_test/integration_test.sh
	$(BIN)/kvsim soak --seeds 1..40 --scenario swarm --verify --jobs $(JOBS)
	$(BIN)/kvsim soak --seeds walk --scenario crash-at-every-persist --duration 3s --jobs $(JOBS)
	@for s in $$($(BIN)/kvsim scenarios --names); do \
		$(BIN)/kvsim run --scenario $$s --verify --quiet || exit 1; done
	@$(GO) test -count=1 -v -run '^$$' ./integration_test 2>&1 | grep '^NO DOCKER' || true

integration: ## Real clusters in Docker containers: faults, kill -9 storms, rolling restarts. Needs root and iptables.
	KVS_REQUIRE_DOCKER=1 $(GO) test -count=1 -timeout 10m -v ./chaos/docker ./integration_test

check: ## Format, vet and the architecture test: quick.
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "not formatted (run gofmt -w):"; echo "$$bad"; exit 1; fi
	$(GO) vet ./...
	$(GO) test .

sim: ## One simulated cluster lifetime: make sim SEED=n [SCENARIO=s].
	@mkdir -p $(BIN); $(BUILD) -o $(BIN)/kvsim ./cmd/kvsim
	@$(BIN)/kvsim run --seed $(SEED) --scenario $(SCENARIO) $(SIMFLAGS)

soak: ## Many of them: make soak SEEDS=a..b [SCENARIO=s].
	@mkdir -p $(BIN); $(BUILD) -o $(BIN)/kvsim ./cmd/kvsim
	@$(BIN)/kvsim soak --seeds $(SEEDS) --scenario $(SCENARIO) --jobs $(JOBS) $(SIMFLAGS)

mutants: ## Plant every known bug and count the runs until the simulator finds it.
	@$(GO) run ./cmd/kvsim mutants --jobs $(JOBS)

bench: ## Benchmarks of the simulator, the stores and a node over HTTP.
	$(GO) test -short -run '^$$' -bench . -benchmem ./...

gossip: ## Gossip among 128 to 5,000 simulated members: the table in ARCHITECTURE.md. Takes 3 GB of memory and some minutes.
	$(GO) test -run '^$$' -bench Scale -benchtime 1x -timeout 2h ./node/swim

fuzz: ## Every fuzz target for FUZZTIME.
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r f; do \
		for fn in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9]*).*/\1/p' $$f); do \
			echo "== $$(dirname $$f) $$fn"; $(GO) test -run '^$$' -fuzz "^$$fn\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$f) || exit 1; done; done

clean: ## Remove what was built and the local cluster's data. Stops the cluster first.
	@test ! -e $(CLUSTER)/node1.yaml || $(MAKE) --no-print-directory stop
	rm -rf $(BIN) out
