# What there is to do here: `make help`.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules --warn-undefined-variables
.DEFAULT_GOAL := help

# Tools that were built from source come first; .bin holds only those that are
# not installed (tools/pulumi-cli).
export PATH := $(CURDIR)/.bin:$(PATH)

# Every module with Go code of ours. tools/pulumi, tools/lint and tools/actionlint
# hold none: they pin what is built from elsewhere, and to tidy them downloads the
# tests of half the clouds.
MODULES := $(filter-out ./tools/pulumi ./tools/lint ./tools/actionlint,$(patsubst %/,%,$(dir \
	$(shell find . -name go.mod -not -path '*/.*/*' -not -path '*/testdata/*' | LC_ALL=C sort))))

# The race detector where it can run: it needs cgo, and cgo a C compiler.
# `make test RACE=` does without.
RACE := $(if $(filter 1,$(shell go env CGO_ENABLED)),-race)

# $(call each,COMMAND) runs a command in every module and stops at the first
# failure, also where make is too old for .SHELLFLAGS.
each = for module in $(MODULES); do echo "$$module: $(1)"; (cd "$$module" && $(1)) || exit 1; done

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: tools
tools: ## Build the Pulumi CLI and its Go host, if they are not installed
	@tools/pulumi-cli

BACKEND ?= sagemaker

.PHONY: local
local: ## Deploy to this machine, without AWS, and ask the model; BACKEND=function runs it in a Lambda function
	@tools/local up $(BACKEND)

.PHONY: local-translation
local-translation: ## Deploy the translation example to this machine, and ask it
	@tools/local up translation

.PHONY: local-down
local-down: ## Destroy the local stacks and stop the local cloud
	@tools/local down

.PHONY: functions
functions: ## Build the Lambda functions into .build/functions
	@tools/functions

STACK ?= dev
OUT ?= .local/openapi.json

.PHONY: openapi
openapi: ## Write the API of STACK (dev) for clients to OUT (.local/openapi.json)
	@mkdir -p $(dir $(OUT))
	@go run ./cmd/openapi -stack $(STACK) >$(OUT).new && mv $(OUT).new $(OUT)
	@echo "wrote $(OUT)"

TRACE ?=

# STACK counts only where it is given: what is compared is prod's scaling.
.PHONY: cost
cost: ## Compare what traffic costs by design; TRACE=office-hours, spiky, steady or a CSV file
	@go run ./cmd/cost $(if $(filter-out file,$(origin STACK)),-stack "$(STACK)") $(if $(TRACE),-trace "$(TRACE)")

YES ?=

.PHONY: rotate-key
rotate-key: functions ## Take the next of three steps that replace the API key of STACK (dev); YES=1 does not ask
	@go run ./cmd/rotatekey -stack $(STACK) $(if $(filter 1,$(YES)),-yes)

.PHONY: golangci-lint
golangci-lint:
	@tools/build lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint \
		"golangci-lint" "about 2 minutes" -ldflags "-s -w"

.PHONY: actionlint
actionlint:
	@tools/build actionlint github.com/rhysd/actionlint/cmd/actionlint \
		"actionlint" "about 20 seconds" -ldflags "-s -w"

.PHONY: fmt
fmt: golangci-lint ## Format the code
	@golangci-lint fmt

.PHONY: fmt-check
fmt-check: golangci-lint
	@golangci-lint fmt --diff

.PHONY: tidy-check
tidy-check:
	@$(call each,go mod tidy -diff)

.PHONY: vet
vet: ## Vet the code
	@$(call each,go vet ./...)

.PHONY: lint
lint: golangci-lint actionlint ## Lint the code and the workflows
	@actionlint
	@$(call each,golangci-lint run --config $(CURDIR)/.golangci.yaml ./...)

# ./tests runs the real engine, and most of its time is spent in processes that
# the race detector does not see; the packages that those run are tested with it.
.PHONY: test
test: tools ## Run all tests, of all modules
	@for module in $(filter-out .,$(MODULES)); do (cd "$$module" && go test $(RACE) ./...) || exit 1; done
	@packages=$$(go list ./... | grep -v /tests); go test $(RACE) $$packages
	@go test -timeout 20m ./tests/...

.PHONY: e2e
e2e: judges ## Run the functions against moto, and what judges does (needs Node.js and Python)
	@tests/e2e/run

.PHONY: judges
judges: ## Have other people's tools judge what is registered (needs Node.js and Python)
	@tools/judges
	@JUDGES=required go test -count=1 -timeout 10m ./tests/judges

.PHONY: bench
bench: tools ## Measure against the bars; writes .local/bench.json
	@BENCH_FILE=$(CURDIR)/.local/bench.json go test ./tests -run '^$$' -bench '^BenchmarkAll$$' -benchtime 1x -timeout 30m

.PHONY: ci
ci: tidy-check fmt-check vet lint test ## All that continuous integration checks

.PHONY: clean
clean: ## Remove the built tools and functions; a running local stack is left alone
	@rm -rf .bin .build
