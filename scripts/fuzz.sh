#!/bin/sh
# Fuzzes every target of tests/fuzz for SECONDS (60) each, on the stable toolchain: a C++ compiler must be there, which
# builds libFuzzer; cargo-fuzz need not. Ends with 0 when nothing was found. New inputs are kept in
# target/fuzz/corpus, and what was found in target/fuzz/found: put it into tests/fuzz/corpus/TARGET, and cargo test
# replays it from then on.
set -eu
cd "$(dirname "$0")/.."

usage() {
    echo "usage: scripts/fuzz.sh [SECONDS], a whole number"
}

seconds=${1-60}
case $seconds in
-h | --help)
    usage
    exit 0
    ;;
'' | *[!0-9]* | 0*)
    usage >&2
    exit 2
    ;;
esac

command -v "${CXX:-c++}" >/dev/null || {
    echo "error: no C++ compiler, which libFuzzer is built with (apt-get install g++)" >&2
    exit 1
}

targets="ban_file decoder inputs relay"
host=$(rustc -vV | sed -n 's/^host: //p')
out=${CARGO_TARGET_DIR:-target}/fuzz
built=$out/$host/release

# what tells libFuzzer which way a run took, as cargo-fuzz has it; with --target, for no build script. What is compared
# with what is not traced: where that would help, in checksums, the targets help themselves, and all are twice as fast
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
for what in inline-8bit-counters pc-table; do
    coverage="$coverage -Cllvm-args=-sanitizer-coverage-$what"
done
RUSTFLAGS="$coverage -Ccodegen-units=1" cargo build --quiet --release --locked \
    --manifest-path tests/fuzz/Cargo.toml --target "$host" --target-dir "$out"
touch "$out/built"

failed=0
table=
for target in $targets; do
    mkdir -p "$out/corpus/$target" "$out/found/$target"
    log=$out/$target.log
    echo "$target: $seconds s" >&2
    result="nothing found"
    "$built/$target" -max_total_time="$seconds" -max_len=500 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$out/found/$target/" "$out/corpus/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1 || {
        failed=$((failed + 1))
        result="1 finding: $built/$target $(sed -n 's/.*Test unit written to //p' "$log")"
        grep -A 3 -E 'panicked at|ERROR' "$log" >&2 || tail -n 20 "$log" >&2
    }
    count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    table="$table$(printf '%-10s %12s executions   %s' "$target" "${count:-no}" "$result")
"
done
printf '%s' "$table"
[ "$failed" -eq 0 ]
