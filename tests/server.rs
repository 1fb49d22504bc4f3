//! The server turn by turn, over TCP in memory and on a clock that jumps. Knows what goes in and what comes
//! out at a client's end, and the turns between.

mod common {
    pub mod memory;
}

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use common::memory::{AcceptFailure, Client, Counts, MemoryNet, MemoryStack, client_ip};
use peer_relay::protocol::{Flood, Token};
use peer_relay::relay::{Law, Limits, Relay};
use peer_relay::server::{
    ACCEPTS_PER_TURN, LINGER, PEERS_PER_LOOK, READ_BYTES, READ_ENOUGH_BYTES, RETRY_AFTER, Readiness,
    SEGMENT_BYTES, Server, WRITE_PARTS,
};
use peer_relay::time::Instant;
use peer_relay::wire::{Command, Frame, Header, Network};
use proptest::prelude::*;

/// Turns after which a house that is still busy never comes to rest.
const MANY_TURNS: usize = 50_000;
/// No frame of ours begins like this, and no protocol known to the relay.
const JUNK: [u8; 100] = [b'~'; 100];
const DRAIN: Duration = Duration::from_secs(5);

/// A server and the world around it.
struct House {
    net: MemoryNet,
    server: Server<MemoryStack, Flood>,
    at: SocketAddr,
    guests: u32,
}

impl House {
    fn new() -> Self {
        Self::with(limits())
    }

    fn with(limits: Limits) -> Self {
        let net = MemoryNet::new();
        let at = net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let relay = Relay::new(Flood, Law::of::<Flood>(), limits);
        Self { server: Server::new(net.stack(), relay), net, at, guests: 0 }
    }

    /// A client with an address of its own; it waits to be accepted.
    fn visitor(&mut self) -> Client {
        self.guests += 1;
        self.net.connect(client_ip(self.guests), self.at)
    }

    /// A client that is in.
    fn guest(&mut self) -> Client {
        let guest = self.visitor();
        self.rest();
        guest
    }

    fn guests<const N: usize>(&mut self) -> [Client; N] {
        std::array::from_fn(|_| self.guest())
    }

    /// One turn in which no time passes.
    fn turn(&mut self) {
        self.turn_until(self.net.now());
    }

    /// One turn that waits so long if it has nothing to do.
    fn turn_until(&mut self, until: Instant) -> Instant {
        self.server.turn(Some(until)).unwrap()
    }

    /// Turns in which no time passes, until nothing happens any more. Says how many had something to do.
    fn rest(&mut self) -> usize {
        let mut quiet = 0;
        for turn in 0..MANY_TURNS {
            let before = self.figures();
            self.turn();
            quiet = if self.figures() == before { quiet + 1 } else { 0 };
            if quiet == 2 {
                return turn + 1 - quiet;
            }
        }
        panic!("still busy after {MANY_TURNS} turns: {:?}", self.net.counts());
    }

    /// Time passes, and what comes of it is done.
    fn pass(&mut self, span: Duration) {
        self.net.pass(span);
        self.rest();
    }

    fn figures(&self) -> (Counts, usize) {
        (
            Counts { accept_calls: 0, waits: 0, unprompted_reads: 0, ..self.net.counts() },
            self.server.relay().peers(),
        )
    }

    fn peers(&self) -> usize {
        self.server.relay().peers()
    }

    fn closed(&self) -> &BTreeMap<&'static str, u64> {
        &self.server.relay().stats().closed
    }

    fn alive(&self) -> usize {
        self.net.counts().alive
    }

    /// Everybody has left: nothing may be left of them.
    #[track_caller]
    fn expect_empty(&self) {
        let counts = self.net.counts();
        assert_eq!((self.peers(), counts.alive), (0, 0), "peers and streams; {counts:?}");
        assert_eq!(counts.closed + counts.aborted, counts.handed_out, "each given back once; {counts:?}");
        assert_eq!(self.server.relay().retained_bytes(), 0);
    }
}

/// Queues long enough to see what a turn does with them.
fn limits() -> Limits {
    Limits {
        queue_soft_bytes: 32 << 20,
        queue_hard_bytes: 64 << 20,
        drain: DRAIN,
        ..Limits::new(Network::PRIVATE.magic)
    }
}

/// A frame of so many bytes, header included, that tells who sent it and which of its frames it is.
fn frame(sender: u32, number: u32, len: usize) -> Vec<u8> {
    let mut payload = [sender.to_le_bytes(), number.to_le_bytes()].concat();
    payload.resize(len - Header::LEN, sender as u8);
    encoded("tx", &payload)
}

fn encoded(command: &str, payload: &[u8]) -> Vec<u8> {
    let command: Command = command.parse().unwrap();
    Frame::encode(Network::PRIVATE.magic, command, payload).as_bytes().to_vec()
}

