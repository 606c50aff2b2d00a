# Short targets. `make help` lists them.
SHELL := /bin/bash
BIN := bin/streamhouse
GOFLAGS_BUILD := -trimpath -ldflags='-s -w'
# Real clients, kills and benchmarks, below tests/. The rest of the tree runs in seconds and
# needs nothing but Go.
REAL := admin|security|attacks|bench|chaos|cli|clients|compaction|compat|ecosystem|exactlyonce|history/(faults|guests|run)|metrics|peers|registry|s3gateway|sizing|sql|tools|transactions
UNIT = $$(go list ./... | grep -vE '/tests/($(REAL))$$')
# Of the real ones chaos runs alone: it bounds the time that a start takes. The histories
# begin, since they last longest.
PAIRS = ./tests/history/faults $$(go list ./tests/... | grep -E '/tests/($(REAL))$$' | grep -v '/tests/chaos$$')
# Where make test keeps what go test says, for its last lines.
TOOK := bin/test.log
# Tests with their times kept: $(1) are arguments of go test.
go_test = set -o pipefail; go test -count=1 $(1) | tee -a $(TOOK)
# Vets the modules of tests that a grep of $(1) leaves: what only one program needs is no
# dependency of the broker. Those with librdkafka (confluentgo) take a C compiler, and long.
vet_modules = set -e; staticcheck=$$(go tool -n staticcheck); for m in $$(find tests -name go.mod -exec dirname {} \; | grep $(1)); do \
	echo "vet and staticcheck $$m"; (cd $$m && go vet ./... && $$staticcheck ./...); done
PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64

.PHONY: help
help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

.PHONY: run
run: build ## build and start a broker: Kafka on :9092, HTTP on :8080, data in ./data
	$(BIN) server $(ARGS)

.PHONY: build
build: ## build bin/streamhouse, one static file
	CGO_ENABLED=0 go build $(GOFLAGS_BUILD) -o $(BIN) ./cmd/streamhouse

.PHONY: cross
cross: ## build for Linux and macOS on amd64 and arm64
	@set -e; for p in $(PLATFORMS); do \
		echo "bin/streamhouse-$${p%/*}-$${p#*/}"; \
		CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/} go build $(GOFLAGS_BUILD) -o bin/streamhouse-$${p%/*}-$${p#*/} ./cmd/streamhouse; \
	done

.PHONY: check
check: ## the inner loop: vet, staticcheck, unit tests
	go vet ./...
	go tool staticcheck ./...
	go test -short $(UNIT)

.PHONY: test
test: build ## every test; installs what is missing, or says what to install
	@rm -f $(TOOK)
	go vet ./...
	go tool staticcheck ./...
	@$(call vet_modules,-v confluentgo)
	@# Everything, then everything but the longest runs under the race detector. Several
	@# packages at a time: they wait more than they compute (docs/testing.md). None of them
	@# judges by the time that something took; ports are a package's own (tests/peers).
	$(call go_test,-p 4 -timeout 30m $(UNIT))
	$(call go_test,-p 3 -timeout 30m -short -race $(UNIT))
	@# The other platforms are built while clients are installed and wait.
	@# (make, not $$(MAKE): make -n would run this line.)
	nice make --no-print-directory cross & cross=$$!; failed=0; \
		{ $(call go_test,-p 2 -timeout 60m $(PAIRS)); } || failed=1; wait $$cross && exit $$failed
	$(call go_test,-timeout 60m ./tests/chaos)
	@echo "what took longest, in seconds:"; awk '$$1 == "ok" {print $$3 + 0, $$2}' $(TOOK) | sort -rn | head -25

.PHONY: acceptance
acceptance: ## every client over every storage, those that take long to build too, then all of it against Apache Kafka
	@$(call vet_modules,confluentgo)
	go test -p 1 -count=1 -timeout 90m ./tests/clients -acceptance
	go test -p 1 -count=1 -timeout 90m ./tests/clients -acceptance -broker kafka
	go test -p 1 -count=1 -timeout 30m ./tests/history/guests -acceptance
	go test -p 1 -count=1 -timeout 30m ./tests/cli -broker kafka
	go test -p 1 -count=1 -timeout 30m ./tests/tools -run ResetAs -broker kafka
	go test -p 1 -count=1 -timeout 30m ./tests/tools -broker kafka
	go test -p 1 -count=1 -timeout 60m ./tests/exactlyonce -acceptance
	go test -p 1 -count=1 -timeout 120m ./tests/exactlyonce -acceptance -broker kafka
	go test -p 1 -count=1 -timeout 30m ./tests/transactions -broker kafka
	go test -p 1 -count=1 -timeout 30m ./tests/ecosystem -acceptance
	go test -p 1 -count=1 -timeout 30m ./tests/ecosystem -acceptance -broker kafka
	go test -p 1 -count=1 -timeout 30m ./tests/compaction -acceptance -run TestLagIsKept
	go test -p 1 -count=1 -timeout 10m ./tests/registry/oracles -acceptance

.PHONY: chaos
chaos: ## histories under faults for hours; CHAOS='-for 2h -keep DIR -seed N' for other than one hour
	go test -count=1 -timeout 0 ./tests/history/faults -v -run TestHistories -acceptance -for 1h $(CHAOS)

.PHONY: compat
compat: ## ask Apache Kafka anew and fail where a recorded answer is stale; then compare ours
	go test -count=1 -timeout 30m ./tests/compat -run TestAnswers -fresh
	go test -count=1 -timeout 10m ./tests/compat

.PHONY: bench
bench: ## measure against Apache Kafka; BENCH='-only NAME -rounds 1' for a part, '-against BINARY' for an older binary of ours
	go run ./tests/bench $(BENCH)

.PHONY: fuzz
fuzz: ## run every fuzz target for FUZZTIME (10s)
	@set -e; for pkg in $(UNIT); do \
		for f in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' "$$(go list -f '{{.Dir}}' $$pkg)"/*_test.go 2>/dev/null | sed 's/func //'); do \
			echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(or $(FUZZTIME),10s) $$pkg; \
		done; \
	done

.PHONY: clean
clean: ## remove what was built, not ./data
	rm -rf bin
