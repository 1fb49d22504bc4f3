//! A room in memory on a clock that jumps: the stack's other side is a relay that does nothing but relay, as well
//! or as badly as a test wants; to and from whoever connects to [`LINES_PORT`], lines. Knows the trait `Stack` and the
//! wire; knows nothing of the tester.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use peer_relay::protocol::{Dialect, Token};
use peer_relay::server::{Readiness, Stack};
use peer_relay::time::Instant;
use peer_relay::wire::decoder::DecoderLimits;
use peer_relay::wire::{Command, Decoder, Frame, LineDecoder, Network, Part, printable};

/// From a sender's write to everybody's read, when nothing is wrong.
pub const DELAY: Duration = Duration::from_micros(100);
/// Where a line is a message.
pub const LINES_PORT: u16 = 7444;
/// Bytes a connection takes within the delay, and while the relay stands still.
const ROOM: usize = 64 * 1024;

/// What becomes of one delivery: receiver, how-many-eth it is to that one, and the frame or line. What is returned is
/// delivered now.
pub type Fault = Box<dyn FnMut(usize, usize, Vec<u8>) -> Vec<Vec<u8>>>;

/// How the relay behaves.
#[derive(Default)]
pub struct Habits {
    /// It stands still, in microseconds since the start.
    pub stall: Range<u64>,
    /// The tester itself does, for want of a CPU: a wait within it ends with it.
    pub sleep: Range<u64>,
    /// It spoils deliveries.
    pub fault: Option<Fault>,
    /// It never answers a ping.
    pub is_mute: bool,
    /// It resets these connections as soon as they are there.
    pub refuses: Vec<usize>,
    /// It ends this connection at its so-many-eth delivery.
    pub cuts_off: Option<(usize, usize)>,
    /// It lets in one connection after the other, so many microseconds apart: before that nothing reaches it.
    pub pause_at_door: u64,
}

/// The test's side.
#[derive(Clone)]
pub struct World(Rc<RefCell<Inner>>);

/// The tester's side.
pub struct Room(World);

struct Inner {
    now: u64,
    habits: Habits,
    ends: Vec<End>,
    /// Most messages that were under way at once, and how many are.
    under_way: (usize, usize),
    /// When each message was written.
    written_at: Vec<u64>,
}

struct End {
    token: Option<Token>,
    is_new: bool,
    is_said: bool,
    is_starved: bool,
    ears: Ears,
    /// When it is in the room.
    is_in_from: u64,
    inbox: VecDeque<(u64, Vec<u8>)>,
    deliveries: usize,
    /// Bytes taken, and since when.
    taken: (u64, usize),
    is_over: bool,
}

/// How the relay reads from a connection, and so how it writes to it.
enum Ears {
    Frames(Box<Decoder>),
    Lines(LineDecoder),
}

impl Ears {
    fn of(at: SocketAddr) -> Self {
        if at.port() == LINES_PORT {
            return Self::Lines(LineDecoder::new(64 * 1024));
        }
        let limits = DecoderLimits { magic: Network::PRIVATE.magic, max_payload: 1 << 20, max_skip: 0 };
        Self::Frames(Box::new(Decoder::new(limits)))
    }

    /// The next thing somebody has said: its command, unless it is `msg`, and its payload.
    fn hear(&mut self, input: &mut &[u8]) -> Option<(Command, Vec<u8>)> {
        match self {
            Self::Frames(decoder) => {
                let frame = decoder.decode(input).expect("the tester sends valid frames")?;
                Some((frame.command(), frame.payload().to_vec()))
            }
            Self::Lines(decoder) => {
                let line = decoder.decode(input).expect("the tester sends no line that is too long")?;
                Some(("msg".parse().unwrap(), line.into_owned()))
            }
        }
    }

    fn say(&self, command: Command, payload: &[u8]) -> Vec<u8> {
        match self {
            Self::Frames(_) => Frame::encode(Network::PRIVATE.magic, command, payload).as_bytes().to_vec(),
            Self::Lines(_) => format!("{}\n", printable(payload)).into_bytes(),
        }
    }
}

