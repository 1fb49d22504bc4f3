//! Peers that speak text: what their protocol can do, and what it cannot spoil. The protocol of these stories takes
//! every byte for an order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use peer_relay::protocol::{
    Breach, DialId, Dialect, Flood, Newcomer, Offence, Origin, Outbox, Penalty, Protocol, Stream, TextOutbox,
    Token,
};
use peer_relay::relay::{EVENTS_PER_SECOND, Event, Law, Limits, Reason};
use peer_relay::time::Instant;
use peer_relay::wire::Frame;
use peer_relay::wire::turn_log::Chunk;

use crate::room::{Name, Room, Take, limits, secs, tx};

/// Does what it is told, byte by byte.
#[derive(Default)]
struct Obedient {
    stored: Chunk,
    /// What happened, as it was told.
    told: Vec<String>,
    dial: Option<DialId>,
    greet: Vec<Token>,
    /// How often somebody has caught up.
    caught_up: usize,
    idle: Option<Token>,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Protocol for Obedient {
    const NAME: &'static str = "obedient";

    fn default_penalty(offence: Offence) -> Penalty {
        Flood::default_penalty(offence)
    }

    fn received(&mut self, out: &mut impl Outbox, from: Token, frame: Frame<'_>) -> Result<(), Breach> {
        Flood.received(out, from, frame)
    }

    fn joined(&mut self, _: Instant, peer: Token, newcomer: &Newcomer) {
        let Newcomer { dialect, origin, .. } = newcomer;
        self.told.push(format!("joined {dialect:?} {origin:?}"));
        if let Origin::Dialed(_) = origin {
            self.greet.push(peer);
        }
    }

    fn heard(&mut self, _: Instant, out: &mut impl TextOutbox, from: Token, dialect: Dialect, bytes: &[u8]) {
        for byte in bytes {
            if !out.is_open(from) {
                return;
            }
            match byte {
                b'a' => out.answer(from, b"answer;"),
                b's' => out.answer_stored(from, b"[", [&self.stored; 3].into_iter(), b"]"),
                b't' => out.announce(Some(from), dialect, b"told;"),
                b'T' => out.announce(None, dialect, b"TOLD;"),
                b'l' => out.listen(from),
                b'f' => out.finish(from),
                b'o' => out.offended(from, Offence::Protocol, "an order to offend"),
                b'c' => self.told.push(format!("counted {}", out.count_message(from, 10))),
                b'u' => out.note_stream(from, Stream { begun: 5, memory: 100, is_busy: false }),
                b'B' => out.note_stream(from, Stream { begun: 5, memory: 0, is_busy: true }),
                b'U' => out.note_stream(from, Stream { begun: 5, memory: 0, is_busy: false }),
                b'w' => {
                    out.note_stream(from, Stream { begun: 0, memory: 0, is_busy: true });
                    self.idle = Some(from);
                }
                b'k' => self.dial = out.keep_up(there(), Dialect::Json, PATIENCE),
                b'h' => out.hurry(self.dial.expect("somebody is kept up")),
                b'x' => out.forget(self.dial.take().expect("somebody is kept up")),
                other => panic!("no such order: {other}"),
            }
        }
    }

    fn ended(&mut self, _: Instant, out: &mut impl TextOutbox, from: Token, _: Dialect) {
        out.answer(from, b"bye;");
    }

    fn caught_up(&mut self, _: Instant, _: Token, _: Dialect) {
        self.caught_up += 1;
    }

    fn left(&mut self, _: Instant, _: Token, dialect: Dialect) {
        self.told.push(format!("left {dialect:?}"));
    }

    fn forgotten(&mut self, _: Instant, dial: DialId) {
        self.told.push(format!("forgotten {dial:?}"));
    }

    fn expired(&mut self, _: Instant, out: &mut impl TextOutbox) {
        for peer in self.greet.drain(..) {
            out.answer(peer, b"hello;");
        }
        // work takes a turn of its own
        if let Some(peer) = self.idle.take() {
            out.note_stream(peer, Stream::default());
        }
    }

    fn next_deadline(&self) -> Option<Instant> {
        (!self.greet.is_empty() || self.idle.is_some()).then_some(Instant::START)
    }
}

fn there() -> SocketAddr {
    "192.0.2.77:8334".parse().unwrap()
}

fn room(limits: Limits) -> Room<Obedient> {
    let stored = Arc::new(Bytes::from(vec![b'.'; 100_000]));
    Room::under(Obedient { stored, ..Obedient::default() }, Law::of::<Obedient>(), limits)
}

fn join(room: &mut Room<Obedient>, dialect: Dialect) -> Name {
    let address = format!("192.0.2.{}", 1 + room.relay.peers());
    room.try_join_as(&address, dialect).unwrap()
}

fn got(room: &mut Room<Obedient>, who: Name) -> String {
    String::from_utf8(room.got(who)).unwrap()
}

fn told(room: &mut Room<Obedient>) -> Vec<String> {
    std::mem::take(&mut room.relay.protocol_mut().told)
}

#[test]
fn what_is_announced_reaches_whoever_listens_in_that_dialect_but_its_sender() {
    let mut room = room(limits());
    let [one, two, silent] = [0; 3].map(|_| join(&mut room, Dialect::Json));
    let other = join(&mut room, Dialect::Chain);
    let frames = room.join("192.0.2.200");
    for listener in [one, two, other] {
        room.send(listener, b"l");
    }
    room.say(one, b"atT");
    assert_eq!(got(&mut room, one), "answer;TOLD;", "answers first, and nothing of its own");
    assert_eq!(got(&mut room, two), "told;TOLD;");
    for nothing in [silent, other, frames] {
        assert_eq!(got(&mut room, nothing), "");
    }
    room.say(frames, &tx(1));
    assert_eq!((got(&mut room, one), got(&mut room, other)), (String::new(), String::new()));
}

#[test]
fn text_is_told_in_the_turn_in_which_frames_and_lines_are() {
    let mut room = room(limits());
    let [json, also] = [0; 2].map(|_| join(&mut room, Dialect::Json));
    let lines = [0; 2].map(|_| join(&mut room, Dialect::Lines));
    let frames = [room.join("192.0.2.200"), room.join("192.0.2.201")];
    room.send(also, b"l");
    room.send(json, b"t");
    room.send(lines[0], b"hi\n");
    room.say(frames[0], &tx(1));
    assert_eq!(got(&mut room, also), "told;");
    assert_eq!(got(&mut room, lines[1]), "hi\n");
    assert_eq!(room.got(frames[1]).len(), tx(1).len() + 26);
}

#[test]
fn whoever_is_finished_gets_what_it_is_due_and_is_heard_no_more() {
    let mut room = room(limits());
    let [peer, listener] = [0; 2].map(|_| join(&mut room, Dialect::Json));
    room.send(listener, b"l");
    room.say(peer, b"aftttt");
    assert_eq!(got(&mut room, peer), "answer;");
    assert_eq!(room.gone(peer), Some(Reason::Served));
    assert_eq!(got(&mut room, listener), "");
    assert_eq!(told(&mut room), ["joined Json Accepted", "joined Json Accepted", "left Json"]);
}

#[test]
fn at_its_end_a_peer_may_still_be_answered() {
    let mut room = room(limits());
    let peer = join(&mut room, Dialect::Chain);
    room.end(peer);
    room.turn();
    assert_eq!((got(&mut room, peer).as_str(), room.gone(peer)), ("bye;", Some(Reason::Eof)));
}

#[test]
fn a_stored_answer_is_taken_as_slowly_as_it_likes_and_counts_for_nothing() {
    let mut limits = limits();
    (limits.queue_soft_bytes, limits.queue_hard_bytes) = (1000, 2000);
    let mut room = room(limits);
    let peer = join(&mut room, Dialect::Http);
    room.takes(peer, Take::Bytes(1000));
    room.say(peer, b"sa");
    let retained = room.relay.retained_bytes();
    assert!(retained < 2000, "{retained}");
    for _ in 0..301 {
        room.pass(secs(1));
    }
    let all = got(&mut room, peer);
    assert_eq!((all.len(), all.ends_with("]answer;")), (300_009, true));
    assert_eq!(room.relay.protocol().caught_up, 1, "it is said when all is taken, and not before");
}

#[test]
fn what_its_store_has_let_go_of_counts_as_long_as_somebody_has_not_taken_it() {
    let mut room = room(Limits { retained_max_bytes: 250_000, ..limits() });
    let slow = [0; 5].map(|_| join(&mut room, Dialect::Http));
    for (nth, peer) in slow.into_iter().enumerate() {
        room.takes(peer, Take::Nothing);
        room.say(peer, b"s");
        // each of them has another version
        room.relay.protocol_mut().stored = Arc::new(Bytes::from(vec![b'.'; 100_000]));
        room.say(peer, b"u");
        let stale = room.relay.retained_bytes() / 100_000;
        assert!(stale == nth.min(2) || stale == (nth + 1).min(2), "{stale} of {nth}");
    }
    let gone = slow.into_iter().filter(|&peer| room.gone(peer) == Some(Reason::Memory)).count();
    assert!((2..=4).contains(&gone), "{gone}");
    slow.into_iter().for_each(|peer| room.reset(peer));
    room.turn();
    assert_eq!(room.relay.retained_bytes(), 0);
}

#[test]
fn whoever_is_finished_has_time_for_a_long_answer_though_not_for_ever() {
    for (per_second, is_served) in [(40, true), (20, false)] {
        let mut room = room(limits());
        room.relay.protocol_mut().stored = Arc::new(Bytes::from(vec![b'.'; 10_000]));
        let peer = join(&mut room, Dialect::Http);
        room.takes(peer, Take::Bytes(per_second));
        room.say(peer, b"sf");
        for _ in 0..30_010 / per_second {
            room.pass(secs(1));
        }
        let expected = if is_served { Reason::Served } else { Reason::Drain };
        assert_eq!(room.gone(peer), Some(expected), "{per_second} bytes a second");
    }
}

#[test]
fn whoever_is_finished_and_takes_nothing_goes_after_the_drain_time() {
    let mut room = room(limits());
    let peer = join(&mut room, Dialect::Http);
    room.takes(peer, Take::Nothing);
    room.say(peer, b"af");
    room.pass(limits().drain);
    assert_eq!(room.gone(peer), Some(Reason::Drain));
}

#[test]
fn whoever_is_busy_is_not_read_until_its_work_is_done() {
    let mut room = room(limits());
    let peer = join(&mut room, Dialect::Chain);
    room.send(peer, b"w");
    assert_eq!(room.read_limit(peer), 0);
    room.pass(Duration::ZERO);
    assert!(room.read_limit(peer) > 0);
    assert_eq!(room.reads, [peer], "and the server is told");
}

#[test]
fn a_message_that_takes_too_long_ends_its_sender_and_one_that_is_whole_begins_the_time_anew() {
    let mut room = room(limits());
    let [slow, steady] = [0; 2].map(|_| join(&mut room, Dialect::Json));
    room.send(slow, b"u");
    room.say(steady, b"u");
    let half = limits().frame_timeout / 2;
    room.pass(half);
    room.send(slow, b"u");
    room.say(steady, b"cu");
    room.pass(half);
    assert_eq!((room.gone(slow), room.gone(steady)), (Some(Reason::FrameTimeout), None));
    room.pass(half);
    assert_eq!(room.gone(steady), Some(Reason::FrameTimeout));
}

#[test]
fn the_time_that_work_takes_is_not_held_against_a_message_and_no_other_time_is_given() {
    let mut room = room(limits());
    let peer = join(&mut room, Dialect::Chain);
    room.say(peer, b"aaaa");
    let timeout = limits().frame_timeout;
    room.say(peer, b"u");
    for _ in 0..9 {
        room.pass(timeout / 10);
        room.say(peer, b"B"); // it is busy, for a tenth of the time
        room.pass(timeout / 10);
        room.say(peer, b"U");
        assert_eq!(room.gone(peer), None);
    }
    room.pass(timeout / 10 - Duration::from_micros(1));
    assert_eq!(room.gone(peer), None);
    room.pass(Duration::from_micros(1));
    assert_eq!(room.gone(peer), Some(Reason::FrameTimeout));
}

#[test]
fn whoever_hangs_up_while_its_work_waits_has_it_done() {
    let mut room = room(limits());
    let peer = join(&mut room, Dialect::Chain);
    room.say(peer, b"aaaaB");
    room.hang_up(peer);
    room.pass(limits().drain * 10);
    assert_eq!(room.gone(peer), None);
    room.say(peer, b"U");
    room.end(peer);
    room.turn();
    let said = got(&mut room, peer);
    assert_eq!((said.as_str(), room.gone(peer)), ("answer;answer;answer;answer;bye;", Some(Reason::Eof)));
}

#[test]
fn what_a_stream_holds_is_counted_among_what_strangers_make_us_hold() {
    let mut room = room(limits());
    let before = room.relay.retained_bytes();
    let peer = join(&mut room, Dialect::Json);
    room.say(peer, b"aaaau"); // four bytes say that it is nobody else's opener
    assert_eq!(room.relay.retained_bytes(), before + 100);
    room.reset(peer);
    assert_eq!(room.relay.retained_bytes(), before);
}

#[test]
fn an_offence_costs_what_the_law_says() {
    let mut room = room(limits());
    let peer = join(&mut room, Dialect::Chain);
    room.say(peer, b"aaaao");
    assert_eq!(room.gone(peer), Some(Reason::Banned(Offence::Protocol)));
    let mut law = Law::of::<Obedient>();
    law.set(Offence::Protocol, Penalty::Drop).unwrap();
    let mut mild = Room::under(Obedient::default(), law, limits());
    let peer = join(&mut mild, Dialect::Chain);
    mild.say(peer, b"oooooa");
    assert_eq!((mild.gone(peer), got(&mut mild, peer).as_str()), (None, "answer;"));
}

#[test]
fn another_protocols_opener_is_turned_away_and_not_banned() {
    let (http, tls, json) = ("GET / HTTP/1.1\r\n", "\x16\x03\x01", r#"{"message_type":"ping"}"#);
    let chain = r#""GetChain""#;
    for (dialect, first) in [
        (Dialect::Json, http),
        (Dialect::Json, tls),
        (Dialect::Json, chain),
        (Dialect::Chain, http),
        (Dialect::Chain, tls),
        (Dialect::Chain, json),
        (Dialect::Frames, json),
        (Dialect::Frames, chain),
    ] {
        let mut room = room(limits());
        let peer = join(&mut room, dialect);
        room.say(peer, first.as_bytes());
        assert!(matches!(room.gone(peer), Some(Reason::Opener(_))), "{dialect:?} {first}");
        assert!(room.relay.bans().is_empty());
    }
}

#[test]
fn somebody_a_peer_has_told_of_is_dialled_and_forgotten_when_it_stays_away() {
    let mut room = room(limits());
    let peer = join(&mut room, Dialect::Json);
    room.say(peer, b"k");
    room.pass(Duration::ZERO);
    let mut failures = 0;
    for _ in 0..60 {
        for (dial, at) in std::mem::take(&mut room.dials) {
            assert_eq!(at, there());
            room.relay.undialed(room.now, dial, std::io::ErrorKind::ConnectionRefused);
            failures += 1;
        }
        room.pass(secs(1));
    }
    assert!((4..=6).contains(&failures), "{failures}: after 1, 2, 4, 8, 16 s");
    assert_eq!(told(&mut room)[1..], ["forgotten DialId(0)"]);
    assert!(room.told().contains(&Event::LetGo { dial: DialId(0), at: there() }));
    assert_eq!(room.relay.unresolved().count(), 0);
}

#[test]
fn somebody_to_whom_there_is_something_to_say_is_dialled_at_once() {
    let mut room = room(limits());
    let peer = join(&mut room, Dialect::Json);
    room.say(peer, b"k");
    room.pass(Duration::ZERO);
    let (dial, at) = room.dials.pop().unwrap();
    room.say(peer, b"h");
    assert!(room.dials.is_empty(), "it is being dialled already");
    let neighbour = room.dialed(dial, at);
    room.reset(neighbour);
    room.pass(Duration::ZERO);
    assert!(room.dials.is_empty(), "it waits for a second");
    room.say(peer, b"h");
    room.pass(Duration::ZERO);
    assert!(room.dials.is_empty(), "nobody is dialled more often than once a second");
    room.pass(secs(10));
    let (dial, _) = room.dials.pop().unwrap();
    let neighbour = room.dialed(dial, at);
    room.pass(secs(20));
    room.reset(neighbour);
    room.say(peer, b"h");
    room.pass(Duration::ZERO);
    assert_eq!(room.dials, [(dial, at)]);
}

#[test]
fn somebody_who_is_not_wanted_any_more_is_ended_in_order_and_not_dialled_again() {
    let mut room = room(limits());
    let peer = join(&mut room, Dialect::Json);
    room.say(peer, b"k");
    room.pass(Duration::ZERO);
    let (dial, at) = room.dials.pop().unwrap();
    let neighbour = room.dialed(dial, at);
    room.pass(Duration::ZERO);
    assert_eq!(got(&mut room, neighbour), "hello;");
    room.say(peer, b"x");
    assert_eq!(room.gone(neighbour), Some(Reason::Served));
    room.pass(secs(100));
    assert!(room.dials.is_empty());
    let told = told(&mut room);
    assert_eq!(told[1..], ["joined Json Dialed(DialId(0))", "left Json"], "nothing of being forgotten");
    room.say(peer, b"k");
    room.pass(Duration::ZERO);
    assert_eq!(room.dials, [(dial, at)], "the number is free again");
    room.say(peer, b"x");
    assert_eq!(room.given_up, [dial]);
}

#[test]
fn nobody_gets_out_of_a_ban_by_having_himself_dialled() {
    let mut room = room(limits());
    let peer = room.try_join_as("192.0.2.77", Dialect::Json).unwrap();
    room.say(peer, b"aaaakT"); // 192.0.2.77 is where it has us dial
    room.pass(Duration::ZERO);
    let (dial, at) = room.dials.pop().unwrap();
    let neighbour = room.dialed(dial, at);
    room.say(peer, b"o");
    assert_eq!(room.gone(peer), Some(Reason::Banned(Offence::Protocol)));
    room.reset(neighbour);
    room.pass(secs(60));
    assert!(room.dials.is_empty(), "whoever is shut out is not dialled either");
    assert_eq!(told(&mut room).last().unwrap(), "forgotten DialId(0)");
}

#[test]
fn of_those_that_strangers_have_told_of_no_more_is_said_than_strangers_may_have_us_say() {
    let mut room = room(limits());
    let peer = join(&mut room, Dialect::Json);
    room.say(peer, &b"k".repeat(50));
    room.pass(Duration::ZERO);
    for (dial, _) in std::mem::take(&mut room.dials) {
        room.relay.undialed(room.now, dial, std::io::ErrorKind::ConnectionRefused);
    }
    room.turn();
    let told = room.told().into_iter().filter(|event| matches!(event, Event::Undialed { .. })).count();
    assert_eq!(told, EVENTS_PER_SECOND as usize);
}

#[test]
fn nobody_is_dialled_for_a_stranger_when_all_places_are_taken() {
    let mut room = room(Limits { max_peers: 2, ..limits() });
    let peer = join(&mut room, Dialect::Json);
    room.say(peer, b"kk");
    room.pass(Duration::ZERO);
    assert_eq!(room.dials.len(), 1);
}
