#![cfg(test)]

//! Relays that are broken on purpose. A check that cannot fail is worth nothing: each of these must be caught within
//! a few seeds, or the suite fails. Nothing of this is in the program.
//!
//! A canary sits around the real server: between it and its stack, in the protocol it is given, or in the limits it
//! believes in. The world's journal is kept below all of them.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU64;
use std::time::Duration;

use super::broken::{Broken, Promise};
use super::outcome::Outcome;
use super::packet::Conn;
use super::setup::{Setup, Wishes};
use super::stack::{SimStack, SimStream};
use super::subject::Subject;
use super::trace::Trace;
use super::world::World;
use crate::protocol::{Breach, Dialect, Flood, Offence, Outbox, Penalty, Protocol, Token};
use crate::relay::{Limits, Relay};
use crate::server::{Readiness, Server, Stack};
use crate::time::Instant;
use crate::wire::{Checksum, Command, Frame, Header, Part};

/// Seeds within which a canary must be caught.
pub(super) const SEEDS: u64 = 40;

/// How a relay is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Canary {
    /// Not at all: the cage alone changes nothing.
    Healthy,
    DropEvery97thFrame,
    DeliverTwice,
    EchoToTheSender,
    SwapTwoFrames,
    FlipABit,
    AnswerSomebodyElse,
    BanTheInnocent,
    ForgetSent,
    ReuseASlotWithinABatch,
    SkipTheBanCheck,
    ForgetADeadline,
    SleepThroughDeadlines,
    LoseReadinessAfterABudgetStop,
    LoseWritability,
    CountAChunkByItsRange,
    IgnoreTheMemoryLimit,
    RelayBeforeTheChecksum,
    PauseTheRoomForASlowReader,
    LeakASlotOnReset,
    ResetAtTheEnd,
    NeverEndABan,
    LetTooManyIn,
    CloseWithoutWaiting,
    PauseTooLong,
    SlowToWrite,
    SplitAnEmbeddedNewline,
    EchoALine,
}

/// A protocol that does what it should not.
#[derive(Debug)]
struct Bent {
    canary: Canary,
    frames: u64,
    /// A frame that waits for the next to overtake it.
    kept: Option<(Token, Vec<u8>)>,
}

/// A stack that does.
#[derive(Debug)]
struct Warped {
    stack: SimStack,
    canary: Canary,
    calls: u64,
    /// Connections by the tokens they had last, and what they had not been read of.
    leftovers: BTreeMap<Token, Vec<u8>>,
    tokens: BTreeMap<Conn, Token>,
    /// Who takes nothing at present.
    stuck: Vec<Conn>,
    /// Who speaks lines, and what is to be echoed to them.
    lines: BTreeMap<Conn, Vec<u8>>,
}

/// The whole of it.
struct Caged {
    server: Server<Warped, Bent>,
    canary: Canary,
}

impl Protocol for Bent {
    const NAME: &'static str = Flood::NAME;

    fn default_penalty(offence: Offence) -> Penalty {
        Flood::default_penalty(offence)
    }

    fn received(&mut self, out: &mut impl Outbox, from: Token, frame: Frame<'_>) -> Result<(), Breach> {
        self.frames += 1;
        let is_relayed = !matches!(frame.command(), Command::PING | Command::PONG);
        match self.canary {
            Canary::DropEvery97thFrame if is_relayed && self.frames.is_multiple_of(97) => return Ok(()),
            Canary::DeliverTwice if is_relayed && self.frames.is_multiple_of(97) => {
                out.relay(from, frame.clone());
            }
            Canary::EchoToTheSender if is_relayed && self.frames.is_multiple_of(50) => {
                out.relay(Token(u32::MAX), frame);
                return Ok(());
            }
            Canary::FlipABit
                if is_relayed && self.frames.is_multiple_of(50) && !frame.payload().is_empty() =>
            {
                let mut payload = frame.payload().to_vec();
                payload[0] ^= 1;
                let magic = *frame.as_bytes().first_chunk().unwrap();
                out.relay(from, Frame::encode(crate::wire::Magic(magic), frame.command(), &payload));
                return Ok(());
            }
            Canary::SwapTwoFrames if is_relayed => {
                let kept = self.kept.take();
                if kept.is_none() && self.frames.is_multiple_of(20) {
                    self.kept = Some((from, frame.as_bytes().to_vec()));
                    return Ok(());
                }
                out.relay(from, frame);
                if let Some((other, bytes)) = kept {
                    let magic = crate::wire::Magic(*bytes.first_chunk().unwrap());
                    let name = bytes[4..16].split(|&byte| byte == 0).next().unwrap();
                    let command = std::str::from_utf8(name).unwrap().parse().unwrap();
                    out.relay(other, Frame::encode(magic, command, &bytes[Header::LEN..]));
                }
                return Ok(());
            }
            Canary::AnswerSomebodyElse
                if frame.command() == Command::PING && self.frames.is_multiple_of(5) =>
            {
                out.relay(from, frame);
                return Ok(());
            }
            Canary::BanTheInnocent if self.frames.is_multiple_of(300) => {
                return Err(Breach("you look it".into()));
            }
            _ => {}
        }
        Flood.received(out, from, frame)
    }
}

