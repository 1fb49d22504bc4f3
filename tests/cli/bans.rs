//! The ban file: written, read, edited, spoilt.

use std::fs::{self, File, Permissions};
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{JUNK, PATIENCE, Peer, Relay, eventually, run};

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

#[test]
fn a_ban_is_in_the_file_soon_and_can_be_read() {
    let place = Place::new();
    let relay = place.relay(&[]);
    assert!(!place.path.exists(), "nothing to keep yet");
    let began = unix_ms();
    relay.ban(A);
    let bans = place.wait_for_bans(1);
    let took = unix_ms() - began;
    assert!(took < 2000, "{took} ms");
    assert_eq!((&bans[0]["address"], &bans[0]["offence"]), (&json!("127.0.0.2"), &json!("magic")));
    let left = bans[0]["until_unix_ms"].as_u64().unwrap() - began;
    assert!((600_000..=600_000 + took).contains(&left), "ten minutes from when it was spoken: {left}");
    assert!(place.is_tidy());
}

#[test]
fn a_ban_outlives_the_relay_until_it_is_edited_out() {
    let place = Place::new();
    let relay = place.relay(&[]);
    relay.ban(A);
    relay.ban(B);
    relay.stop();
    let relay = place.relay(&[]);
    relay.said(&["bans loaded: 2"]);
    assert!(!relay.admits(A));
    relay.said(&["refused addr=127.0.0.2 reason=banned left=9m", "offence=magic"]);
    relay.stop();
    let text = fs::read_to_string(&place.path).unwrap();
    let others: Vec<Value> = place.bans().into_iter().filter(|ban| ban["address"] != "127.0.0.2").collect();
    assert_eq!(text.lines().filter(|line| line.contains("address")).count(), 2, "one ban a line: {text}");
    fs::write(&place.path, json!({ "bans": others }).to_string()).unwrap();
    let relay = place.relay(&[]);
    assert!(relay.admits(A));
    assert!(!relay.admits(B));
}

#[test]
fn a_loaded_ban_never_has_more_left_than_a_new_one() {
    let place = Place::holding(file_with("127.0.0.2", u64::MAX));
    let relay = place.relay(&["--ban-time", "1s"]);
    eventually("the ban's end", || relay.admits(A));
}

#[test]
fn a_ban_that_is_over_is_not_loaded() {
    for until in [0, unix_ms() - 1000] {
        let place = Place::holding(file_with("127.0.0.2", until));
        let relay = place.relay(&[]);
        assert!(relay.admits(A));
        assert!(!relay.log().iter().any(|line| line.contains("loaded")));
    }
}

#[test]
fn a_ban_that_ends_leaves_the_file() {
    let place = Place::new();
    let relay = place.relay(&["--ban-time", "1s"]);
    relay.ban(A);
    place.wait_for_bans(1);
    place.wait_for_bans(0);
}

#[test]
fn an_address_may_be_written_as_a_person_would() {
    let row = |address: &str| json!({"address": address, "until_unix_ms": u64::MAX, "offence": "flood"});
    let rows = ["127.0.0.2/32", "::1", "2001:db8::/64", "2001:db8:1::5"].map(row);
    let place = Place::holding(json!({ "bans": rows }).to_string());
    let relay = place.relay(&[]);
    relay.said(&["bans loaded: 4"]);
    assert!(!relay.admits(A));
}

#[test]
fn an_empty_list_is_a_ban_file() {
    let place = Place::holding("{\"bans\": []}");
    assert!(place.relay(&[]).admits(A));
}

/// What a start and a check say of a ban file, which stays as it is.
fn complaint(place: &Place) -> String {
    let path = place.path.to_str().unwrap();
    let before = fs::read(&place.path).ok();
    let start = run(&["--listen", "127.0.0.1:0", "--ban-file", path], &[]);
    let check = run(&["--check", "--ban-file", path], &[]);
    assert_eq!(start.error(1), check.error(1));
    assert_eq!(fs::read(&place.path).ok(), before, "left untouched");
    assert!(place.is_tidy());
    let said = start.error(1).strip_prefix(&format!("ban file {path}: "));
    said.unwrap_or_else(|| panic!("{start:?}")).into()
}