/// The frames of a stream as bytes, each whole.
fn frames(mut stream: &[u8]) -> Vec<&[u8]> {
    let mut frames = Vec::new();
    while stream.len() >= Header::LEN {
        let length = u32::from_le_bytes(stream[16..20].try_into().unwrap()) as usize;
        let (frame, rest) = stream.split_at(Header::LEN + length);
        frames.push(frame);
        stream = rest;
    }
    assert!(stream.is_empty(), "{} bytes are no frame", stream.len());
    frames
}

/// Who sent each frame of a stream, in order.
fn senders(stream: &[u8]) -> Vec<u32> {
    frames(stream).iter().map(|frame| u32::from_le_bytes(frame[24..28].try_into().unwrap())).collect()
}

#[test]
fn what_one_sends_all_others_get_bit_for_bit() {
    let mut house = House::new();
    let [alice, bob, carol] = house.guests();
    let (of_alice, of_bob) = (frame(1, 0, 500), frame(2, 0, 70_000));
    alice.send(&of_alice);
    house.rest();
    bob.send(&of_bob);
    house.rest();
    assert_eq!(alice.received(), of_bob);
    assert_eq!(bob.received(), of_alice);
    assert_eq!(carol.received(), [of_alice, of_bob].concat());
    for client in [alice, bob, carol] {
        client.shutdown();
        house.rest();
        assert!(client.has_ended() && !client.was_reset());
    }
    house.expect_empty();
}

#[test]
fn a_byte_at_a_time_each_way_delivers_all() {
    let mut house = House::new();
    house.net.set_short(Some(1), Some(1));
    let [alice, bob] = house.guests();
    let sent: Vec<u8> = (0..5).flat_map(|number| frame(1, number, 200)).collect();
    alice.send(&sent);
    bob.send(&encoded("ping", b"12345678"));
    house.rest();
    let received = bob.received();
    let pong = encoded("pong", b"12345678");
    assert_eq!(received.len(), sent.len() + pong.len());
    let relayed: Vec<u8> =
        frames(&received).into_iter().filter(|&frame| frame != pong).flatten().copied().collect();
    assert!(relayed == sent, "the frames, whole and in order, around the reply");
    alice.shutdown();
    bob.shutdown();
    house.rest();
    house.expect_empty();
}

#[test]
fn without_descriptors_accepting_waits_a_tenth_of_a_second_and_loses_nobody() {
    let mut house = House::new();
    house.net.fail_accepts(3, AcceptFailure::NoDescriptors);
    let visitors: Vec<Client> = (0..5).map(|_| house.visitor()).collect();
    house.turn();
    for failures in 1..=3 {
        assert_eq!(house.net.counts().accept_calls, failures, "no spin");
        house.net.say(Readiness::Acceptable);
        house.pass(RETRY_AFTER - Duration::from_micros(1));
        assert_eq!(house.net.counts().accept_calls, failures, "not before its time");
        assert_eq!(house.peers(), 0);
        let before = house.net.now();
        let now = house.turn_until(before + Duration::from_secs(60));
        assert_eq!(now.since(before), Duration::from_micros(1), "woken for it");
    }
    assert_eq!(house.peers(), 5);
    visitors[0].send(&frame(0, 0, 100));
    house.rest();
    assert!(visitors[1..].iter().all(|visitor| visitor.received_len() == 100));
}

#[test]
fn a_connection_that_is_over_before_it_is_accepted_is_skipped() {
    let mut house = House::new();
    house.net.fail_accepts(5, AcceptFailure::Aborted);
    let _visitors: Vec<Client> = (0..3).map(|_| house.visitor()).collect();
    house.turn();
    assert_eq!(house.peers(), 3, "in the same turn");
}

#[test]
fn a_storm_of_newcomers_is_let_in_over_several_turns_without_waiting() {
    let mut house = House::new();
    let crowd = 2 * ACCEPTS_PER_TURN + 50;
    let _visitors: Vec<Client> = (0..crowd).map(|_| house.visitor()).collect();
    for due in [ACCEPTS_PER_TURN, 2 * ACCEPTS_PER_TURN, crowd] {
        let now = house.turn_until(Instant::START + Duration::from_secs(60));
        assert_eq!((house.peers(), now), (due, Instant::START));
    }
}