impl Warped {
    /// Every so-many-eth call.
    fn is_time(&mut self, every: u64) -> bool {
        self.calls += 1;
        self.calls.is_multiple_of(every)
    }

    /// What a connection has not been read of, for whoever sits in its place next.
    fn keep_leftovers(&mut self, stream: &mut SimStream) {
        let Some(token) = self.tokens.remove(&stream.conn()) else { return };
        let mut bytes = vec![0; 4096];
        if let Ok(len) = self.stack.read(stream, &mut bytes) {
            bytes.truncate(len);
            self.leftovers.insert(token, bytes);
        }
    }
}

/// Makes wrong checksums right, in frames that lie in one read from its beginning.
fn repair(mut bytes: &mut [u8]) {
    while bytes.len() >= Header::LEN {
        let length = u32::from_le_bytes(*bytes[16..20].first_chunk().unwrap()) as usize;
        if bytes.len() < Header::LEN + length {
            return;
        }
        let (frame, rest) = bytes.split_at_mut(Header::LEN + length);
        let checksum = Checksum::of(&frame[Header::LEN..]);
        frame[20..24].copy_from_slice(&checksum.0);
        bytes = rest;
    }
}

/// The last whole line of text in one read that begins with a line.
fn last_line(bytes: &[u8]) -> Vec<u8> {
    let mut lines = bytes.split_inclusive(|&byte| byte == b'\n');
    let is_text = |line: &&[u8]| {
        line.len() > 8
            && line.ends_with(b"\n")
            && line[..line.len() - 1].iter().all(|byte| (b' '..0x7f).contains(byte))
    };
    lines.rfind(is_text).map_or(Vec::new(), <[u8]>::to_vec)
}

impl Stack for Warped {
    type Stream = SimStream;

    fn wait(&mut self, ready: &mut Vec<Readiness>, until: Option<Instant>) -> io::Result<Instant> {
        let now = self.stack.wait(ready, until)?;
        let (canary, mut count) = (self.canary, self.calls);
        let mut is_lost = |readiness: &Readiness| {
            count += 1;
            match (canary, readiness) {
                (Canary::LoseReadinessAfterABudgetStop, Readiness::Readable(_))
                | (Canary::LoseWritability, Readiness::Writable(_)) => count.is_multiple_of(40),
                _ => false,
            }
        };
        ready.retain(|readiness| !is_lost(readiness));
        self.calls = count;
        Ok(now)
    }

    fn now(&self) -> Instant {
        self.stack.now()
    }

    fn accept(&mut self) -> io::Result<(SimStream, SocketAddr, Dialect)> {
        let (stream, mut from, dialect) = self.stack.accept()?;
        if self.canary == Canary::SkipTheBanCheck {
            from.set_ip([172, 16, 0, 0].map(|byte: u8| byte.wrapping_add(from.port() as u8)).into());
        }
        if dialect == Dialect::Lines {
            self.lines.insert(stream.conn(), Vec::new());
        }
        Ok((stream, from, dialect))
    }

    fn stop_listening(&mut self) {
        self.stack.stop_listening();
    }

    fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<SimStream> {
        self.stack.connect(to, from)
    }

    fn connected(&mut self, stream: &mut SimStream) -> io::Result<()> {
        self.stack.connected(stream)
    }

    fn register(&mut self, stream: &mut SimStream, token: Token) -> io::Result<()> {
        self.tokens.insert(stream.conn(), token);
        self.stack.register(stream, token)
    }

    fn read(&mut self, stream: &mut SimStream, into: &mut [u8]) -> io::Result<usize> {
        if self.canary == Canary::PauseTheRoomForASlowReader && !self.stuck.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if self.canary == Canary::ReuseASlotWithinABatch
            && let Some(token) = self.tokens.get(&stream.conn())
            && let Some(bytes) = self.leftovers.remove(token).filter(|bytes| bytes.len() <= into.len())
        {
            into[..bytes.len()].copy_from_slice(&bytes);
            return if bytes.is_empty() { Err(io::ErrorKind::Interrupted.into()) } else { Ok(bytes.len()) };
        }
        let read = self.stack.read(stream, into);
        match (self.canary, &read) {
            (Canary::RelayBeforeTheChecksum, Ok(len)) => repair(&mut into[..*len]),
            (Canary::EchoALine, Ok(len)) => {
                if let Some(echo) = self.lines.get_mut(&stream.conn()) {
                    *echo = last_line(&into[..*len]);
                }
            }
            (Canary::ResetAtTheEnd, Ok(0)) => return Err(io::ErrorKind::ConnectionReset.into()),
            _ => {}
        }
        read
    }

