# kvs: `make run` starts a local cluster of three, `make test` proves the house in order. `make help` lists the rest.
SHELL := /bin/bash
GO ?= go
BIN := bin
CLUSTER := out/local
NODES := $(CLUSTER)/node1.yaml $(CLUSTER)/node2.yaml $(CLUSTER)/node3.yaml
COMMIT := $(shell git describe --always --dirty --abbrev=12 --exclude '*' 2>/dev/null)
BUILD := CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X kvs/cmd/version.commit=$(COMMIT)"

SEED ?= 1
SEEDS ?= 1..200
BASE ?= HEAD
TRACES ?= 1..5
SCENARIO ?= swarm
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
DURATION ?= 3m
RUNS ?= 100
BENCH ?= .
COUNT ?= 6
STORED ?= docs/bench.txt
BENCHSTAT := $(GO) run golang.org/x/perf/cmd/benchstat@v0.0.0-20260908200009-22c9c6c9d4da
FUZZTIME ?= 20s
# Packages whose tests run real nodes against the real clock: one package at a time, so that they do not starve each other, and never
# from the cache, which does not know that tests build kvs themselves.
REALTIME := ^kvs/(chaos|cmd|integration_test|node/(client|daemon|host)|scenarios/live)(/|$$)
# Packages whose tests run simulated worlds, each in one goroutine: the race detector has nothing to find there, and makes them ten times as
# slow. TestWorldsShareNothing runs worlds side by side under it.
SIMULATED := ^kvs/sim($$|/(clock|disk|examples|explore|kvs|memstore|shrink)(/|$$))

.PHONY: help build run stop test console disk storm integration check lint sim soak traces mutants bench bench-store gossip fuzz release release-check clean

help: ## List the targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 15

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
	@for i in $$(seq 100); do t=$$($(BIN)/kvs status $(NODES) 2>/dev/null); test "$$(grep -c '3/3 alive' <<<"$$t")" = 3 && \
		test "$$(awk 'NR > 1 {print $$(NF-1)}' <<<"$$t" | sort -u | wc -l)" = 1 && break; sleep 0.1; done # members meet, and compare.
	@echo; echo; $(BIN)/kvs status $(NODES)
	@printf '\nTry next:\n  curl -i -X PUT -H "Content-Type: text/plain" --data 42 http://127.0.0.1:7001/kv/answers/all\n  curl -i http://127.0.0.1:7002/kv/answers/all\n  curl http://127.0.0.1:7003/kv/answers/\n  $(BIN)/kvs members\n  make stop\n'

stop: ## Stop what `make run` started.
	@test -x $(BIN)/kvs || $(MAKE) --no-print-directory build
	@if test -e $(CLUSTER)/node1.yaml; then $(BIN)/kvs stop $(NODES); else echo "nothing to stop: make run has not been used here"; fi

test: check ## Everything: format, vet, tests with the race detector, the daemon by shell, simulator seeds.
	$(GO) test -race -timeout 40m $$($(GO) list ./... | grep -vE '$(REALTIME)|$(SIMULATED)|^kvs$$')
	$(GO) test -timeout 20m $$($(GO) list ./... | grep -E '$(SIMULATED)')
	$(GO) test -race -run '^TestWorldsShareNothing$$' ./sim/kvs
	$(GO) test -count=1 -race -timeout 20m -p 1 $$($(GO) list ./... | grep -E '$(REALTIME)')
	@$(MAKE) --no-print-directory build
	$(MAKE) --no-print-directory -C sim/examples/raft test
	cd deploy/check && $(GO) test -count=1 ./...
	@$(MAKE) --no-print-directory console
	integration_test/integration_test.sh
	$(BIN)/kvsim soak --seeds 1..40 --scenario swarm --verify --jobs $(JOBS)
	$(BIN)/kvsim soak --seeds walk --scenario crash-at-every-persist --duration 3s --jobs $(JOBS)
	@$(BIN)/kvsim scenarios --names | xargs -P $(JOBS) -I{} $(BIN)/kvsim run --scenario {} --verify --quiet
	@$(GO) test -count=1 -v -run '^$$' ./integration_test 2>&1 | grep '^NO DOCKER' || true

disk: ## The store under every fault of a disk, many runs: make disk [RUNS=100].
	$(GO) test -count=1 -timeout 24h -run Every ./node/host/store -seeds $(RUNS)
	$(GO) test -count=1 -timeout 24h -run PowerLoss ./node/host/badgerstore -seeds $(RUNS)

storm: build ## Attack real processes with everything at once: make storm [SEED=n] [DURATION=1h]. Full disks need root.
	$(BIN)/kvsim storm --kvs $(BIN)/kvs --seed $(SEED) --duration $(DURATION)

integration: ## Real clusters in Docker containers: faults, kill -9 storms, rolling restarts. Needs root and iptables. SECURE=1: all with TLS and tokens.
	KVS_REQUIRE_DOCKER=1 KVS_TEST_SECURE=$(SECURE) $(GO) test -count=1 -timeout 10m -v ./chaos/docker ./integration_test

