# Tintype. `make help` lists the targets.

GO      ?= go
BIN     := bin/tintype
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X github.com/tintype/tintype/internal/app.version=$(VERSION)

# golangci-lint comes through the Go module proxy, pinned, into the checkout.
LINT_VERSION := v2.15.0
TOOLS        := $(CURDIR)/.tools
LINT         := $(TOOLS)/golangci-lint-$(LINT_VERSION)

.DEFAULT_GOAL := help
.PHONY: help up build deps deps-test test lint bench bench-go bench-endpoint bench-imaging bench-scale dist image-check test-deploy asan soak fuzz clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

up: build ## bring what is missing, build, and run everything on this machine (ARGS="…" passes flags)
	@$(BIN) up $(ARGS)

build: deps ## build bin/tintype
	@test -e $(BIN) || echo "tintype: building $(BIN); the first time takes some minutes" >&2
	@$(GO) build -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/tintype

deps: # libvips and what cgo needs
	@scripts/deps.sh build

deps-test: # also what tests use: a browser, Prometheus
	@scripts/deps.sh test

test: deps-test ## run the whole suite with the race detector (RUN="…" chooses tests)
	$(GO) test -race -p 3 -timeout 20m $(if $(RUN),-run '$(RUN)') ./...
	$(if $(RUN),,$(GO) test -run TestACrashGivesTheTerminalBack ./internal/top)

lint: deps ## vet, format and import-direction checks
	@scripts/lint.sh "$(LINT)" $(LINT_VERSION)

bench: build ## measure the whole way of an image beside sqs-consumer and sharp, where Node is, and beside the imaging alone (ARGS="-full")
	@if command -v npm >/dev/null; then cd bench/peers && npm ci --silent --no-audit --no-fund || echo "tintype: npm ci failed: Node does not take part" >&2; fi
	$(GO) run ./bench/pipeline -tintype $(BIN) $(ARGS)

bench-go: deps ## run the Go benchmarks of endpoint, queue and imaging
	$(GO) test -run '^$$' -bench . -benchtime 2s ./internal/localaws/... ./internal/queue/... ./internal/imaging/...

bench-endpoint: build ## measure the endpoint side by side with goaws and fauxqs where they are installed (ARGS="…")
	$(GO) run ./bench/endpoint -tintype $(BIN) $(ARGS)

bench-imaging: deps ## measure the imaging engines side by side with libjpeg alone and with sharp where it is installed (ARGS="…")
	$(GO) run ./bench/imaging $(ARGS)

bench-scale: ## simulate 10 to 10,000 images a second on AWS, and write docs/scale.md (ARGS="-measure", ARGS="-validate" measure first)
	$(GO) run ./bench/scale $(or $(ARGS),-doc docs/scale.md)

asan: deps ## run and fuzz the C of the fused engine under AddressSanitizer and UBSan (FUZZTIME=30s; needs gcc)
	CGO_CFLAGS="-O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined" CGO_LDFLAGS="-fsanitize=undefined" ASAN_OPTIONS=detect_leaks=0 \
		$(GO) test -asan -short -count=1 ./internal/imaging/fused
	CGO_CFLAGS="-O1 -g -fsanitize=undefined -fno-sanitize-recover=undefined" CGO_LDFLAGS="-fsanitize=undefined" ASAN_OPTIONS=detect_leaks=0 \
		$(GO) test -asan -run '^$$' -fuzz FuzzJPEG -fuzzminimizetime 1s -fuzztime $(or $(FUZZTIME),30s) ./internal/imaging/fused

dist: build ## pack program and units for EC2 (bin/tintype-VERSION-linux-ARCH.tar.gz; build on the Debian that they run on)
	@set -e; dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	install -D -m 0755 $(BIN) "$$dir/usr/local/bin/tintype"; \
	install -D -m 0755 deploy/systemd/tintype-leave "$$dir/usr/local/bin/tintype-leave"; \
	install -d "$$dir/etc/systemd/system"; install -m 0644 deploy/systemd/*.service "$$dir/etc/systemd/system/"; \
	out=bin/tintype-$(VERSION)-linux-$$($(GO) env GOARCH).tar.gz; \
	tar -C "$$dir" --owner=0 --group=0 -czf "$$out" usr etc; sha256sum "$$out"

image-check: ## build and run the container image's stages in chroots, without an engine (root, mmdebstrap)
	@scripts/image.sh

test-deploy: ## read Dockerfile and compose file with the parsers of their tools (a module of its own)
	cd deploy/test && $(GO) test -count=1 ./...

soak: deps ## every fault of docs/faults.md for long, and watch memory (SOAK_IMAGES=2000)
	TINTYPE_SOAK_IMAGES=$(or $(SOAK_IMAGES),2000) $(GO) test -tags soak -timeout 120m -run Soak -v ./internal/e2e
	$(GO) test -tags soak -timeout 60m -run Soak -v ./internal/imaging/isolate

fuzz: deps ## fuzz each parser (FUZZTIME=30s each)
	@scripts/fuzz.sh $(or $(FUZZTIME),30s)

clean: ## remove what was built (not ./data)
	rm -rf bin .tools