    fn write(&mut self, stream: &mut SimStream, parts: &[Part<'_>]) -> io::Result<usize> {
        if self.canary == Canary::SlowToWrite && !self.is_time(6) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let written = match (self.canary, self.lines.get_mut(&stream.conn())) {
            (Canary::SplitAnEmbeddedNewline, Some(_)) => {
                let whole = parts.iter().flat_map(|part| part.as_slice()).copied().collect::<Vec<u8>>();
                let split = String::from_utf8_lossy(&whole).replace("\\x0a", "\n\n\n\n").into_bytes();
                let same_len = if split.len() == whole.len() { split } else { whole };
                let len = same_len.len();
                self.stack.write(stream, &[Part::new(&same_len.into(), 0, len)])
            }
            (Canary::EchoALine, Some(echo)) if !echo.is_empty() => {
                let echo: bytes::Bytes = std::mem::take(echo).into();
                let _ = self.stack.write(stream, &[Part::new(&echo, 0, echo.len())]);
                self.stack.write(stream, parts)
            }
            _ => self.stack.write(stream, parts),
        };
        let conn = stream.conn();
        self.stuck.retain(|&other| other != conn);
        match (self.canary, &written) {
            (Canary::ForgetSent, Ok(len)) if self.is_time(60) => Ok(len / 2),
            (_, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {
                self.stuck.push(conn);
                written
            }
            _ => written,
        }
    }

    fn shutdown(&mut self, stream: &mut SimStream) -> io::Result<()> {
        if self.canary == Canary::CloseWithoutWaiting {
            return Err(io::ErrorKind::NotConnected.into());
        }
        self.stack.shutdown(stream)
    }

    fn close(&mut self, mut stream: SimStream) {
        self.stuck.retain(|&conn| conn != stream.conn());
        if self.canary == Canary::ReuseASlotWithinABatch {
            self.keep_leftovers(&mut stream);
        }
        self.stack.close(stream);
    }

    fn abort(&mut self, mut stream: SimStream) {
        self.stuck.retain(|&conn| conn != stream.conn());
        match self.canary {
            Canary::LeakASlotOnReset if self.tokens.contains_key(&stream.conn()) => return,
            Canary::ReuseASlotWithinABatch => self.keep_leftovers(&mut stream),
            _ => {}
        }
        self.stack.abort(stream);
    }
}

impl Caged {
    fn new(canary: Canary, stack: SimStack, setup: &Setup) -> Self {
        let limits = believed(canary, setup.limits.clone());
        let relay = Relay::new(Bent { canary, frames: 0, kept: None }, setup.penalties.law(), limits);
        let stack = Warped {
            stack,
            canary,
            calls: 0,
            leftovers: BTreeMap::new(),
            tokens: BTreeMap::new(),
            stuck: Vec::new(),
            lines: BTreeMap::new(),
        };
        Self { server: Server::new(stack, relay), canary }
    }
}

/// What the relay takes for its limits.
fn believed(canary: Canary, limits: Limits) -> Limits {
    let long = Duration::from_secs(100_000);
    match canary {
        // a queue that counts ranges has pinned whole chunks far beyond its limit before it thinks it has
        Canary::CountAChunkByItsRange => Limits {
            queue_hard_bytes: 20 * limits.queue_hard_bytes,
            queue_soft_bytes: 20 * limits.queue_soft_bytes,
            ..limits
        },
        Canary::IgnoreTheMemoryLimit => Limits { retained_max_bytes: usize::MAX, ..limits },
        Canary::ForgetADeadline => Limits { frame_timeout: long, idle_timeout: None, ..limits },
        Canary::NeverEndABan => Limits { ban_time: long, ..limits },
        Canary::PauseTooLong => Limits {
            rate_messages: limits.rate_messages.map(|rate| rate.min(NonZeroU64::MIN)),
            rate_bytes: limits.rate_bytes.map(|rate| rate.min(NonZeroU64::MIN)),
            ..limits
        },
        Canary::LetTooManyIn => Limits { max_peers: 10_000, max_peers_per_ip: None, ..limits },
        _ => limits,
    }
}

impl Subject for Caged {
    type Protocol = Bent;

    fn turn(&mut self) -> io::Result<Instant> {
        self.server.turn(None)
    }

    fn wake_up(&self) -> Option<Instant> {
        let now = self.stack().now_there();
        let wake_up = self.server.wake_up();
        // whatever lies in the future is slept through
        wake_up.filter(|&at| self.canary != Canary::SleepThroughDeadlines || at <= now)
    }

    fn shut_down(&mut self) {
        self.server.shut_down();
    }

    fn forget_events(&mut self) {
        self.server.events().for_each(drop);
    }

    fn relay(&self) -> &Relay<Bent> {
        self.server.relay()
    }

    fn stack(&self) -> &SimStack {
        &self.server.stack().stack
    }

    fn stack_mut(&mut self) -> &mut SimStack {
        &mut self.server.stack_mut().stack
    }
}

fn run(canary: Canary, seed: u64) -> Outcome {
    let setup = Setup::draw(seed, &Wishes::default());
    let caged = setup.clone();
    World::with(setup, Trace::new(), |stack| Caged::new(canary, stack, &caged)).run()
}

/// The canary is caught within [`SEEDS`] seeds, and for the right reason. `broken_in` says what breaks in a seed's world.
pub(super) fn is_caught(
    canary: impl Debug,
    promises: &[Promise],
    broken_in: impl Fn(u64) -> Option<(Instant, Broken)>,
) {
    let mut others = Vec::new();
    for seed in 0..SEEDS {
        match broken_in(seed) {
            Some((_, broken)) if promises.contains(&broken.promise) => return,
            Some((_, broken)) => others.push(format!("seed {seed}: {:?} {broken}", broken.promise)),
            None => {}
        }
    }
    panic!("{canary:?} is not caught for breaking {promises:?} in {SEEDS} seeds; but: {others:#?}");
}

macro_rules! canaries {
    ($($name:ident: $canary:ident breaks $($promise:ident)|+;)+) => {$(
        #[test]
        fn $name() {
            let canary = Canary::$canary;
            is_caught(canary, &[$(Promise::$promise),+], |seed| run(canary, seed).broken);
        }
    )+};
}

canaries! {
    one_that_drops_every_97th_frame_is_caught: DropEvery97thFrame breaks Delivery | Accounts;
    one_that_delivers_twice_is_caught: DeliverTwice breaks Delivery;
    one_that_echoes_to_the_sender_is_caught: EchoToTheSender breaks Echo;
    one_that_swaps_two_frames_is_caught: SwapTwoFrames breaks Delivery;
    one_that_flips_a_bit_is_caught: FlipABit breaks Delivery;
    one_that_tells_everybody_what_one_asked_is_caught: AnswerSomebodyElse breaks Delivery;
    one_that_bans_the_innocent_is_caught: BanTheInnocent breaks Bans | Cause | Accounts;
    one_that_forgets_what_was_sent_is_caught: ForgetSent breaks Delivery | Accounts;
    one_that_reuses_a_slot_within_a_batch_is_caught: ReuseASlotWithinABatch breaks Delivery | Accounts;
    one_that_skips_the_ban_check_is_caught: SkipTheBanCheck breaks Bans;
    one_that_forgets_a_deadline_is_caught: ForgetADeadline breaks Deadlines;
    one_that_sleeps_through_deadlines_is_caught: SleepThroughDeadlines breaks Deadlines;
    one_that_loses_readiness_is_caught: LoseReadinessAfterABudgetStop breaks Service;
    one_that_loses_writability_is_caught: LoseWritability breaks Service;
    one_that_counts_a_chunk_by_its_range_is_caught: CountAChunkByItsRange breaks Limits;
    one_that_ignores_the_memory_limit_is_caught: IgnoreTheMemoryLimit breaks Limits;
    one_that_relays_before_the_checksum_is_verified_is_caught: RelayBeforeTheChecksum breaks Delivery | Accounts;
    one_that_pauses_the_room_for_a_slow_reader_is_caught: PauseTheRoomForASlowReader breaks Service;
    one_that_leaks_a_slot_on_reset_is_caught: LeakASlotOnReset breaks Places | Zero | Deadlines;
    one_that_resets_at_the_end_is_caught: ResetAtTheEnd breaks Delivery | Cause;
    one_that_never_ends_a_ban_is_caught: NeverEndABan breaks Bans;
    one_that_lets_too_many_in_is_caught: LetTooManyIn breaks Limits;
    one_that_closes_without_waiting_is_caught: CloseWithoutWaiting breaks Delivery;
    one_that_pauses_for_too_long_is_caught: PauseTooLong breaks Service;
    one_that_is_slow_to_write_is_caught: SlowToWrite breaks Service;
    one_that_splits_an_embedded_newline_is_caught: SplitAnEmbeddedNewline breaks Delivery;
    one_that_echoes_a_line_to_its_sender_is_caught: EchoALine breaks Echo;
}

#[test]
fn the_cage_alone_changes_nothing() {
    for seed in 0..SEEDS {
        let setup = Setup::draw(seed, &Wishes::default());
        let caged = run(Canary::Healthy, seed);
        assert_eq!(caged.broken, None, "seed {seed}");
        assert_eq!(caged.hash, World::new(setup, Trace::new()).run().hash, "seed {seed}");
    }
}