/// With eight firehoses ahead of it, a quiet peer's frame is behind eight reads, and each fills a turn's log.
#[test]
fn a_firehose_does_not_keep_others_from_being_read() {
    let mut house = House::new();
    house.net.set_pipe(1 << 20);
    let firehoses: [Client; 8] = house.guests();
    let [quiet, reader] = house.guests();
    let water: Vec<u8> = (0..4000).flat_map(|number| frame(1, number, 1000)).collect();
    firehoses.iter().for_each(|firehose| firehose.send(&water));
    for round in 0..10 {
        house.turn();
        let word = frame(99, round, 50);
        quiet.send(&word);
        let heard =
            |reader: &Client| senders(&reader.received()).iter().filter(|&&sender| sender == 99).count();
        let turns = (1..).find(|_| {
            house.turn();
            heard(&reader) == round as usize + 1
        });
        assert!(turns.unwrap() <= firehoses.len() + 1, "round {round}: {turns:?} turns");
        assert!(firehoses.iter().all(|firehose| firehose.unsent() > 0), "all of them still busy");
    }
}

/// The peer with a long backlog takes all it is given: only the budget of a write stops it.
#[test]
fn a_long_backlog_does_not_keep_others_from_being_written_to_and_is_written_without_waiting() {
    let mut house = House::new();
    let [sender, other] = house.guests();
    house.net.set_pipe(10);
    let slow = house.guest();
    slow.stop_reading();
    let turns = 5 * WRITE_PARTS;
    for number in 0..turns {
        sender.send(&frame(1, number as u32, 100)); // a chunk for each turn
        house.turn();
    }
    assert_eq!(slow.received_len(), 0);
    slow.set_room(1 << 20);
    slow.go_on_reading();
    let mut taken = 0;
    for turn in 0.. {
        let word = frame(1, turns as u32 + turn, 100);
        sender.send(&word);
        let now = house.turn_until(Instant::START + Duration::from_secs(60));
        assert_eq!(now, Instant::START, "a backlog is not waited for");
        assert!(other.received().ends_with(&word), "turn {turn}");
        taken = slow.received_len();
        if taken == other.received_len() {
            assert!(turn >= 1, "more than one turn's budget");
            break;
        }
        assert!(turn <= 5, "{taken} bytes of {}", other.received_len());
    }
    assert_eq!(slow.received(), other.received());
    assert!(taken > turns * 100);
}

/// With every event an edge-triggered kernel says again that there is room.
#[test]
fn however_often_room_is_said_a_turn_writes_once() {
    let mut house = House::new();
    let [sender, _other] = house.guests();
    house.net.set_pipe(10);
    let slow = house.guest();
    slow.stop_reading();
    for number in 0..5 * WRITE_PARTS {
        sender.send(&frame(1, number as u32, 100)); // a chunk for each turn
        house.turn();
    }
    slow.set_room(1 << 20);
    slow.go_on_reading();
    for turn in 1..=5 {
        (0..10).for_each(|_| house.net.say(Readiness::Writable(Token(2))));
        house.turn();
        let most = turn * WRITE_PARTS * 100;
        assert!(slow.received_len() <= most, "turn {turn}: {} bytes, not {most}", slow.received_len());
    }
    house.rest();
    assert_eq!(slow.received_len(), 5 * WRITE_PARTS * 100);
}

/// One frame more would cost every write a second segment.
#[test]
fn a_log_is_one_segment_and_the_unread_wait_and_are_first_in_the_next_turn() {
    let mut house = House::new();
    house.net.set_pipe(1 << 20);
    let [reader] = house.guests();
    let writers: [Client; 6] = house.guests();
    let frames_a_log = 70;
    let len = SEGMENT_BYTES / frames_a_log;
    for (index, writer) in writers.iter().enumerate() {
        let all = (0..2 * frames_a_log as u32).flat_map(|number| frame(index as u32, number, len));
        writer.send(&all.collect::<Vec<_>>());
    }
    for turn in 1..=12 {
        house.turn();
        assert_eq!(reader.received_len(), turn * frames_a_log * len);
        let order = (0..turn as u32).flat_map(|nth| vec![nth % 6; frames_a_log]);
        assert!(senders(&reader.received()).into_iter().eq(order), "turn {turn}");
    }
}

/// However the stream was cut: what has come of a frame already is part of the log it will be in.
#[test]
fn where_frames_are_long_a_log_is_as_many_segments_as_they_fill_well() {
    for (len, frames_a_log) in [(16_408, 15), (8_216, 15), (32_792, 7), (4_120, 15), (40_000, 6)] {
        let mut house = House::new();
        house.net.set_pipe(4 << 20);
        let [reader, writer] = house.guests();
        let all: Vec<u8> = (0..5 * frames_a_log as u32).flat_map(|number| frame(1, number, len)).collect();
        writer.send(&all);
        for turn in 1..=5 {
            house.turn();
            assert_eq!(reader.received_len(), turn * frames_a_log * len, "frames of {len} B, turn {turn}");
        }
    }
}

