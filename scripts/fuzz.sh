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

seconds=${1:-60}
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

command -v c++ >/dev/null || command -v "${CXX:-g++}" >/dev/null || {
    echo "error: no C++ compiler, which libFuzzer is built with; apt-get install g++ brings one" >&2
    exit 1
}

targets="ban_file decoder inputs relay"
host=$(rustc -vV | sed -n 's/^host: //p')
out=${CARGO_TARGET_DIR:-target}/fuzz
built=$out/$host/release

# what tells libFuzzer which way a run took, as cargo-fuzz has it; with --target, for no build script
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
for what in inline-8bit-counters pc-table trace-compares; do
    coverage="$coverage -Cllvm-args=-sanitizer-coverage-$what"
done
RUSTFLAGS="$coverage -Ccodegen-units=1" cargo build --quiet --release --locked \
    --manifest-path tests/fuzz/Cargo.toml --target "$host" --target-dir "$out"

found=0
table=
for target in $targets; do
    mkdir -p "$out/corpus/$target" "$out/found/$target"
    log=$out/$target.log
    echo "$target: $seconds s"
    if "$built/$target" -max_total_time="$seconds" -max_len=500 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$out/found/$target/" "$out/corpus/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1; then
        findings=0
    else
        findings=1
        found=$((found + 1))
        cat "$log" >&2
    fi
    count=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    table="$table$(printf '%-10s %12s executions   %s findings' "$target" "${count:-?}" "$findings")
"
    file=$(sed -n 's/.*Test unit written to //p' "$log" | head -n 1)
    [ "$findings" -eq 0 ] || table="$table           again: $built/$target ${file:-}
"
done
printf '%s' "$table"
[ "$found" -eq 0 ]
