//! Bans by the thousand. Knows how long a quiet peer waits.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::Duration;

use crate::support::{Peer, QUICK, Relay, alone, stranger};

/// The `index`th of many strangers.
fn one_of_many(index: usize) -> IpAddr {
    Ipv4Addr::new(127, 16 + (index >> 16) as u8, (index >> 8) as u8, index as u8).into()
}

/// Connects from each address and breaks the law; a batch at once.
fn offend(relay: &Relay, addresses: impl Iterator<Item = IpAddr>) -> io::Result<()> {
    let mut addresses = addresses.peekable();
    while addresses.peek().is_some() {
        let mut batch: Vec<Peer> = addresses
            .by_ref()
            .take(100)
            .map(|from| relay.connect_with(from, |_| ()))
            .collect::<io::Result<_>>()?;
        for peer in &mut batch {
            peer.send(b"this is no frame at all, sorry");
        }
        batch.iter_mut().for_each(Peer::expect_cut_off);
    }
    Ok(())
}

#[test]
fn ten_thousand_bans_in_a_burst_do_not_keep_a_quiet_peer_waiting() {
    const ADDRESSES: usize = 10_000;
    const THREADS: usize = 4;
    let _alone = alone();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bans.json");
    let mut relay = Relay::start(&["--ban-file", file.to_str().unwrap()]);
    let mut quiet = relay.join(stranger(2));
    let worst = thread::scope(|scope| {
        let offend_from = |first| {
            let relay = &relay;
            scope.spawn(move || offend(relay, (first..first + ADDRESSES / THREADS).map(one_of_many)).unwrap())
        };
        let offenders: Vec<_> = (0..ADDRESSES).step_by(ADDRESSES / THREADS).map(offend_from).collect();
        let mut worst = Duration::ZERO;
        while !offenders.iter().all(|offender| offender.is_finished()) {
            worst = worst.max(quiet.ping());
        }
        worst
    });
    println!("worst ping during {ADDRESSES} bans: {worst:?}");
    assert!(worst < QUICK, "{worst:?}");
    assert!(!relay.admits(one_of_many(0)) && !relay.admits(one_of_many(ADDRESSES - 1)));
    quiet.ping();
    drop(quiet);
    relay.stop();
    assert!(relay.log().contains(" bans=10000 "), "{}", relay.log());
    let saved = fs::read_to_string(file).unwrap();
    assert_eq!(saved.matches("\"offence\":\"magic\"").count(), ADDRESSES);
}