console: build ## The web console in a real browser, with pictures in out/console. Needs chromium.
	cd integration_test/console && KVS_PROGRAM=$(CURDIR)/$(BIN)/kvs KVS_CONSOLE_PICTURES=$(CURDIR)/out/console $(GO) test -count=1 -v ./... | \
		{ grep -vE '^=== ' || true; }; exit $${PIPESTATUS[0]}

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

traces: ## Compare the traces of all scenarios with those of another commit: make traces BASE=REV [TRACES=a..b].
	@mkdir -p $(BIN); $(BUILD) -o $(BIN)/kvsim ./cmd/kvsim
	@set -e; base=$$(mktemp -d); trap 'git worktree remove --force '$$base'/tree >/dev/null 2>&1; rm -rf '$$base EXIT; \
		git worktree add --detach --quiet $$base/tree $(BASE); (cd $$base/tree && $(BUILD) -o $$base/kvsim ./cmd/kvsim); \
		$$base/kvsim traces --seeds $(TRACES) --jobs $(JOBS) >$$base/before; $(BIN)/kvsim traces --seeds $(TRACES) --jobs $(JOBS) >$$base/after; \
		diff $$base/before $$base/after | head -n 40; cmp --quiet $$base/before $$base/after || { echo "the traces differ"; exit 1; }; \
		echo "$$(wc -l <$$base/after) runs, the same traces as at $(BASE)"

mutants: ## Plant every known bug and count the runs until the simulator finds it.
	@$(GO) run ./cmd/kvsim mutants --jobs $(JOBS)

bench: ## All benchmarks, and how they differ from the stored run: make bench [BENCH=regexp] [COUNT=n] [STORED=file].
	@mkdir -p out
	@set -o pipefail; $(GO) test -short -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -timeout 2h ./... | tee out/bench.part | grep -v '^?'
	@mv out/bench.part out/bench.txt; touch -a out/none.txt
	@echo; if test -e $(STORED); then echo "What differs from $(STORED) (~: nothing that is more than chance)."; \
		else echo "There is no stored run to compare with: $(STORED). make bench-store keeps this one."; fi
	@echo "Time moves with whoever else uses the machine: look at cpu-us/op, B/op, allocs/op."
	@$(BENCHSTAT) -ignore goos,goarch,cpu stored=$$(test -e $(STORED) && echo $(STORED) || echo out/none.txt) now=out/bench.txt

bench-store: ## Keep the last run of `make bench` as the stored one.
	@test -e out/bench.txt || { echo "there is no run to keep: make bench"; exit 1; }
	cp out/bench.txt $(STORED)

gossip: ## Gossip among 128 to 5,000 simulated members: the table in docs/measurements.md. Takes 3 GB of memory and some minutes.
	$(GO) test -run '^$$' -bench Scale -benchtime 1x -timeout 2h ./node/swim

fuzz: ## Every fuzz target for FUZZTIME.
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r f; do \
		for fn in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9]*).*/\1/p' $$f); do \
			echo "== $$(dirname $$f) $$fn"; $(GO) test -run '^$$' -fuzz "^$$fn\$$" -fuzztime $(FUZZTIME) ./$$(dirname $$f) || exit 1; done; done

release: ## Programs, packages, images and checksums of this version in out/release, the same bytes each time.
	deploy/release.sh out/release

release-check: ## Make the release twice, the second time elsewhere and without history, and compare the checksums.
	deploy/release.sh out/release
	@set -e; again=$$(mktemp -d); trap 'rm -rf '$$again EXIT; git archive HEAD | tar -x -C $$again; \
		git log -1 --format='%H %ct' >$$again/COMMIT; (cd $$again && deploy/release.sh files >/dev/null); \
		diff out/release/SHA256SUMS $$again/files/SHA256SUMS && echo "both runs made the same bytes"

lint: ## Linters that find real bugs: staticcheck, and govulncheck where its data can be had. tools/go.mod pins them.
	@mkdir -p out/tools
	cd tools && $(GO) build -o ../out/tools/ honnef.co/go/tools/cmd/staticcheck golang.org/x/vuln/cmd/govulncheck
	out/tools/staticcheck ./...
	@code=0; out/tools/govulncheck ./... >out/tools/govulncheck.txt 2>&1 || code=$$?; case $$code in \
		0) echo "govulncheck: no known vulnerability is reached";; \
		3) cat out/tools/govulncheck.txt; exit 1;; \
		*) tail -n 3 out/tools/govulncheck.txt; echo "govulncheck could not get its data, so NOTHING IS KNOWN about vulnerabilities";; esac

clean: ## Remove what was built and the local cluster's data. Stops the cluster first.
	@test ! -e $(CLUSTER)/node1.yaml || $(MAKE) --no-print-directory stop
	rm -rf $(BIN) out