impl World {
    pub fn new(habits: Habits) -> Self {
        Self(Rc::new(RefCell::new(Inner {
            now: 0,
            habits,
            ends: Vec::new(),
            under_way: (0, 0),
            written_at: Vec::new(),
        })))
    }

    pub fn room(&self) -> Room {
        Room(self.clone())
    }

    /// When each message was written, microseconds since the start.
    pub fn written_at(&self) -> Vec<u64> {
        self.0.borrow().written_at.clone()
    }

    /// Most bytes of messages that lay in inboxes at once, as a number of deliveries.
    pub fn most_under_way(&self) -> usize {
        self.0.borrow().under_way.0
    }
}

impl Inner {
    /// The end of the stall, if it is on at that moment; else the moment itself.
    fn after_stall(&self, moment: u64) -> u64 {
        let stall = &self.habits.stall;
        if stall.contains(&moment) { stall.end } else { moment }
    }

    fn is_stalled(&self) -> bool {
        self.after_stall(self.now) > self.now
    }

    fn say(&mut self, ready: &mut Vec<Readiness>) {
        let (now, is_stalled) = (self.now, self.is_stalled());
        for (at, end) in self.ends.iter_mut().enumerate() {
            let Some(token) = end.token else { continue };
            if self.habits.refuses.contains(&at) {
                if !std::mem::replace(&mut end.is_said, true) {
                    ready.push(Readiness::Ended(token));
                }
                continue;
            }
            let has_room = end.is_starved && !is_stalled && now >= end.taken.0 + DELAY.as_micros() as u64;
            if std::mem::take(&mut end.is_new) || has_room {
                end.is_starved = false;
                ready.push(Readiness::Writable(token));
            }
            let has_come = end.inbox.front().is_some_and(|(due, _)| *due <= now);
            if (has_come || end.is_over) && !end.is_said {
                end.is_said = true;
                ready.push(if end.is_over { Readiness::Ended(token) } else { Readiness::Readable(token) });
            }
        }
    }

    fn next_event(&self) -> Option<u64> {
        let inboxes = self.ends.iter().filter_map(|end| end.inbox.front().map(|(due, _)| *due));
        let starved = self.ends.iter().any(|end| end.is_starved);
        let room = starved.then(|| self.after_stall(self.now + DELAY.as_micros() as u64));
        inboxes.chain(room).filter(|&at| at > self.now).min()
    }

    fn relay(&mut self, from: usize, bytes: &[u8]) {
        let mut input = bytes;
        while let Some((command, payload)) = self.ends[from].ears.hear(&mut input) {
            let arrival = self.after_stall(self.now + DELAY.as_micros() as u64);
            if command == Command::PING {
                let end = &mut self.ends[from];
                let pong = end.ears.say(Command::PONG, &payload);
                if !self.habits.is_mute {
                    end.inbox.push_back((arrival.max(end.is_in_from), pong));
                }
                continue;
            }
            self.written_at.push(self.now);
            for to in (0..self.ends.len()).filter(|&to| to != from) {
                let is_in = self.ends[to].is_in_from <= self.now;
                if is_in && !self.habits.is_mute {
                    self.deliver(to, arrival, self.ends[to].ears.say(command, &payload));
                }
            }
        }
    }

    fn deliver(&mut self, to: usize, arrival: u64, frame: Vec<u8>) {
        let end = &mut self.ends[to];
        if self.habits.cuts_off == Some((to, end.deliveries)) {
            (end.is_over, end.is_said) = (true, false);
        }
        if end.is_over {
            return;
        }
        let frames = match &mut self.habits.fault {
            Some(fault) => fault(to, end.deliveries, frame),
            None => vec![frame],
        };
        end.deliveries += 1;
        self.under_way.1 += frames.len();
        self.under_way.0 = self.under_way.0.max(self.under_way.1);
        end.inbox.extend(frames.into_iter().map(|frame| (arrival, frame)));
    }

