//! The server that dials, turn by turn, over TCP in memory and on a clock that jumps.

mod common {
    pub mod memory;
}

use std::net::SocketAddr;
use std::time::Duration;

use common::memory::{Client, MemoryNet, MemoryStack, client_ip};
use peer_relay::protocol::{Dialect, Flood};
use peer_relay::relay::{DIAL_TIMEOUT, Law, Limits, RETRY_FIRST, RETRY_MOST, Relay};
use peer_relay::server::{FIRST_DIAL, Readiness, Server};
use peer_relay::time::Instant;
use peer_relay::wire::{Frame, Network};

/// Turns after which a house that is still busy never comes to rest.
const MANY_TURNS: usize = 2000;

struct House {
    net: MemoryNet,
    server: Server<MemoryStack, Flood>,
    at: SocketAddr,
}

impl House {
    /// One that relays nothing twice.
    fn new() -> Self {
        let net = MemoryNet::new();
        let at = net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let limits = Limits { dedup: Some(Duration::from_secs(60)), ..Limits::new(Network::PRIVATE.magic) };
        let relay = Relay::new(Flood, Law::of::<Flood>(), limits);
        Self { server: Server::new(net.stack(), relay), net, at }
    }

    /// One that keeps somebody up who is in the test's hands.
    fn with_neighbour() -> (Self, SocketAddr) {
        let mut house = Self::new();
        let there = "192.0.2.77:7333".parse().unwrap();
        house.server.keep_up(vec![there], Dialect::Frames, 1);
        (house, there)
    }

    fn guest(&mut self) -> Client {
        let guest = self.net.connect(client_ip(1), self.at);
        self.rest();
        guest
    }

    /// Turns in which no time passes, until nothing is due any more.
    fn rest(&mut self) {
        for _ in 0..MANY_TURNS {
            let now = self.net.now();
            self.server.turn(Some(now)).unwrap();
            if self.server.wake_up().is_none_or(|when| when > now) && self.is_quiet() {
                return;
            }
        }
        panic!("still busy after {MANY_TURNS} turns: {:?}", self.net.counts());
    }

    fn turns(&mut self, count: usize) {
        for _ in 0..count {
            self.server.turn(Some(self.net.now())).unwrap();
        }
    }

    /// Whether another turn does nothing.
    fn is_quiet(&mut self) -> bool {
        let before = (self.net.counts().read_bytes, self.net.counts().written_bytes, self.alive());
        self.server.turn(Some(self.net.now())).unwrap();
        before == (self.net.counts().read_bytes, self.net.counts().written_bytes, self.alive())
    }

    /// Time passes, everything is done in its time.
    fn pass(&mut self, span: Duration) {
        let until = self.net.now() + span;
        while let Some(when) = self.server.wake_up().filter(|&when| when <= until) {
            self.net.pass(when.since(self.net.now()));
            self.rest();
        }
        self.net.pass(until.since(self.net.now()));
        self.rest();
    }

    fn peers(&self) -> usize {
        self.server.relay().peers()
    }

    /// Streams in the server's hands.
    fn alive(&self) -> usize {
        self.net.counts().alive
    }
}

fn frame(number: u32) -> Vec<u8> {
    let bytes = Frame::encode(Network::PRIVATE.magic, "tx".parse().unwrap(), &number.to_le_bytes());
    bytes.as_bytes().to_vec()
}

#[test]
fn whoever_is_dialled_is_a_peer_like_any_other() {
    let (mut house, there) = House::with_neighbour();
    house.net.host(there);
    house.rest();
    let neighbour = house.net.dialed(there).expect("it is dialled at once");
    let guest = house.guest();
    guest.send(&frame(1));
    neighbour.send(&frame(2));
    house.rest();
    assert_eq!((guest.received(), neighbour.received()), (frame(2), frame(1)));
    assert_eq!((house.peers(), house.alive()), (2, 2));
}

#[test]
fn what_a_neighbour_says_before_we_look_is_heard() {
    let (mut house, there) = House::with_neighbour();
    house.net.host(there);
    let guest = house.guest();
    let neighbour = house.net.dialed(there).unwrap();
    neighbour.send(&frame(1));
    neighbour.shutdown();
    house.rest();
    assert_eq!(guest.received(), frame(1));
    assert_eq!(house.peers(), 1);
}

#[test]
fn a_neighbour_that_is_refused_or_lost_is_dialled_until_it_is_there() {
    let (mut house, there) = House::with_neighbour();
    house.pass(Duration::from_secs(20));
    assert_eq!((house.peers(), house.alive()), (0, 0));
    assert!(house.net.counts().handed_out >= 4, "{:?}", house.net.counts());
    house.net.host(there);
    house.pass(RETRY_MOST);
    for _ in 0..5 {
        let neighbour = house.net.dialed(there).expect("it is there again");
        assert_eq!(house.net.dialed(there).map(drop), None, "and once");
        house.pass(RETRY_MOST);
        neighbour.reset();
        house.rest();
        house.pass(RETRY_FIRST);
    }
    assert_eq!(house.server.relay().stats().dialed, 6);
    assert_eq!((house.peers(), house.alive()), (1, 1));
}