/// Each write costs about as much as ten looks whether there is more to write.
#[test]
fn the_more_are_to_be_written_to_the_more_often_a_turn_looks_for_more_to_write() {
    for (crowd, looks) in [(PEERS_PER_LOOK / 2 - 1, 0), (PEERS_PER_LOOK, 1), (5 * PEERS_PER_LOOK, 5)] {
        let mut house = House::new();
        let sender = house.guest();
        let readers: Vec<Client> = (1..crowd).map(|_| house.guest()).collect();
        let waits = house.net.counts().waits;
        house.turn();
        assert_eq!(house.net.counts().waits, waits + 1, "with nothing to write it does not look");
        sender.send(&frame(1, 0, 100));
        sender.send_at_wait(1 + looks, &frame(1, 1, 100));
        house.turn();
        assert_eq!(house.net.counts().waits, waits + 2 + looks, "{crowd} peers");
        assert!(readers.iter().all(|reader| reader.received_len() == 200), "{crowd} peers: in one write");
    }
}

#[test]
fn a_turn_stops_looking_after_half_a_millisecond() {
    let mut house = House::new();
    let sender = house.guest();
    let _readers: Vec<Client> = (0..20 * PEERS_PER_LOOK).map(|_| house.guest()).collect();
    sender.send(&frame(1, 0, 100));
    house.net.set_wait_takes(Duration::from_micros(100));
    let waits = house.net.counts().waits;
    house.turn();
    assert_eq!(house.net.counts().waits, waits + 1 + 5, "one wait, and looks for half a millisecond");
}

/// Its bytes come to the log once it is whole: until then they need no room there.
#[test]
fn a_long_frame_is_read_in_large_pieces_however_full_the_log_is() {
    let mut house = House::new();
    house.net.set_pipe(1 << 20);
    let [chatter, carrier, reader] = house.guests();
    carrier.send(&frame(2, 0, 10 * READ_BYTES)[..READ_BYTES]);
    house.turn();
    chatter.send(&(0..60).flat_map(|number| frame(1, number, 1000)).collect::<Vec<_>>());
    carrier.send(&frame(2, 0, 10 * READ_BYTES)[READ_BYTES..]);
    let reads = house.net.counts().reads;
    house.turn();
    assert_eq!(house.net.counts().reads, reads + 1 + 9);
    assert_eq!(senders(&reader.received()).len(), 61);
}

/// What is answered or forgotten is read and hashed too: the log says nothing of it.
#[test]
fn a_turn_reads_so_much_and_no_more_and_the_unread_are_first_in_the_next() {
    let mut house = House::new();
    house.net.set_pipe(READ_BYTES);
    let talkers: [Client; 40] = house.guests();
    let pongs = encoded("pong", &[7; READ_BYTES / 2 - Header::LEN]).repeat(2);
    talkers.iter().for_each(|talker| talker.send(&pongs.repeat(3))); // a third has room on the way
    let times_read = |talker: &Client| 2 - talker.unsent() / READ_BYTES;
    for turn in 1..=5 {
        house.turn();
        let read = turn * READ_ENOUGH_BYTES;
        assert!((read..=read + READ_BYTES).contains(&house.net.counts().read_bytes), "turn {turn}");
        let reads = read / READ_BYTES;
        for (place, talker) in talkers.iter().enumerate() {
            let due = (reads / talkers.len() + usize::from(place < reads % talkers.len())).min(2);
            assert_eq!(times_read(talker), due, "turn {turn}, talker {place}: one after the other");
        }
    }
    house.rest();
    assert_eq!(house.net.counts().read_bytes, talkers.len() * pongs.len() * 3);
}

#[test]
fn urgent_data_that_cuts_a_read_short_leaves_nothing_unread() {
    let mut house = House::new();
    let [alice, bob] = house.guests();
    house.net.set_short(Some(70), None);
    alice.send(&frame(1, 0, 100)[..30]);
    alice.urge();
    alice.send(&frame(1, 0, 100)[30..]);
    alice.send(&frame(1, 1, 400));
    house.rest();
    assert_eq!(bob.received(), [frame(1, 0, 100), frame(1, 1, 400)].concat());
    alice.send(&frame(1, 2, 400));
    house.rest();
    assert_eq!(bob.received_len(), 900, "and nothing of what comes later");
    alice.shutdown();
    bob.shutdown();
    house.rest();
    house.expect_empty();
}

