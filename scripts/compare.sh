#!/bin/sh
# The relay, redis-server, nats-server and mosquitto at the same work in one run: deliveries per second of a server's
# CPU, from 10 to 10,000 receivers and from 32 B to 256 KiB, latency, and memory of an idle peer. Prints a Markdown table
# and draws a bar chart, into target/compare/compare.svg or the file given. Whatever is not installed is left out. With
# two CPUs the server has one and the tester the other. Every delivery is compared with what was sent; ends with 0
# when all servers started and all of the relay's runs went well. Whatever it starts it ends, unless it is itself ended
# by another signal than INT, TERM or HUP.
#
#   scripts/compare.sh [SVG]      everything, less than 10 minutes
#   CELLS="to-100 chat" SERVERS="peer-relay redis" REPS=1 DURATION=500ms scripts/compare.sh      some of it
#
# CELLS     of to-10 to-100 to-1000 to-10000 32B 1KiB 16KiB 256KiB one-by-one chat rate-1000 rate-5000 idle
# SERVERS   of peer-relay redis nats mosquitto; looked for where commands are, and in /usr/sbin
# REPS      how often each server does each cell, in turn (3); what is told is the median
# DURATION  how long each run measures (1500ms)
set -eu

usage() {
    echo "usage: scripts/compare.sh [SVG]; what CELLS, SERVERS, REPS and DURATION do stands in its first lines"
}

case ${1-} in
-h | --help)
    usage
    exit 0
    ;;
-*)
    usage >&2
    exit 2
    ;;
esac
[ $# -le 1 ] || {
    usage >&2
    exit 2
}
# a file is named from where the caller stands
case ${1-} in
'' | /*) svg=${1-} ;;
*) svg=$PWD/$1 ;;
esac

cd "$(dirname "$0")/.."
cargo build --release --locked --bin peer-relay --example charts
# exec: whoever stops this script stops the charts, which end their servers
exec cargo run --quiet --release --locked --example charts -- compare "$svg"
