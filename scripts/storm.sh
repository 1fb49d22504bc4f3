#!/bin/sh
# Kills and restarts a relay under PEERS (10000) that all come back: with SIGKILL, then with SIGTERM. Says how
# many seconds it takes until the room is whole again; ends with 0 when none is lost. The relay is its own, on
# a free port of a loopback address, and is ended, unless this is itself ended by SIGKILL. Each peer needs a
# descriptor: ulimit -n.
set -eu
cd "$(dirname "$0")/.."

peers=${1:-10000}
case $peers in
'' | *[!0-9]* | 0*)
    echo "usage: scripts/storm.sh [PEERS], a whole number" >&2
    exit 2
    ;;
esac

cargo build --release --locked --bin peer-relay --example crowd
# exec: whoever stops this script stops the crowd, which ends its relay
exec cargo run --quiet --release --locked --example crowd -- storm "$peers"