#[test]
fn whoever_is_paused_and_hangs_up_goes_within_the_drain_time() {
    let mut house = House::with(Limits { rate_messages: std::num::NonZeroU64::new(10), ..limits() });
    let [fast, reader] = house.guests();
    fast.send(&(0..400).flat_map(|number| frame(1, number, 100)).collect::<Vec<_>>());
    fast.shutdown();
    while house.peers() > 1 {
        house.turn_until(Instant::START + Duration::from_secs(60));
    }
    let took = house.net.now().since(Instant::START);
    assert!((DRAIN..=DRAIN + LINGER).contains(&took), "{took:?}");
    let heard = reader.received_len() / 100;
    assert!((50..=60).contains(&heard), "{heard} frames at its rate");
    assert!(fast.has_ended() && !fast.was_reset());
    assert_eq!(house.closed().get("eof"), Some(&1));
}

#[test]
fn whoever_is_over_its_rate_is_not_read_and_resumes_by_itself() {
    let mut house = House::with(Limits { rate_messages: std::num::NonZeroU64::new(10), ..limits() });
    let [fast, reader] = house.guests();
    fast.send(&(0..40).flat_map(|number| frame(1, number, 100)).collect::<Vec<_>>());
    house.rest();
    let heard = |reader: &Client| reader.received_len() / 100;
    assert!((10..=11).contains(&heard(&reader)), "a burst of a second: {}", heard(&reader));
    for _ in 0..1000 {
        if heard(&reader) == 40 {
            break;
        }
        house.turn_until(Instant::START + Duration::from_secs(60));
    }
    assert_eq!(heard(&reader), 40);
    let took = house.net.now().since(Instant::START);
    assert!((Duration::from_millis(2800)..=Duration::from_millis(3100)).contains(&took), "{took:?}");
}

#[test]
fn whoever_does_not_take_its_replies_is_not_read_and_resumes_once_it_does() {
    let mut house = House::new();
    let [pinger, other] = house.guests();
    pinger.stop_reading();
    let pings: Vec<u8> = (0..1000u32).flat_map(ping).collect();
    pinger.send(&pings);
    house.rest();
    let read = house.net.counts().read_bytes;
    assert!(read <= 4 * 64 * 1024, "{read} of {} bytes read", pings.len());
    assert!(pinger.unsent() > 0);
    other.send(&frame(2, 0, 100));
    house.rest();
    assert_eq!(house.net.counts().read_bytes, read + 100, "it holds up only itself");
    pinger.go_on_reading();
    house.rest();
    let received = pinger.received();
    let pongs: Vec<&[u8]> = frames(&received).into_iter().filter(|frame| frame[4..8] == *b"pong").collect();
    assert_eq!(pongs.len(), 1000);
    assert!(pongs.iter().zip(0u32..).all(|(pong, number)| pong[24..28] == number.to_le_bytes()), "in order");
    assert_eq!(frames(&received).len(), 1001, "and what the other sent");
}

fn ping(number: u32) -> Vec<u8> {
    let mut payload = number.to_le_bytes().to_vec();
    payload.resize(1000, 0);
    encoded("ping", &payload)
}

/// An HTTP request is sent away in order, not banned.
#[test]
fn an_orderly_end_lingers_until_the_other_side_ends() {
    let mut house = House::new();
    let browser = house.guest();
    browser.send(b"GET / HTTP/1.1\r\n\r\n");
    house.rest();
    assert!(browser.has_ended(), "we have sent our end");
    assert_eq!((house.peers(), house.alive()), (1, 1));
    browser.send(&[b'x'; 300_000]);
    house.rest();
    assert_eq!(browser.unsent(), 0, "its input is taken, and forgotten");
    assert_eq!(house.alive(), 1);
    browser.shutdown();
    house.rest();
    assert!(!browser.was_reset());
    assert_eq!(house.net.counts().closed, 1);
    house.pass(LINGER * 2);
    house.expect_empty();
}

#[test]
fn an_orderly_end_is_closed_once_when_the_other_side_never_ends() {
    let mut house = House::new();
    let browser = house.guest();
    browser.send(b"GET / HTTP/1.1\r\n\r\n");
    house.rest();
    house.pass(LINGER - Duration::from_micros(1));
    assert_eq!(house.alive(), 1);
    let now = house.turn_until(house.net.now() + Duration::from_secs(60));
    assert_eq!(now, Instant::START + LINGER, "woken for it");
    assert_eq!(house.net.counts().closed, 1);
    house.pass(LINGER * 2);
    house.expect_empty();
}

#[test]
fn a_lingering_connection_keeps_its_place() {
    let mut house = House::new();
    let browser = house.guest();
    browser.send(b"GET / HTTP/1.1\r\n\r\n");
    house.rest();
    let [alice, bob] = house.guests();
    assert_eq!(house.peers(), 3);
    alice.send(&frame(1, 0, 100));
    browser.send(b"still talking");
    house.rest();
    assert_eq!(bob.received_len(), 100);
    assert_eq!(browser.received_len(), 0, "mute");
    browser.reset();
    house.rest();
    assert_eq!(house.peers(), 2);
    let carol = house.guest();
    alice.send(&frame(1, 1, 100));
    house.rest();
    assert_eq!((carol.received_len(), bob.received_len()), (100, 200));
}

