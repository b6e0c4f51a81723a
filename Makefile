# adit: tunnel protocol, reference, conformance suite, load generator.
# `make` prints this help; every target works on a machine with Go, make and a C compiler (race detector).

GO      ?= go
BIN     := bin
COMMIT  := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(COMMIT)
FUZZTIME ?= 10s
SHORT   ?= -short

# make conformance SERVER=host:port VISITOR=host:port [TARGET=host:port] [API=url] | CLIENT_CMD='prog --server {addr}' | SUBJECT=file.yaml
SERVER ?=
VISITOR ?=
TARGET ?=
API ?=
CLIENT_CMD ?=
SUBJECT ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: release portable load-faults soak-churn help build conformance examples containers self-check bench bench-full bench-streams bench-tls bench-compare bench-selftest test test-full unit e2e lint fuzz freeze generate clean

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## static binaries in bin/
	@mkdir -p $(BIN)
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/ ./reference/cmd/... ./conformance/cmd/... ./loadgen/cmd/...

conformance: build ## certify the reference, or SERVER= VISITOR= | CLIENT_CMD= | SUBJECT=
ifneq ($(SERVER),)
	$(BIN)/adit-conform run --server '$(SERVER)' --visitor '$(VISITOR)' $(if $(TARGET),--visitor-target '$(TARGET)') $(if $(API),--api '$(API)') $(ARGS)
else ifneq ($(CLIENT_CMD),)
	$(BIN)/adit-conform run --client-cmd '$(CLIENT_CMD)' $(ARGS)
else
	$(BIN)/adit-conform run --subject '$(or $(SUBJECT),scenarios/subjects/reference-64m.yaml)' --jobs 12 $(ARGS)
endif

examples: build ## certify the peer in Python, which was written from PROTOCOL.md alone
	@if command -v python3 >/dev/null; then $(BIN)/adit-conform run --subject scenarios/subjects/python.yaml --segmentation=off --jobs 8 $(ARGS); \
	else echo "not run: python3 is not installed"; fi

containers: build ## certify the reference as container images, where a Docker engine answers
	@if docker info >/dev/null 2>&1; then TESTCONTAINERS_RYUK_DISABLED=true $(BIN)/adit-conform run --subject scenarios/subjects/reference-container.yaml --segmentation=off $(ARGS); \
	else echo "not run: no Docker engine answers"; fi

self-check: build ## prove that the suite can fail: the kill matrix
	$(BIN)/adit-conform self-check $(ARGS)

# What bench measures is certified first, and its results name the bundle.
CERTIFICATE := build/reference.json

$(CERTIFICATE): build
	@mkdir -p $(@D)
	$(BIN)/adit-conform run --subject scenarios/subjects/reference.yaml --bundle $@

bench: $(CERTIFICATE) ## certify the reference, then the standard scenarios, tables in results/: 10 minutes
	$(BIN)/adit-load run scenarios/speed.yaml scenarios/reliability.yaml scenarios/concurrency.yaml scenarios/packet-size.yaml scenarios/bandwidth.yaml --certificate $(CERTIFICATE) --out results --force $(ARGS)

# What bench-full compares the reference with; one that is not installed is not run.
RIVALS  ?= frp chisel ssh
PROFILE ?= full
rivals  = $(foreach s,$(RIVALS),--rival scenarios/subjects/$(s).yaml)

