//! A program of `scripts/`, as cargo has built it beside the tests. Cargo does so for `cargo test`, and not when one of
//! the tests alone is asked for: then it may be missing, or an older one than its sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The program, built from the sources as they are.
///
/// # Panics
/// If it is not there, or may be another: nothing would have been tested.
pub fn example(name: &str) -> PathBuf {
    let relay = Path::new(env!("CARGO_BIN_EXE_peer-relay"));
    let program = relay.parent().unwrap().join("examples").join(name);
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    match doubt(&program, &sources) {
        None => program,
        Some(doubt) => panic!("{} {doubt}: cargo build --examples", program.display()),
    }
}

/// Why it may not be what these sources make.
pub fn doubt(program: &Path, sources: &Path) -> Option<&'static str> {
    let Some(built) = modified(program) else { return Some("is not built") };
    let sources = fs::read_dir(sources).unwrap().map(|entry| entry.unwrap().path());
    let newest = sources.filter_map(|source| modified(&source)).max();
    (newest > Some(built)).then_some("is older than its sources")
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}