/// What a turn still wanted with the old connection is not done to the one that takes its place.
#[test]
fn a_place_freed_when_lingering_is_over_comes_with_no_leftovers() {
    let mut house = House::new();
    house.net.set_pipe(1 << 20);
    let firehose = house.guest();
    firehose.send(b"GET / HTTP/1.1\r\n\r\n");
    house.rest();
    // always something to read: it stands among the readers when its time is over
    firehose.send(&vec![b'x'; 10_000_000]);
    house.net.pass(LINGER - Duration::from_micros(1));
    house.turn();
    assert_eq!(house.alive(), 1);
    house.net.pass(Duration::from_micros(1));
    let visitor = house.visitor();
    house.turn();
    assert!(firehose.is_over());
    assert_eq!((house.peers(), house.alive()), (1, 1), "the visitor has taken the place");
    house.rest();
    assert_eq!(house.net.counts().unprompted_reads, 0, "nothing was said of the visitor yet");
    visitor.shutdown();
    house.rest();
    house.expect_empty();
}

#[test]
fn a_ban_resets_everybody_of_the_address() {
    let mut house = House::new();
    let ip = client_ip(1000);
    let [one, other] = [house.net.connect(ip, house.at), house.net.connect(ip, house.at)];
    let bystander = house.guest();
    one.send(&JUNK);
    house.turn();
    assert!(one.was_reset() && other.was_reset(), "in the same turn");
    assert!(!bystander.is_over());
    assert_eq!(house.net.counts().aborted, 2);
    let again = house.net.connect(ip, house.at);
    house.rest();
    assert!(again.was_reset(), "and nobody from there comes in");
    bystander.shutdown();
    house.rest();
    house.expect_empty();
}

#[test]
fn a_stale_event_never_hits_whoever_took_the_place() {
    let mut house = House::new();
    house.net.be_noisy();
    let [watcher, speaker] = house.guests();
    for round in 0..50 {
        let rude = house.guest();
        rude.send(&JUNK);
        let heir = house.visitor(); // accepted in the turn that frees the place
        let before = watcher.received_len();
        house.turn();
        assert!(rude.was_reset(), "round {round}");
        assert_eq!(house.peers(), 3, "round {round}: the heir is in");
        house.rest();
        heir.send(&frame(9, round, 100));
        speaker.send(&frame(8, round, 100));
        house.rest();
        assert!(!heir.is_over(), "round {round}");
        assert_eq!((watcher.received_len() - before, heir.received_len()), (200, 100), "round {round}");
        heir.shutdown();
        house.rest();
        assert!(heir.has_ended() && !heir.was_reset(), "round {round}");
    }
    watcher.shutdown();
    speaker.shutdown();
    house.rest();
    house.expect_empty();
}

#[test]
fn several_events_with_one_token_are_as_good_as_one() {
    let mut house = House::new();
    let [alice, bob] = house.guests();
    for number in 0..3 {
        alice.send(&frame(1, number, 100));
        for index in 0..4 {
            let token = Token(index); // two of them nobody's
            let said = [Readiness::Readable(token), Readiness::Writable(token), Readiness::Ended(token)];
            said.into_iter().chain(said).for_each(|readiness| house.net.say(readiness));
        }
        house.rest();
    }
    assert_eq!((bob.received_len(), alice.received_len()), (300, 0));
    alice.shutdown();
    bob.reset();
    for _ in 0..3 {
        house.net.say(Readiness::Ended(Token(0)));
        house.net.say(Readiness::Ended(Token(1)));
    }
    house.rest();
    house.expect_empty();
}

#[test]
fn a_failed_read_and_a_disconnect_in_one_turn_close_once() {
    for is_failed_first in [true, false] {
        let mut house = House::new();
        let ip = client_ip(7);
        let [first, second] = [house.net.connect(ip, house.at), house.net.connect(ip, house.at)];
        house.rest();
        let (failing, rude) = if is_failed_first { (first, second) } else { (second, first) };
        failing.reset();
        rude.send(&JUNK);
        house.turn();
        house.rest();
        assert_eq!(house.closed().values().sum::<u64>(), 2, "{is_failed_first}: {:?}", house.closed());
        house.expect_empty();
    }
}

