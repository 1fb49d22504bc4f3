//! Tells the crate which commit it was built from, when that is known: `peer-relay --version` says it.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=scripts/build.rs");
    // HEAD names the branch, logs/HEAD changes with every commit; in a tarball there is neither.
    for file in [".git/HEAD", ".git/logs/HEAD"] {
        if std::path::Path::new(file).exists() {
            println!("cargo:rerun-if-changed={file}");
        }
    }
    if !std::path::Path::new(".git").exists() {
        return; // built inside another repository, say: its commit is not ours
    }
    let commit = Command::new("git").args(["rev-parse", "--short=10", "HEAD"]).output();
    if let Ok(output) = commit
        && output.status.success()
        && let Ok(hash) = String::from_utf8(output.stdout)
    {
        println!("cargo:rustc-env=PEER_RELAY_COMMIT={}", hash.trim());
    }
}
