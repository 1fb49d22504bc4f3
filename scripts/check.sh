#!/bin/sh
# What CI runs: formatting, lints, tests, documentation. Needs a Rust toolchain with rustfmt and clippy.
set -eu
cd "$(dirname "$0")/.."

step() {
    printf '\n== %s\n' "$*"
    "$@"
}

step cargo fmt --check
step cargo clippy --locked --all-targets -- -D warnings
RUSTDOCFLAGS="-D warnings" step cargo doc --locked --no-deps --document-private-items
step cargo test --locked