    fn read(&mut self, at: usize, into: &mut [u8]) -> io::Result<usize> {
        if self.habits.refuses.contains(&at) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let now = self.now;
        let end = &mut self.ends[at];
        let mut len = 0;
        while len < into.len() && end.inbox.front().is_some_and(|(due, _)| *due <= now) {
            let (_, bytes) = end.inbox.front_mut().expect("it is there");
            let here = bytes.len().min(into.len() - len);
            into[len..len + here].copy_from_slice(&bytes[..here]);
            bytes.drain(..here);
            len += here;
            if bytes.is_empty() {
                end.inbox.pop_front();
                self.under_way.1 = self.under_way.1.saturating_sub(1); // a pong was none
            }
        }
        if len < into.len() {
            end.is_said = false; // whatever comes next is news
        }
        match len {
            0 if end.is_over => Ok(0),
            0 => Err(io::ErrorKind::WouldBlock.into()),
            len => Ok(len),
        }
    }

    fn write(&mut self, at: usize, parts: &[Part<'_>]) -> io::Result<usize> {
        let mut bytes: Vec<u8> = parts.iter().flat_map(|part| part.as_slice()).copied().collect();
        let (now, is_stalled) = (self.now, self.is_stalled());
        let end = &mut self.ends[at];
        if now >= end.taken.0 + DELAY.as_micros() as u64 && !is_stalled {
            end.taken = (now, 0);
        }
        bytes.truncate(ROOM - end.taken.1);
        end.taken.1 += bytes.len();
        end.is_starved = end.taken.1 == ROOM;
        if bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.relay(at, &bytes);
        Ok(bytes.len())
    }
}

impl Stack for Room {
    type Stream = usize;

    fn wait(&mut self, ready: &mut Vec<Readiness>, until: Option<Instant>) -> io::Result<Instant> {
        let mut inner = self.0.0.borrow_mut();
        inner.say(ready);
        let until = until.map(Instant::as_micros);
        if ready.is_empty() && until.is_none_or(|until| until > inner.now) {
            let next = inner.next_event().into_iter().chain(until).min();
            inner.now = next.expect("a wait that nothing ends");
            if inner.habits.sleep.contains(&inner.now) {
                inner.now = inner.habits.sleep.end;
            }
            inner.say(ready);
        }
        Ok(Instant::from_micros(inner.now))
    }

    fn now(&self) -> Instant {
        Instant::from_micros(self.0.0.borrow().now)
    }

    fn accept(&mut self) -> io::Result<(usize, SocketAddr, Dialect)> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn stop_listening(&mut self) {}

    fn connect(&mut self, to: SocketAddr, _: Option<IpAddr>) -> io::Result<usize> {
        let mut inner = self.0.0.borrow_mut();
        let is_in_from = inner.now + inner.habits.pause_at_door * inner.ends.len() as u64;
        inner.ends.push(End {
            token: None,
            is_new: true,
            is_said: false,
            is_starved: false,
            ears: Ears::of(to),
            is_in_from,
            inbox: VecDeque::new(),
            deliveries: 0,
            taken: (0, 0),
            is_over: false,
        });
        Ok(inner.ends.len() - 1)
    }

    fn connected(&mut self, _: &mut usize) -> io::Result<()> {
        Ok(())
    }

    fn register(&mut self, stream: &mut usize, token: Token) -> io::Result<()> {
        self.0.0.borrow_mut().ends[*stream].token = Some(token);
        Ok(())
    }

    fn read(&mut self, stream: &mut usize, into: &mut [u8]) -> io::Result<usize> {
        self.0.0.borrow_mut().read(*stream, into)
    }

    fn write(&mut self, stream: &mut usize, parts: &[Part<'_>]) -> io::Result<usize> {
        self.0.0.borrow_mut().write(*stream, parts)
    }

    fn shutdown(&mut self, _: &mut usize) -> io::Result<()> {
        Ok(())
    }

    fn close(&mut self, stream: usize) {
        let mut inner = self.0.0.borrow_mut();
        inner.ends[stream].token = None;
        inner.ends[stream].is_over = true;
        inner.ends[stream].inbox.clear();
    }

    fn abort(&mut self, stream: usize) {
        self.close(stream);
    }
}