#[test]
fn a_failed_write_and_an_end_in_one_turn_close_once() {
    let mut house = House::new();
    let [leaver, speaker] = house.guests();
    leaver.shutdown();
    leaver.reset();
    speaker.send(&frame(1, 0, 100));
    house.rest();
    assert_eq!(house.closed().values().sum::<u64>(), 1, "{:?}", house.closed());
    speaker.shutdown();
    house.rest();
    house.expect_empty();
}

/// Whoever ends while it is owed something gets it and then our end, however much the others talk.
#[test]
fn an_ending_peer_that_has_taken_all_goes_in_the_same_turn_also_in_a_busy_room() {
    let mut house = House::new();
    let [speaker] = house.guests();
    house.net.set_pipe(1000);
    let leaver = house.guest();
    leaver.stop_reading();
    speaker.send(&(0..20).flat_map(|number| frame(1, number, 100)).collect::<Vec<_>>());
    house.rest();
    leaver.shutdown();
    house.rest();
    assert!(!leaver.has_ended(), "half of it is still owed");
    leaver.set_room(1 << 20);
    leaver.go_on_reading();
    speaker.send(&frame(1, 20, 100)); // not due to who has ended, but there is a log this turn
    house.turn();
    assert_eq!(leaver.received_len(), 2000);
    assert!(leaver.has_ended(), "it has taken all it is due: {:?}", house.closed());
    assert_eq!(house.closed().get("eof"), Some(&1));
    speaker.shutdown();
    house.rest();
    house.expect_empty();
}

#[test]
fn a_shutdown_ends_in_few_turns_with_everybody_gone() {
    let mut house = House::new();
    let speaker = house.guest();
    house.net.set_pipe(1000);
    let crowd: [Client; 20] = house.guests();
    crowd.iter().step_by(3).for_each(Client::stop_reading);
    speaker.send(&(0..50).flat_map(|number| frame(1, number, 100)).collect::<Vec<_>>());
    crowd[1].send(&frame(2, 0, 100)[..50]);
    house.rest();
    crowd[4].shutdown();
    house.server.shut_down();
    let late = house.net.try_connect(client_ip(5000), house.at);
    assert!(late.is_none(), "refused");
    let mut turns = 0;
    while house.peers() > 0 {
        turns += 1;
        assert!(turns < 100, "{} peers still there: {:?}", house.peers(), house.closed());
        house.turn_until(Instant::START + Duration::from_secs(3600));
    }
    assert!(house.net.now() <= Instant::START + DRAIN + LINGER, "{:?}", house.net.now());
    for (index, client) in crowd.iter().enumerate() {
        assert_eq!(client.was_reset(), index % 3 == 0, "{index}: only who does not read is cut off");
        assert!(index % 3 == 0 || client.received_len() >= 5000, "{index} got all that was queued");
    }
    house.expect_empty();
}

#[test]
fn a_shutdown_right_at_the_start_needs_no_peer() {
    let mut house = House::new();
    let visitor = house.visitor();
    house.server.shut_down();
    house.turn();
    assert!(visitor.was_reset());
    house.expect_empty();
}

// anything in any order

/// What may happen to a house. Clients are meant by their number modulo those there are.
#[derive(Clone, Debug)]
enum Deed {
    /// An honest client comes.
    Come,
    /// An honest client sends so many whole frames of such a length.
    Send(usize, u32, usize),
    StopReading(usize),
    GoOnReading(usize),
    /// An honest client ends, and reads on until we do.
    Leave(usize),
    /// Somebody comes, sends the beginning of a frame, and resets.
    Reset(usize),
    /// Somebody comes, sends the beginning of a frame, and ends.
    Break(usize),
    /// Somebody comes, sends junk, and is banned.
    Junk,
    /// Somebody asks for a page, and stays.
    Browse,
    /// From now on reads and writes are cut to so much.
    Short(Option<usize>, Option<usize>),
    Turns(usize),
    Pass(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    let short = || prop_oneof![Just(None), (1..300usize).prop_map(Some)];
    prop_oneof![
        2 => Just(Deed::Come),
        8 => (any::<usize>(), 1..5u32, 40..600usize).prop_map(|(who, count, len)| Deed::Send(who, count, len)),
        1 => any::<usize>().prop_map(Deed::StopReading),
        1 => any::<usize>().prop_map(Deed::GoOnReading),
        1 => any::<usize>().prop_map(Deed::Leave),
        1 => (1..39usize).prop_map(Deed::Reset),
        1 => (1..39usize).prop_map(Deed::Break),
        1 => Just(Deed::Junk),
        1 => Just(Deed::Browse),
        2 => (short(), short()).prop_map(|(read, write)| Deed::Short(read, write)),
        4 => (1..4usize).prop_map(Deed::Turns),
        1 => (1..1500u64).prop_map(Deed::Pass),
    ]
}

/// An honest client and what it is due of each sender.
struct Guest {
    client: Client,
    number: u32,
    sent: u32,
    due: BTreeMap<u32, Vec<u8>>,
    has_left: bool,
}

/// A house and what should come of all that is done to it.
struct Story {
    house: House,
    guests: Vec<Guest>,
    strangers: Vec<Client>,
}

impl Story {
    fn begin(is_noisy: bool) -> Self {
        let house = House::with(Limits { drain: Duration::from_secs(3600), ..limits() });
        house.net.set_pipe(700);
        if is_noisy {
            house.net.be_noisy();
        }
        let mut story = Self { house, guests: Vec::new(), strangers: Vec::new() };
        story.come();
        story.come();
        story
    }

