#!/usr/bin/env bash
# Everything that is measured, on the release binary. `make bench` sets up what this needs.
set -euo pipefail
cd "$(dirname "$0")"
export MUSUBI_BINARY=${MUSUBI_BINARY:-$(realpath ../../target/release/musubi)}
[ -x "$MUSUBI_BINARY" ] || { echo "$MUSUBI_BINARY がありません: make build" >&2; exit 1; }
node latency.mjs
node scale.mjs
exec node collab.mjs "$@"