#[test]
fn a_file_that_is_no_ban_file_stops_the_start() {
    let row = |address: &str, until: Value, offence: &str| {
        json!({"bans": [{"address": address, "until_unix_ms": until, "offence": offence}]}).to_string()
    };
    let good = file_with("127.0.0.2", u64::MAX);
    for (content, what) in [
        ("this is no JSON\n".into(), "line 1 column 2: expected ident"),
        (String::new(), "line 1 column 0: EOF"),
        (good[..good.len() - 3].into(), "EOF"),
        (format!("{good} more"), "trailing characters"),
        ("{\"bans\": [\n  {\"address\": 7}]}".into(), "line 2 column 15: invalid type"),
        ("[]".into(), "line 1 column"),
        ("{}".into(), "missing field `bans`"),
        ("{\"bans\": [], \"more\": 1}".into(), "unknown field `more`"),
        ("{\"bans\": [], \"a\\nb\": 1}".into(), "unknown field `a\\nb`"),
        (row("127.0.0.2", json!(-1), "magic"), "invalid value"),
        (row("127.0.0.2", json!("soon"), "magic"), "invalid type"),
        (row("127.0.0.0/8", json!(1), "magic"), "the ban of \"127.0.0.0/8\": need an address or an IPv6 /64"),
        (row("nobody", json!(1), "magic"), "the ban of \"nobody\": need an address"),
        (row("127.0.0.2", json!(1), "slow"), "\"slow\": no such offence; there are magic, oversize"),
    ] {
        let said = complaint(&Place::holding(&content));
        assert!(said.contains(what), "{content}: {said}");
        assert!(said.ends_with("; left untouched. Mend it or move it away"), "{said}");
    }
}

