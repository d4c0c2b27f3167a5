# musubi: `make run` and `make test` set up everything themselves.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

ASSETS ?= target/assets
LISTEN ?= 127.0.0.1:8400
DATA ?= data
export MUSUBI_ASSETS := $(abspath $(ASSETS))

WEB_SOURCES := $(shell find web/src web/public web/index.html web/package-lock.json web/vite.config.ts web/tsconfig.json -type f 2>/dev/null)

# Removes one check of the collaboration engine after the other; each must be noticed by a test.
mutations:
	tests/mutations/run.py

# Fuzzes the socket's decoders and the update checker.
MINUTES ?= 2
fuzz:
	tests/fuzz/run.sh $(MINUTES)

.PHONY: mutations fuzz help run test build check bench clean setup setup-test web openapi generated unit e2e

# Rebuilding the masking model: models-data, models-train, models-eval (needs hours, not CI).
include pipelines/training/Makefile

help:
	@printf '%s\n' 'make run    準備・ビルドのうえ、デモ自治体で起動' 'make test   準備のうえ、すべてのテストを実行' \
	  'make build  target/release/musubi を作る' 'make check  書式・静的検査' 'make bench  計測' 'make clean  生成物を消す'

setup:
	@.ci/setup.sh run

setup-test:
	@.ci/setup.sh test

web/dist/index.html: $(WEB_SOURCES) | setup
	@echo '画面をビルドします'
	@cd web && npm run --silent build
	@touch $@

web: setup web/dist/index.html

build: web
	cargo build --release --locked -p musubi
	@$(MAKE) --no-print-directory dictionary BINARY=target/release/musubi

.PHONY: dictionary
dictionary:
	@if [ ! -d "$(ASSETS)/dictionary" ]; then \
	  echo '形態素解析の辞書を作ります'; \
	  $(BINARY) setup-dictionary "$(ASSETS)/dictionary-source" "$(ASSETS)/dictionary"; fi

run: build
	@exec target/release/musubi demo --data "$(DATA)" --listen "$(LISTEN)"

test: setup-test web
	cd web && npm run --silent check && npm test --silent
	cargo build --locked -p musubi
	@$(MAKE) --no-print-directory dictionary BINARY=target/debug/musubi
	@$(MAKE) --no-print-directory generated
	MUSUBI_BINARY=$(abspath target/debug/musubi) cargo test --locked --workspace
	MUSUBI_BINARY=$(abspath target/debug/musubi) npm --prefix tests/interop run --silent test
	@$(MAKE) --no-print-directory models-test
	python3 datasets/demo/check.py && python3 datasets/demo/check.py --self-test
	@$(MAKE) --no-print-directory e2e

# Generated files are committed; a difference means that somebody forgot to regenerate them.
generated:
	target/debug/musubi openapi | diff -u web/openapi.json - || { echo 'web/openapi.json が古くなっています: make openapi' >&2; exit 1; }
	target/debug/musubi forms typescript | diff -u web/src/forms/generated.ts - || { echo 'web/src/forms/generated.ts が古くなっています: make openapi' >&2; exit 1; }

openapi:
	cargo build -p musubi
	target/debug/musubi openapi > web/openapi.json
	target/debug/musubi forms typescript > web/src/forms/generated.ts
	cd web && npm run --silent generate

e2e:
	cd web && MUSUBI_BINARY=$(abspath target/debug/musubi) npm run --silent e2e

check: setup web
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	cd web && npm run --silent check

bench: build
	@.ci/setup.sh bench
	MUSUBI_BINARY=$(abspath target/release/musubi) tests/bench/run.sh

clean:
	cargo clean
	rm -rf web/dist web/node_modules tests/interop/node_modules tests/bench/node_modules
