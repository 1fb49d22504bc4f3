//! The ban file: written, read, edited, spoilt.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{JUNK, Peer, Relay, eventually, run};

const A: [u8; 4] = [127, 0, 0, 2];
const B: [u8; 4] = [127, 0, 0, 3];

/// A place for a ban file, and what else lies there.
struct Place {
    directory: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bans.json");
        Self { directory, path }
    }

    fn holding(content: impl AsRef<[u8]>) -> Self {
        let place = Self::new();
        fs::write(&place.path, content).unwrap();
        place
    }

    fn relay(&self, options: &[&str]) -> Relay {
        Relay::start(&[&["--ban-file", self.path.to_str().unwrap()], options].concat())
    }

    fn bans(&self) -> Vec<Value> {
        read(&self.path).expect("there is a ban file")
    }

    fn wait_for_bans(&self, count: usize) -> Vec<Value> {
        eventually("the ban file", || read(&self.path).is_some_and(|bans| bans.len() == count));
        self.bans()
    }

    /// Nothing lies beside the ban file.
    fn is_tidy(&self) -> bool {
        fs::read_dir(self.directory.path()).unwrap().all(|entry| entry.unwrap().path() == self.path)
    }
}

/// The file is replaced as a whole: whenever it is there it can be read.
fn read(path: &Path) -> Option<Vec<Value>> {
    let text = fs::read_to_string(path).ok()?;
    let content: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error} in {text}"));
    Some(content["bans"].as_array().unwrap().clone())
}

fn unix_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn file_with(address: &str, until_unix_ms: u64) -> String {
    json!({"bans": [{"address": address, "until_unix_ms": until_unix_ms, "offence": "magic"}]}).to_string()
}

#[test]
fn a_save_that_fails_is_told_and_leaves_nothing_behind() {
    let place = Place::new();
    let relay = place.relay(&[]);
    fs::create_dir(&place.path).unwrap(); // nothing can be moved to where a directory is
    relay.ban(A);
    relay.said(&["ERROR", "cannot save the ban file", "bans hold until the relay ends"]);
    assert!(!relay.admits(A));
    relay.peer_from(B);
    relay.stop();
    assert!(place.is_tidy());
}