bench-full: $(CERTIFICATE) ## all scenarios against the reference and RIVALS, tables in results/full: 10 to 16 hours; PROFILE=ci: three to four, smoke: one
	$(BIN)/adit-load run $(filter-out scenarios/build.yaml scenarios/tls.yaml,$(wildcard scenarios/*.yaml)) --subject scenarios/subjects/reference.yaml $(rivals) --profile $(PROFILE) --certificate $(CERTIFICATE) --out results/full --force $(ARGS) \
	|| case $$? in 3|6|8) ;; *) exit $$? ;; esac # a limit of the machine that was met, what was not reached, or could not be judged, stands in the tables

# What the Extended profile is for, each with thresholds that the reference has to reach.
STREAMS := slow-readers slow-consumer neighbours stalled-memory latency-under-load round-trip half-close drain

bench-streams: $(CERTIFICATE) ## what the Extended profile is for, beside RIVALS, tables in results/streams: an error where a threshold is missed; PROFILE=ci RIVALS='frp ssh': 40 minutes
	$(BIN)/adit-load run $(STREAMS:%=scenarios/%.yaml) --subject scenarios/subjects/reference.yaml $(rivals) --profile $(PROFILE) --certificate $(CERTIFICATE) --out results/streams --force $(ARGS)

bench-tls: $(CERTIFICATE) ## what encryption costs, with a key and TLS and without, beside RIVALS, tables in results/tls: 8 minutes
	$(BIN)/adit-load run scenarios/tls.yaml --subject scenarios/subjects/reference.yaml --subject scenarios/subjects/reference-tls.yaml $(rivals) --certificate $(CERTIFICATE) --out results/tls --force $(ARGS)

# bench-compare needs no more than the reference of the other commit: what measures both is this one.
BASE ?=
bench-compare: ## this commit against BASE=<commit>, interleaved and paired: ends with an error where it may be 3 % slower; 6 minutes
	@commit=$$(git rev-parse --verify --quiet --end-of-options '$(BASE)^{commit}') || { echo "BASE='$(BASE)' is not a commit of this repository: name one, like make bench-compare BASE=HEAD~1" >&2; exit 2; }; \
	base=$$(mktemp -d) && trap 'git worktree remove --force "$$base"; rm -rf "$$base"' EXIT && trap 'exit 130' INT TERM && \
	git worktree add --quiet --force --detach "$$base" "$$commit" && \
	{ mkdir -p "$$base/bin" && (cd "$$base" && CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w -X main.version=$$(git rev-parse --short HEAD)" -o bin/ ./reference/cmd/... && \
	  sed 's/^name: .*/name: base/' scenarios/subjects/reference.yaml >scenarios/subjects/base.yaml) || { echo "BASE='$(BASE)' cannot be measured: its reference does not build, or has no subject file" >&2; exit 2; }; } && \
	$(MAKE) --no-print-directory build && \
	$(BIN)/adit-load run scenarios/build.yaml --subject "$$base/scenarios/subjects/base.yaml" --subject scenarios/subjects/reference.yaml $(ARGS)

bench-selftest: build ## prove that comparisons tell changes from noise: 20 to 30 minutes on a quiet machine
	ADIT_SELFTEST=$(CURDIR)/$(BIN) $(GO) test -count=1 -v -timeout 60m -run TestComparisonsTellChangesFromNoise ./loadgen/cmd/adit-load

# timed makes a target and says how long it took; twice makes it once more if it fails, since time is part of what these
# stages try and a machine may be busy for a moment, and says that it did.
timed = @begun=$$(date +%s); $(MAKE) --no-print-directory $(1) && echo "== $(1): $$(( $$(date +%s) - begun )) s"
twice = $(call timed,$(1)) || { echo "== $(1): failed; once more"; $(MAKE) --no-print-directory $(1) && echo "== $(1): failed once, passed once"; }

test: ## everything CI runs: 20 to 35 minutes on two cores
	$(call timed,lint)
	$(call timed,unit) || { ! ls $(RACES).* 2>/dev/null && echo "== unit: failed; once more" && $(MAKE) --no-print-directory unit && echo "== unit: failed once, passed once"; }
	$(call twice,conformance)
	$(call twice,examples)
	$(call twice,self-check)
	$(call twice,e2e)

test-full: ## test, with timers over 60 s, containers, fuzzing, and each mutant against every case, cut in all ways: less than an hour on two idle cores
	$(call timed,lint)
	$(call timed,portable)
	$(call timed,unit SHORT=)
	$(call timed,conformance ARGS=--slow)
	$(call timed,examples ARGS=--segmentation=on)
	$(call timed,containers)
	$(call timed,self-check ARGS='--full --segmentation')
	$(call timed,self-check ARGS=--slow)
	$(call timed,fuzz FUZZTIME=5s)
	$(call timed,e2e)

# What fails on a busy machine, beside all others, is run again by itself, twice at most, and named in the end.
TESTS = $(GO) tool gotestsum --format standard-quiet --rerun-fails=2 --rerun-fails-max-failures=10 --rerun-fails-run-root-test

# Where the race detector writes what it finds: nothing forgives that.
RACES := $(CURDIR)/build/race

unit: ## unit tests, race detector on, order shuffled; SHORT= runs those too that take long
	@mkdir -p $(dir $(RACES)) && rm -f $(RACES).*
	GORACE=log_path=$(RACES) $(TESTS) --packages ./... -- -race -shuffle=on -parallel 4 $(SHORT) -timeout 15m; \
	code=$$?; if cat $(RACES).* 2>/dev/null; then echo "a data race: not run again"; exit 1; fi; exit $$code
	$(TESTS) --packages ./reference/session -- -shuffle=on $(SHORT) # what takes too long, or costs too much, with the race detector

e2e: build ## ssh, scp, nginx, curl, PostgreSQL, iperf3 through the built binaries
	ADIT_E2E=$(CURDIR)/$(BIN) $(TESTS) --format standard-verbose --packages ./reference/e2e -- -count=1 -timeout 12m

lint: ## format, vet, staticcheck, module file
	@out="$$($(GO) tool gofumpt -l $$(git ls-files '*.go'))"; if [ -n "$$out" ]; then echo "not gofumpt-clean:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) mod tidy -diff
	$(GO) tool staticcheck ./...

portable: ## vet for the systems that CI does not run on
	GOOS=windows $(GO) vet ./...
	GOOS=darwin $(GO) vet ./...

CHURN ?= 15m
KILLS ?= 200
SEED  ?= 1
soak-churn: build ## a day of tunnels, ports, keys and cuts in CHURN, and KILLS times kill -9, figures in results/soak-churn: 17 minutes
	ADIT_E2E=$(CURDIR)/$(BIN) $(GO) test -count=1 -v -timeout 3h -run 'TestChurn|TestKilledAtRandom' ./reference/e2e -churn $(CHURN) -kills $(KILLS) -seed $(SEED) -results $(CURDIR)/results/soak-churn

# Tools of a release alone: pinned here, and not among the module's requirements.
NFPM := $(GO) run github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0
SBOM := $(GO) run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0

VERSION   ?= 0.0.0+$(COMMIT)
PLATFORMS ?= linux-amd64 linux-arm64 linux-arm darwin-amd64 darwin-arm64 windows-amd64 windows-arm64
RELEASE   := build/release
MANUAL    := build/manual

# What is packed has the commit's time and nobody's name, so that it can be made again.
PACK = tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$$(git log -1 --format=%ct)" -c

release: build ## archives of VERSION for PLATFORMS, Debian packages, a list of what they are made of, and sums, in build/release
	rm -rf $(RELEASE) $(MANUAL) build/release-bin build/package && mkdir -p $(RELEASE) build/package
	$(GO) run ./reference/deploy/manual $(BIN) $(MANUAL)
	gzip -9kn $(MANUAL)/man/*.1
	@set -e; for platform in $(PLATFORMS); do \
	  name=adit-$(VERSION)-$$platform; bin=build/release-bin/$$name; echo $$name; mkdir -p $$bin; \
	  CGO_ENABLED=0 GOOS=$${platform%-*} GOARCH=$${platform#*-} $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o $$bin/ ./reference/cmd/... ./conformance/cmd/... ./loadgen/cmd/...; \
	  cp -r LICENSE README.md PROTOCOL.md reference/SECURITY.md reference/deploy $(MANUAL)/man $(MANUAL)/completion $$bin/; rm -r $$bin/man/*.gz $$bin/deploy/*.go $$bin/deploy/manual; \
	  $(PACK) -C build/release-bin $$name | gzip -9n >$(RELEASE)/$$name.tar.gz; \
	  case $$platform in linux-*) arch=$${platform#*-}; [ $$arch != arm ] || arch=armhf; \
	    cp $$bin/adit-server $$bin/adit-client build/package/; \
	    VERSION='$(VERSION)' ARCH=$$arch SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(NFPM) package --config reference/deploy/debian/nfpm.yaml --packager deb --target $(RELEASE);; esac; \
	done
	@set -e; for program in server client; do $(SBOM) bin -json -licenses -version '$(VERSION)' -output $(RELEASE)/adit-$$program.cdx.json $(BIN)/adit-$$program; done
	cd $(RELEASE) && sha256sum -b * >SHA256SUMS
	@sh reference/deploy/try-release.sh $(RELEASE) '$(VERSION)'

load-faults: ## faults that adit-load must find in the processes of a run, and ten clean runs for each: 10 minutes
	ADIT_LOAD_CLEAN=10 $(GO) test -count=1 -p 1 -timeout 30m -run IsFound ./loadgen/cmd/adit-load ./loadgen/run

fuzz: ## every fuzz target for FUZZTIME (default 10s)
	@set -e; for pkg in $$($(GO) list ./...); do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

SET ?=
freeze: build ## freeze requirement set SET, new or a draft, as everything is now; acknowledge reworded SHOULDs of one that is frozen
	@mkdir -p build
	$(BIN)/adit-conform list --freeze '$(SET)' > build/set.json
	mv build/set.json 'conformance/cases/sets/$(SET).json'

generate: ## re-make what is derived from PROTOCOL.md, and the vectors
	$(GO) generate ./...

clean: ## remove bin/ and build/
	rm -rf $(BIN) build