#[test]
fn who_does_not_answer_is_given_up_in_time_and_may_answer_later() {
    let (mut house, there) = House::with_neighbour();
    house.net.leave_unanswered(there);
    house.net.host(there);
    house.rest();
    assert_eq!((house.peers(), house.alive()), (0, 1));
    house.pass(DIAL_TIMEOUT - Duration::from_micros(1));
    assert_eq!((house.net.counts().aborted, house.alive()), (0, 1));
    house.pass(Duration::from_micros(1));
    assert_eq!((house.net.counts().aborted, house.alive()), (1, 0));
    house.pass(RETRY_FIRST);
    assert_eq!(house.alive(), 1, "another attempt");
    house.net.answer(there);
    house.rest();
    assert_eq!((house.peers(), house.alive()), (1, 1));
    house.pass(DIAL_TIMEOUT * 2);
    assert_eq!((house.peers(), house.net.counts().aborted), (1, 1), "it is not given up any more");
}

/// Readiness may be said too often, and of anybody: only the stack knows whether there is a connection.
#[test]
fn a_connection_is_there_when_it_is_and_not_when_something_is_said() {
    let (mut house, there) = House::with_neighbour();
    house.net.leave_unanswered(there);
    house.net.host(there);
    house.server.turn(Some(Instant::START)).unwrap();
    house.net.be_noisy();
    for _ in 0..20 {
        house.server.turn(Some(house.net.now())).unwrap();
        assert_eq!((house.peers(), house.alive()), (0, 1));
    }
    house.net.answer(there);
    house.turns(20);
    assert_eq!((house.peers(), house.alive(), house.server.relay().stats().dialed), (1, 1, 1));
    for nth in [0, 1, u32::MAX - FIRST_DIAL] {
        let token = peer_relay::protocol::Token(FIRST_DIAL + nth);
        house.net.say(Readiness::Readable(token));
        house.net.say(Readiness::Ended(token));
        house.net.say(Readiness::Writable(token));
    }
    house.turns(5);
    assert_eq!((house.peers(), house.alive()), (1, 1), "attempts that are over, or never were");
}

#[test]
fn a_black_hole_delays_nobody() {
    let mut house = House::new();
    let places: Vec<SocketAddr> = (1..=9).map(|nth| SocketAddr::new([192, 0, 2, nth].into(), 7333)).collect();
    for (seed, &at) in places.iter().enumerate() {
        house.server.keep_up(vec![at], Dialect::Frames, seed as u64);
        if seed < 8 { house.net.leave_unanswered(at) } else { house.net.host(at) }
    }
    let guest = house.guest();
    guest.send(&frame(1));
    house.rest();
    assert_eq!(house.net.dialed(places[8]).unwrap().received(), frame(1));
    assert_eq!((house.peers(), house.alive()), (2, 10));
}

#[test]
fn a_relay_that_dials_itself_says_everything_once_and_falls_silent() {
    let mut house = House::new();
    house.server.keep_up(vec![house.at], Dialect::Frames, 1);
    let guests = [house.guest(), house.guest()];
    assert_eq!(house.peers(), 4, "both ends of the connection are peers");
    for number in 0..100 {
        guests[number as usize % 2].send(&frame(number));
        house.rest();
    }
    for (nth, guest) in (0..).zip(&guests) {
        let due: Vec<u8> = (0..100).filter(|number| number % 2 != nth).flat_map(frame).collect();
        assert_eq!(guest.received(), due);
    }
    assert_eq!(house.server.relay().stats().duplicates, 200, "each came back both ways");
}

#[test]
fn two_relays_that_dial_each_other_say_everything_once() {
    let net = MemoryNet::new();
    let mut houses = [0, 1].map(|nth| {
        let at = net.listen(SocketAddr::new(client_ip(100 + nth), 7333)).unwrap();
        (House::new(), at)
    });
    // each house has a network of its own: what one dials is in the test's hands, and is carried over to the other
    let there = houses[1].1;
    houses[0].0.net.host(there);
    houses[0].0.server.keep_up(vec![there], Dialect::Frames, 1);
    houses[0].0.rest();
    let near = houses[0].0.net.dialed(there).unwrap();
    let far = houses[1].0.guest();
    let guests = [0, 1].map(|nth: usize| houses[nth].0.guest());
    let mut carried = [0, 0];
    for number in 0..50 {
        guests[number as usize % 2].send(&frame(number));
        for _ in 0..4 {
            houses.iter_mut().for_each(|(house, _)| house.rest());
            for (nth, (from, to)) in [(&near, &far), (&far, &near)].into_iter().enumerate() {
                let bytes = from.received();
                to.send(&bytes[carried[nth]..]);
                carried[nth] = bytes.len();
            }
        }
    }
    for (nth, guest) in (0..).zip(&guests) {
        let due: Vec<u8> = (0..50).filter(|number| number % 2 != nth).flat_map(frame).collect();
        assert_eq!(guest.received(), due);
    }
}

#[test]
fn going_ends_attempts_and_dials_nobody_any_more() {
    let (mut house, there) = House::with_neighbour();
    house.net.leave_unanswered(there);
    house.server.keep_up(vec!["192.0.2.78:7333".parse().unwrap()], Dialect::Frames, 2);
    house.rest();
    assert_eq!(house.alive(), 1);
    house.server.shut_down();
    house.rest();
    assert_eq!(house.alive(), 0);
    let handed_out = house.net.counts().handed_out;
    house.pass(Duration::from_secs(600));
    assert_eq!(house.net.counts().handed_out, handed_out);
    assert_eq!(house.server.wake_up(), None);
}