#[test]
fn a_place_where_no_file_can_be_stops_the_start() {
    let place = Place::holding(b"\xff\xfe{}");
    assert!(complaint(&place).contains("UTF-8"));
    let place = Place::new();
    fs::create_dir(&place.path).unwrap();
    assert!(complaint(&place).contains("directory"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("nowhere").join("bans.json");
    let line = run(&["--ban-file", path.to_str().unwrap()], &[]);
    assert!(line.error(1).contains(": there is no directory "), "{line:?}");
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(
        run(&["--ban-file", file.join("bans.json").to_str().unwrap()], &[]).error(1).contains("directory")
    );
}

#[test]
fn a_ban_file_in_the_working_directory_needs_no_path() {
    // its parent is the empty path, which is no directory by name
    assert_eq!(run(&["--check", "--ban-file", "no-such-ban-file.json"], &[]).code, Some(0));
}

#[test]
fn hundreds_of_bans_are_all_in_the_file_at_the_end() {
    const COUNT: u32 = 300;
    let place = Place::new();
    let relay = place.relay(&["--log-level", "warn"]);
    let ip = |number: u32| Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + number);
    for number in 0..COUNT {
        let mut peer = Peer::connect(relay.address(), ip(number));
        peer.send(JUNK);
        peer.expect_end();
    }
    relay.stop();
    let mut found: Vec<String> =
        place.bans().iter().map(|ban| ban["address"].as_str().unwrap().to_string()).collect();
    let mut all: Vec<String> = (0..COUNT).map(|number| ip(number).to_string()).collect();
    found.sort_unstable();
    all.sort_unstable();
    assert_eq!(found, all);
    assert!(place.is_tidy());
    let again = place.relay(&[]);
    again.said(&["bans loaded: 300"]);
}

#[test]
fn a_place_that_vanishes_is_told_and_the_relay_goes_on() {
    let place = Place::new();
    let relay = place.relay(&[]);
    fs::remove_dir(place.directory.path()).unwrap();
    relay.ban(A);
    relay.said(&["ERROR", "cannot save the ban file"]);
    assert!(!relay.admits(A));
    relay.peer_from(B);
    relay.stop();
}

#[test]
fn a_comma_left_behind_the_last_ban_is_no_mistake() {
    let row = |address: &str| json!({"address": address, "until_unix_ms": u64::MAX, "offence": "magic"});
    let place =
        Place::holding(format!("{{\"bans\": [\n  {},\n  {},\n]}}\n", row("127.0.0.2"), row("10.0.0.1")));
    let relay = place.relay(&[]);
    relay.said(&["bans loaded: 2"]);
    assert!(!relay.admits(A));
    let said = complaint(&Place::holding(format!("{{\"bans\": [{},,]}}", row("127.0.0.2"))));
    assert!(said.contains("line 1 column"), "two are one too many: {said}");
}

#[test]
fn a_list_alone_is_told_what_is_needed() {
    for content in ["[]", "[[]]", "[{}]", "7", "null"] {
        let said = complaint(&Place::holding(content));
        assert!(said.contains(" {\"bans\": [...]}"), "{content}: {said}");
    }
}

#[test]
fn a_pipe_in_the_ban_files_place_stops_the_start() {
    let place = Place::new();
    if !Command::new("mkfifo").arg(&place.path).status().is_ok_and(|status| status.success()) {
        println!("skipped: no mkfifo here");
        return;
    }
    let path = place.path.to_str().unwrap().to_string();
    let (tell, told) = channel();
    thread::spawn(move || tell.send(run(&["--listen", "127.0.0.1:0", "--ban-file", &path], &[])));
    let ran = told.recv_timeout(PATIENCE).unwrap_or_else(|_| {
        drop(File::options().write(true).open(&place.path)); // it goes on, and ends
        panic!("it waits for somebody to write");
    });
    assert!(ran.error(1).contains("not a plain file"), "{ran:?}");
}

#[test]
fn whoever_may_read_the_file_may_read_the_next() {
    // whatever new files are like here, one of these is different
    for mode in [0o600, 0o660] {
        let place = Place::holding("{\"bans\": []}");
        fs::set_permissions(&place.path, Permissions::from_mode(mode)).unwrap();
        let relay = place.relay(&[]);
        relay.ban(A);
        place.wait_for_bans(1);
        assert_eq!(fs::metadata(&place.path).unwrap().mode() & 0o777, mode);
    }
}

#[test]
fn a_link_to_the_ban_file_stays_one() {
    let real = Place::holding("{\"bans\": []}");
    let place = Place::new();
    symlink(&real.path, &place.path).unwrap();
    let relay = place.relay(&[]);
    relay.ban(A);
    real.wait_for_bans(1);
    relay.stop();
    assert!(fs::symlink_metadata(&place.path).unwrap().is_symlink());
    assert!(place.is_tidy() && real.is_tidy());
}

#[test]
fn what_was_loaded_is_written_back_soon_without_what_is_over() {
    let row =
        |address: &str, until: u64| json!({"address": address, "until_unix_ms": until, "offence": "magic"});
    let over = [row("10.0.0.1", 0), row("10.0.0.2", unix_ms() - 1000)];
    let rows: Vec<Value> = over.into_iter().chain([row("127.0.0.2", u64::MAX)]).collect();
    let place = Place::holding(json!({ "bans": rows }).to_string());
    let _relay = place.relay(&[]);
    let began = Instant::now();
    let bans = place.wait_for_bans(1);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!(bans[0]["address"], "127.0.0.2");
    let until = bans[0]["until_unix_ms"].as_u64().unwrap();
    assert!(until <= unix_ms() + 600_000, "no longer than a new one: {until}");
}

#[test]
fn whoever_is_never_banned_is_let_in_whatever_the_file_says() {
    let place = Place::holding(file_with("127.0.0.2", u64::MAX));
    assert!(!place.relay(&[]).admits(A));
    let relay = place.relay(&["--never-ban", "127.0.0.2"]);
    assert!(relay.admits(A));
}

#[test]
fn a_long_list_that_changes_all_the_time_is_not_written_all_the_time() {
    const LOADED: u32 = 20_000;
    const TIME: Duration = Duration::from_secs(2);
    // At a hundredth of the loop's time a list that takes 20 ms to write out is due again after 2 s; once was
    // measured. A save every 200 ms would be some ten, and five if each waited for the one before to be seen.
    const MOST: usize = 4;
    let until = unix_ms() + 500_000;
    let row = |number: u32| {
        let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 0, 0, 0).to_bits() + number).to_string();
        json!({"address": address, "until_unix_ms": until, "offence": "magic"})
    };
    let place = Place::holding(json!({ "bans": (0..LOADED).map(row).collect::<Vec<_>>() }).to_string());
    let state =
        || fs::metadata(&place.path).map(|file| (file.ino(), file.mtime(), file.mtime_nsec())).unwrap();
    let relay = place.relay(&["--log-level", "warn", "--max-bans", "1000000"]);
    let (began, mut seen, mut replaced, mut banned) = (Instant::now(), state(), 0, 0);
    while began.elapsed() < TIME {
        let ip = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 0).to_bits() + banned);
        let mut peer = Peer::connect(relay.address(), ip);
        peer.send(JUNK);
        peer.expect_end();
        banned += 1;
        let now = state();
        replaced += usize::from(now != seen);
        seen = now;
    }
    println!("{LOADED} bans and {banned} more in {TIME:?}: replaced {replaced} times");
    assert!(banned > 20, "too few changes to tell anything: {banned}");
    assert!(replaced <= MOST, "{replaced} times");
    relay.stop();
    assert_eq!(place.bans().len(), (LOADED + banned) as usize, "all the same nothing is lost");
}
