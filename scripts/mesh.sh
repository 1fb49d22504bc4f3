#!/bin/sh
# Relays that know each other: one that dials itself, two that dial each other, three in a line, in a ring and each
# with each, with leaves at all of them. Every frame of a leaf must reach every other once, and then all be silent; one
# relay is killed with SIGKILL, and the others must go on; it is started again, and all must be as before. Says how many
# seconds that takes; ends with 0 when nothing was missing, twice or late. The relays are its own, on free ports of
# loopback addresses, and are ended, unless this is itself ended by SIGKILL.
#
#   scripts/mesh.sh             everything, less than a minute and never more than three
#   scripts/mesh.sh line ring   some of it: of itself, pair, line, ring, mesh
set -eu
cd "$(dirname "$0")/.."

for shape; do
    case $shape in
    itself | pair | line | ring | mesh) ;;
    *)
        echo "usage: scripts/mesh.sh [SHAPE...], of itself, pair, line, ring, mesh" >&2
        exit 2
        ;;
    esac
done

cargo build --release --locked --bin peer-relay --example crowd
# exec: whoever stops this script stops the crowd, which ends its relays
exec cargo run --quiet --release --locked --example crowd -- mesh "$@"
