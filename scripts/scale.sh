#!/bin/sh
# What a delivery and an idle peer cost the relay, from 10 peers to as many as the descriptor limit allows (ulimit -n):
# CPU time of a delivery, how much of it is the kernel's, and from 1,000 peers on by how much the relay's own memory
# grows for each: fewer take less than the steps in which it grows.
# Prints a Markdown table and draws two curves, into target/scale/scale.svg or the file given. The kernel's part is
# known from a clock that ticks a hundred times a second: runs that are short, or on a machine that is busy with other
# things, leave it open. Ends with 0 when every delivery was right; a run that fails leaves its figures to the others.
# Its relays are ended, unless it is itself ended by another signal than INT, TERM or HUP.
#
#   scripts/scale.sh [SVG]        everything, about 5 minutes
#   PEERS="10 1000" REPS=1 DURATION=1s scripts/scale.sh     some of it
#
# PEERS     how many (10 30 100 300 1000 3000 10000, and the most that the descriptor limit allows)
# REPS      how often each is looked at, in turn (5); what is told is the median
# DURATION  how long each run measures (4s)
set -eu

usage() {
    echo "usage: scripts/scale.sh [SVG]; what PEERS, REPS and DURATION do stands in its first lines"
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
# exec: whoever stops this script stops the charts, which end their relays
exec cargo run --quiet --release --locked --example charts -- scale "$svg"
