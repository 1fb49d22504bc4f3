//! Two relays of Bunkercoin's network that dial each other: what a client that was written from the wire format alone
//! has to say of them, whatever becomes of either, and that HTTP shows the same.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::Relay;

/// Whether there is what the client needs.
fn has_client() -> bool {
    let import = ["-c", "import cryptography.hazmat.primitives.asymmetric.ed25519"];
    let ran = Command::new("python3").args(import).stderr(Stdio::null()).status();
    let is_there = ran.is_ok_and(|status| status.success());
    if !is_there {
        println!("skipped: python3 with the package cryptography is not installed");
    }
    is_there
}

/// What the client says in the end, when it is content.
fn client(args: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/chain_client.py");
    let ran = Command::new("python3").arg("-B").arg(script).args(args).output().unwrap();
    let (out, err) = (String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap());
    assert!(ran.status.success(), "{args:?}: {err}");
    out.trim_end().into()
}

/// What HTTP says of a relay, as `curl` shows it to somebody at 127.0.0.9.
fn curl(relay: &Relay, path: &str) -> Option<String> {
    let url = format!("http://{}{path}", relay.address_for("http"));
    let args = ["-sS", "--fail", "--max-time", "20", "--interface", "127.0.0.9", &url];
    let ran = Command::new("curl").args(args).output().ok()?;
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    Some(String::from_utf8(ran.stdout).unwrap())
}

/// A place that nobody else has for now.
fn place() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A relay at its place, that keeps up the one at the other.
fn relay(at: SocketAddr, other: SocketAddr, data: &Path) -> Relay {
    let (at, other) = (at.to_string(), format!("chain://{other}"));
    let data = data.to_str().unwrap();
    Relay::start(&[
        "--listen-chain",
        &at,
        "--listen-http",
        "127.0.0.1:0",
        "--connect",
        &other,
        "--data-dir",
        data,
    ])
}

fn sync_of(said: &str) -> String {
    let mut words = said.split(' ');
    let (height, tip) = (words.nth(1).unwrap(), words.nth(1).unwrap());
    format!(r#"{{"height":{height},"latest_hash":"{tip}"}}"#)
}

#[test]
fn two_that_dial_each_other_agree_whichever_of_them_is_stopped_or_killed() {
    if !has_client() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    let [one_data, other_data] = ["one", "other"].map(|name| data.path().join(name));
    let [one_at, other_at] = [place(), place()];
    let [one_place, other_place] = [one_at, other_at].map(|at| at.to_string());
    let both = [one_place.as_str(), &other_place];
    let one = relay(one_at, other_at, &one_data);
    let mut other = relay(other_at, one_at, &other_data);
    one.said(&[" connected to="]);
    other.said(&[" connected to="]);

    let grown = client(&["grow", both[0], both[1]]);
    assert!(grown.starts_with("height 2 tip "), "{grown}");
    let agreed = client(&["agree", both[0], both[1]]);
    assert_eq!(agreed, format!("{grown} mempool 1"));
    if let Some(sync) = curl(&one, "/sync") {
        assert_eq!(sync, sync_of(&grown));
        assert_eq!(curl(&other, "/sync"), Some(sync));
        assert_eq!(curl(&one, "/chain"), curl(&other, "/chain"));
        assert_eq!(curl(&one, "/mempool"), curl(&other, "/mempool"));
    } else {
        println!("skipped: curl is not installed");
    }

    drop(other); // killed
    other = relay(other_at, one_at, &other_data);
    one.said(&[" lost to="]);
    other.said(&[" connected to="]);
    assert_eq!(client(&["agree", both[0], both[1]]), agreed);

    one.stop();
    let grown = client(&["grow", both[1], both[1]]);
    assert!(grown.starts_with("height 4 tip "), "{grown}");
    let one = relay(one_at, other_at, &one_data);
    one.said(&[" connected to="]);
    let agreed = client(&["agree", both[0], both[1]]);
    assert_eq!(agreed, format!("{grown} mempool 2"));

    drop(other);
    drop(one); // and now nobody is left to ask
    let one = relay(one_at, other_at, &one_data);
    let alone = client(&["agree", both[0], both[0]]);
    assert_eq!(alone, agreed);
    if let Some(sync) = curl(&one, "/sync") {
        assert_eq!(sync, sync_of(&agreed));
    }
}

#[test]
fn a_longer_chain_with_one_bad_block_in_the_middle_costs_its_bearer_the_connection_and_nobody_anything_else()
{
    if !has_client() {
        return;
    }
    let relay = Relay::start(&["--listen-chain", "127.0.0.1:0", "--listen-http", "127.0.0.1:0"]);
    let at = relay.address_for("chain").to_string();
    let grown = client(&["grow", &at, &at]);
    let held = client(&["lie", &at]);
    assert!(grown.starts_with(&format!("{held} tip ")), "{held}");
    relay.said(&[" banned ", "offence=protocol"]);
    if let Some(sync) = curl(&relay, "/sync") {
        assert_eq!(sync, sync_of(&grown));
    }
}
