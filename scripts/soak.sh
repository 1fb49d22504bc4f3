#!/bin/sh
# Honest peers under slow readers, babblers, flappers, drip-feeders, oversizers and liars, all at once, for
# MINUTES (1). Ends with 0 when the honest got every frame and the relay's memory and descriptors are back
# where they began. Starts a relay of its own on a free port of 127.0.0.1, and ends it, unless it is itself
# ended by SIGKILL.
set -eu
cd "$(dirname "$0")/.."

minutes=${1:-1}
case $minutes in
'' | *[!0-9]* | 0*)
    echo "usage: scripts/soak.sh [MINUTES], a whole number" >&2
    exit 2
    ;;
esac

cargo build --release --locked --bin peer-relay --example crowd
# exec: whoever stops this script stops the crowd, which ends its relay
exec cargo run --quiet --release --locked --example crowd -- soak $((minutes * 60))