    fn happens(&mut self, deed: Deed) {
        match deed {
            Deed::Come => self.come(),
            Deed::Send(who, count, len) => self.send(who, count, len),
            Deed::StopReading(who) => self.guests[who % self.guests.len()].client.stop_reading(),
            Deed::GoOnReading(who) => self.guests[who % self.guests.len()].client.go_on_reading(),
            Deed::Leave(who) => self.leave(who % self.guests.len()),
            Deed::Reset(len) => {
                let stranger = self.stranger(&frame(0, 0, 40)[..len]);
                self.house.turn();
                stranger.reset();
            }
            Deed::Break(len) => self.stranger(&frame(0, 0, 40)[..len]).shutdown(),
            Deed::Junk => drop(self.stranger(&JUNK)),
            Deed::Browse => drop(self.stranger(b"GET / HTTP/1.1\r\n\r\n")),
            Deed::Short(read, write) => self.house.net.set_short(read, write),
            Deed::Turns(turns) => (0..turns).for_each(|_| self.house.turn()),
            Deed::Pass(millis) => self.house.net.pass(Duration::from_millis(millis)),
        }
    }

    /// What was sent before is not due to a newcomer, so it is let in first; who it is then is certain.
    fn come(&mut self) {
        self.house.rest();
        let client = self.house.guest();
        let number = self.guests.len() as u32;
        self.guests.push(Guest { client, number, sent: 0, due: BTreeMap::new(), has_left: false });
    }

    fn send(&mut self, who: usize, count: u32, len: usize) {
        let who = who % self.guests.len();
        let sender = &mut self.guests[who];
        if sender.has_left {
            return;
        }
        let (number, first) = (sender.number, sender.sent);
        sender.sent += count;
        let bytes: Vec<u8> = (first..first + count).flat_map(|each| frame(number, each, len)).collect();
        sender.client.send(&bytes);
        for guest in self.guests.iter_mut().filter(|guest| guest.number != number && !guest.has_left) {
            guest.due.entry(number).or_default().extend(&bytes);
        }
    }

    /// Everything sent before is due to it, so that is relayed first.
    fn leave(&mut self, who: usize) {
        self.house.rest();
        self.guests[who].client.shutdown();
        self.guests[who].has_left = true;
        self.house.rest();
    }

    fn stranger(&mut self, bytes: &[u8]) -> Client {
        let stranger = self.house.visitor();
        stranger.send(bytes);
        self.strangers.push(stranger.clone());
        stranger
    }

    /// Everybody reads, everybody leaves, and the time of those who linger is over.
    fn end(&mut self) {
        self.house.rest();
        self.guests.iter().for_each(|guest| guest.client.go_on_reading());
        self.house.rest();
        self.guests.iter().for_each(|guest| guest.client.shutdown());
        self.strangers.iter().for_each(Client::shutdown);
        self.house.rest();
        self.house.pass(LINGER);
        self.house.expect_empty();
        self.guests.iter().for_each(Guest::expect_what_is_due);
    }
}

impl Guest {
    fn expect_what_is_due(&self) {
        let number = self.number;
        assert!(self.client.has_ended() && !self.client.was_reset(), "guest {number} was not ended in order");
        let stream = self.client.received();
        let mut received: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for (frame, sender) in frames(&stream).into_iter().zip(senders(&stream)) {
            received.entry(sender).or_default().extend(frame);
        }
        let lens = |of: &BTreeMap<u32, Vec<u8>>| of.iter().map(|(&k, v)| (k, v.len())).collect::<Vec<_>>();
        let (got, due) = (lens(&received), lens(&self.due));
        assert!(received == self.due, "guest {number}: bytes by sender {got:?}, due {due:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_everybody_gets_its_due_and_nothing_is_left(
        is_noisy in any::<bool>(),
        deeds in prop::collection::vec(deed(), 0..60),
    ) {
        let mut story = Story::begin(is_noisy);
        deeds.into_iter().for_each(|deed| story.happens(deed));
        story.end();
    }
}
