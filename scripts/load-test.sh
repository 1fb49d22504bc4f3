#!/bin/sh
# How fast the relay delivers, from 10 to 10,000 peers and from 32 B to 1 MiB: builds it, starts it on a free port,
# measures each cell for 2 s or 4 GiB, and prints one Markdown table. Plots go to target/load-test, one a cell.
#
#   scripts/load-test.sh            everything, a few minutes
#   PEERS="10 100" SIZES="250" scripts/load-test.sh    some of it
set -eu
cd "$(dirname "$0")/.."

peers=${PEERS:-10 100 1000 10000}
sizes=${SIZES:-32 250 1024 16384 262144 1048576}
most_bytes_a_round=$((256 << 20)) # beyond it a cell is left out: a round would take longer than the cell
most_bytes_a_cell=$((4 << 30))
most_bytes_a_queue=$((4 << 20)) # half of --queue-hard, as by default
out=target/load-test
mkdir -p "$out"

cargo build --release --locked
program=${CARGO_TARGET_DIR:-target}/release/peer-relay
relay=
stop() {
    if [ -n "$relay" ]; then
        kill "$relay" 2>/dev/null && wait "$relay" || true
        relay=
    fi
}
trap stop EXIT
trap 'exit 130' INT TERM

"$program" serve --listen 127.0.0.1:0 --log-level warn >"$out/relay.out" 2>"$out/relay.log" &
relay=$!
for _ in $(seq 100); do
    address=$(sed -n 's/^listening on \([^ ]*\).*/\1/p' "$out/relay.out")
    [ -n "$address" ] && break
    sleep 0.1
done
[ -n "$address" ] || { echo "error: the relay did not start: $(cat "$out/relay.log")" >&2; exit 1; }

# a figure of a cell's JSON: of the whole, or of the object named second
figure() {
    awk -F '[:,]' -v name="\"$2\"" -v of="${3:+\"$3\"}" '
        of == "" || index($0, of) { inside = 1 }
        inside && index($0, name) { gsub(/ /, "", $2); print $2; exit }' "$1"
}

# 12345678 as 12.3 M
short() {
    awk -v n="$1" 'BEGIN {
        if (n >= 1e6) printf "%.1f M", n / 1e6
        else if (n >= 1e4) printf "%.0f k", n / 1e3
        else printf "%.0f", n
    }'
}

size_name() {
    if [ "$1" -ge 1048576 ]; then echo "$(($1 >> 20)) MiB"
    elif [ "$1" -ge 1024 ]; then echo "$(($1 >> 10)) KiB"
    else echo "$1 B"; fi
}

# Messages under way, from 1 to 64: as many as make rounds of 256 MiB together, and as one peer's queue may hold for
# long. More, and whenever the tester has to wait for a CPU the relay is right to take its peers for too slow.
window() {
    window=64
    for bound in $((most_bytes_a_round / ($1 * $2))) $((most_bytes_a_queue / $2)); do
        [ "$window" -le "$bound" ] || window=$bound
    done
    [ "$window" -ge 1 ] || window=1
    echo "$window"
}

failed=0
header="| peers |" rule="|---|" table=
for size in $sizes; do
    header="$header $(size_name "$size") |" rule="$rule---|"
done
for count in $peers; do
    row="| $count |"
    for size in $sizes; do
        if [ $((count * size)) -gt "$most_bytes_a_round" ]; then
            row="$row – |"
            continue
        fi
        cell="$out/$count-peers-$size-bytes"
        if "$program" load --connect "$address" --peers "$count" --size "$size" --window "$(window "$count" "$size")" \
            --duration 2s --warmup 500ms --max-bytes "$most_bytes_a_cell" --relay-pid "$relay" \
            --json "$cell.json" --plot "$cell.svg" >"$cell.txt" 2>"$cell.err"; then
            rate=$(figure "$cell.json" deliveries_per_s)
            per_cpu=$(figure "$cell.json" deliveries_per_cpu_s relay)
            row="$row $(short "$rate") ($(short "$per_cpu")) |"
        else
            failed=$((failed + 1))
            row="$row failed |"
            echo "$count peers, $size B:" >&2
            cat "$cell.txt" "$cell.err" >&2
        fi
    done
    table="$table$row
"
done
stop

echo "Deliveries per second (and per second of the relay's CPU), one sender:"
echo
echo "$header"
echo "$rule"
printf '%s' "$table"
echo
echo "Every delivery was compared with what was sent; plots and figures are in $out."
if [ "$failed" -gt 0 ]; then
    echo "error: in $failed cells a delivery was missing or wrong, or there was no run" >&2
    exit 1
fi
