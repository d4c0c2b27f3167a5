#!/bin/bash
# Fuzzes the socket's decoders and the update checker for so many minutes together:
#   run.sh [MINUTES]      0 only builds
# Coverage counters of LLVM with the stable compiler; libFuzzer is built from its crate with the
# C++ compiler at hand. Prints executions and crashes of each target; a crash is kept as a file.
set -euo pipefail
minutes=${1:-2}
here=$(cd "$(dirname "$0")" && pwd)
work=${CARGO_TARGET_DIR:-$here/../../target}/fuzz
mkdir -p "$work/corpus" "$work/crashes"

coverage='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
  -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
  -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing'
host=$(rustc -vV | sed -n 's/^host: //p')
# With a target named, build scripts are built without the counters.
(cd "$here" && CARGO_TARGET_DIR=$work/target RUSTFLAGS=$(echo $coverage) \
  cargo build -q --release --target "$host" --bin socket --bin updates)
(cd "$here" && CARGO_TARGET_DIR=$work/target cargo run -q --release --bin corpus -- \
  ../../collab/tests/vectors/vectors.json "$work/corpus")

[ "$minutes" = 0 ] && exit 0

failed=0
for target in socket updates; do
  # A quarter of the time for the decoders, three quarters for the checker.
  if [ $target = socket ]; then seconds=$((minutes * 15)); else seconds=$((minutes * 45)); fi
  log=$work/$target.log
  "$work/target/$host/release/$target" -max_total_time=$seconds -timeout=10 -rss_limit_mb=1024 -max_len=4096 \
    -print_final_stats=1 -artifact_prefix="$work/crashes/$target-" "$work/corpus/$target" > "$log" 2>&1 || {
    failed=1
    grep -aE 'panicked|ERROR|Test unit written' -A2 "$log" | head -20
  }
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  covered=$(grep -aoE 'cov: [0-9]+' "$log" | tail -1)
  echo "$target: ${executions:-?} executions in $seconds s, $covered, crashes: $(ls "$work/crashes" | grep -c "^$target-" || true)"
done
exit $failed
