//! `load` with the real servers it can be compared with, where they are installed: each on a free port, with nothing
//! kept.

use std::ffi::OsString;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::support::{PATIENCE, Ran, eventually, program, run};

/// A server that is killed when the test is over.
struct Server {
    child: Child,
    at: SocketAddr,
    protocol: &'static str,
    _directory: tempfile::TempDir,
}

impl Server {
    fn redis() -> Option<Self> {
        let quiet = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--protected-mode", "no"];
        Self::start("redis", "redis-server", |command, port| {
            command.args(quiet).args(["--port", port]);
        })
    }

    fn nats() -> Option<Self> {
        Self::start("nats", "nats-server", |command, port| {
            command.args(["-a", "127.0.0.1", "-p", port]);
        })
    }

    fn mqtt() -> Option<Self> {
        Self::start("mqtt", "mosquitto", |command, port| {
            command.args(["-p", port]);
        })
    }

    fn all() -> impl Iterator<Item = Self> {
        [Self::redis, Self::nats, Self::mqtt].into_iter().filter_map(|start| start())
    }

    /// On a port that was free a moment ago; on another if it is not any more.
    fn start(protocol: &'static str, name: &str, options: impl Fn(&mut Command, &str)) -> Option<Self> {
        for _ in 0..10 {
            let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
            let directory = tempfile::tempdir().unwrap();
            let mut command = Command::new(installed(name)?);
            options(&mut command, &at.port().to_string());
            command.current_dir(&directory).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let child = command.spawn().unwrap();
            let mut server = Self { child, at, protocol, _directory: directory };
            eventually("its start", || !server.is_running() || TcpStream::connect(at).is_ok());
            if server.is_running() {
                return Some(server);
            }
        }
        panic!("{name} does not start");
    }

    fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// A short run with these options, and its figures.
    fn load(&self, options: &[&str]) -> (Ran, Value) {
        let (_directory, path) = self.figures();
        let ran = run(&self.words(&path, options), &[]);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("{ran:?}"));
        (ran, serde_json::from_str(&text).unwrap())
    }

    fn figures(&self) -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("figures.json").to_str().unwrap().to_string();
        (directory, path)
    }

    fn words(&self, figures: &str, options: &[&str]) -> Vec<String> {
        let (at, pid) = (self.at.to_string(), self.child.id().to_string());
        let fixed = ["load", "--connect", &at, "--protocol", self.protocol, "--json", figures];
        let words = [&fixed[..], &["--relay-pid", &pid, "--warmup", "20ms"], options].concat();
        words.into_iter().map(Into::into).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Servers are often where only root looks for programs.
fn installed(name: &str) -> Option<OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain([Path::new("/usr/sbin").into()]);
    let found = places.map(|place| place.join(name)).find(|program| program.is_file());
    if found.is_none() {
        println!("skipped: {name} is not installed");
    }
    found.map(Into::into)
}

#[test]
fn every_delivery_of_another_server_comes_as_it_was_sent() {
    for server in Server::all() {
        for (senders, receivers) in [("1", 7), ("3", 5)] {
            for size in ["16", "250", "100KiB", "16..5k"] {
                let more = ["--peers", "8", "--senders", senders, "--size", size, "--duration", "150ms"];
                let (ran, figures) = server.load(&more);
                assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
                let total = &figures["total"];
                assert_eq!(total["due"], total["came"], "{figures}");
                assert!(
                    total["due"].as_u64().is_some_and(|due| due > 0 && due % receivers == 0),
                    "{figures}"
                );
                assert_eq!(
                    (&figures["protocol"], &figures["receivers"]),
                    (&server.protocol.into(), &receivers.into())
                );
                let who = format!("{}, {senders} sender", server.protocol);
                assert!(
                    ran.out.contains(&who) && ran.out.contains(&format!(" to {receivers} receivers, ")),
                    "{}",
                    ran.out
                );
                assert!(ran.out.lines().any(|line| line.starts_with("server        ")), "{}", ran.out);
            }
        }
    }
}

#[test]
fn an_open_loop_counts_from_due_with_another_server_too() {
    for server in Server::all() {
        let more = ["--peers", "5", "--senders", "2", "--rate", "500", "--duration", "280ms"];
        let (ran, figures) = server.load(&more);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert!(ran.out.contains("from the time a message was due"), "{}", ran.out);
        // 150 messages in 300 ms, give or take the one at the very end
        assert!([447, 450].map(Value::from).contains(&figures["total"]["due"]), "{figures}");
    }
}

/// A message on a channel.
type Publish = fn(&str) -> Vec<u8>;

/// What somebody says to hear everything that is published, and what to publish something himself.
fn eavesdrop(protocol: &str) -> (Vec<u8>, Publish) {
    match protocol {
        "redis" => (b"PSUBSCRIBE *\r\n".to_vec(), |channel| format!("PUBLISH {channel} wrong\r\n").into()),
        "nats" => {
            (b"CONNECT {}\r\nSUB > 9\r\n".to_vec(), |channel| format!("PUB {channel} 5\r\nwrong\r\n").into())
        }
        _ => (b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0\x82\x06\0\x01\0\x01#\0".to_vec(), |channel| {
            [b"\x30\x1c\0\x15", channel.as_bytes(), b"wrong"].concat()
        }),
    }
}

#[test]
fn what_a_stranger_publishes_in_the_middle_of_a_run_is_found() {
    for server in Server::all() {
        let (listen, publish) = eavesdrop(server.protocol);
        let mut stranger = TcpStream::connect(server.at).unwrap();
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        stranger.write_all(&listen).unwrap();
        let (_directory, path) = server.figures();
        let words = server.words(&path, &["--peers", "5", "--window", "1", "--duration", "20m"]);
        let tester = program().args(words).stdout(Stdio::piped()).spawn().unwrap();
        let channel = channel(&mut stranger); // it has begun
        let mut other = stranger.try_clone().unwrap();
        if server.protocol == "redis" {
            other = TcpStream::connect(server.at).unwrap(); // who subscribes to Redis does not publish
        }
        other.write_all(&publish(&channel)).unwrap();
        // with one message under way at a time all have read what came long before
        until(&mut stranger, |heard| named_behind(heard, b"wrong") >= 100);
        let pid = tester.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let output = tester.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let figures: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(figures["total"]["wrong"], 4, "{}: {figures}", server.protocol);
        assert_eq!(figures["gave_up"], "stopped by a signal");
    }
}

/// The channel of the run, out of whatever is published on it.
fn channel(stream: &mut TcpStream) -> String {
    const LEN: usize = "load.0123456789abcdef".len();
    let heard = until(stream, |heard| channel_in(heard).is_some_and(|at| heard.len() >= at + LEN));
    let at = channel_in(&heard).unwrap();
    String::from_utf8(heard[at..at + LEN].to_vec()).unwrap()
}

fn channel_in(heard: &[u8]) -> Option<usize> {
    heard.windows(5).position(|window| window == b"load.")
}

/// How often a channel is named behind these words.
fn named_behind(heard: &[u8], words: &[u8]) -> usize {
    let at = heard.windows(words.len()).position(|window| window == words);
    at.map_or(0, |at| heard[at..].windows(5).filter(|window| window == b"load.").count())
}

/// Reads until it has heard enough.
fn until(stream: &mut TcpStream, is_enough: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    while !is_enough(&heard) {
        match stream.read(&mut piece) {
            Ok(len @ 1..) => heard.extend_from_slice(&piece[..len]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            other => panic!("{other:?} after {}", heard.escape_ascii()),
        }
    }
    heard
}
