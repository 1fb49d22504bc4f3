//! TCP in memory, on a clock that jumps. Knows the trait `Stack` and nothing of the server behind it.
//!
//! It is as unkind as the contract allows: readiness is said once, at the edge; a reset destroys what the
//! other side has not read; pipes are short where a test wants them so, reads and writes too, and with
//! [`MemoryNet::be_noisy`] every readiness is said twice and every token is named again, also those of
//! connections long gone.
#![allow(dead_code)] // each test binary uses the part it needs

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use peer_relay::protocol::{Dialect, Token};
use peer_relay::server::{Readiness, Stack};
use peer_relay::time::Instant;
use peer_relay::wire::Part;

/// Bytes that fit between two ends unless a test says otherwise.
pub const PIPE_BYTES: usize = 64 * 1024;
const FIRST_EPHEMERAL_PORT: u16 = 49_152;

/// The stack's side of a world.
pub struct MemoryStack(MemoryNet);

/// The test's side of the same world.
#[derive(Clone, Default)]
pub struct MemoryNet(Rc<RefCell<World>>);

/// One connection in the stack's hands. Given back by `close` or `abort`: one that is dropped counts as alive
/// for ever.
#[derive(Debug)]
pub struct MemoryStream {
    end: usize,
}

/// One connection in the test's hands. It reads whatever comes until it is told to stop.
#[derive(Clone)]
pub struct Client {
    net: MemoryNet,
    end: usize,
}

/// How accepting fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptFailure {
    /// No descriptors: EMFILE.
    NoDescriptors,
    /// The connection was over before it was accepted: ECONNABORTED.
    Aborted,
}

/// What has been asked of the stack, for tests that count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Streams handed out and not given back.
    pub alive: usize,
    /// Streams handed out.
    pub handed_out: usize,
    pub closed: usize,
    pub aborted: usize,
    pub accept_calls: usize,
    pub waits: usize,
    /// Reads that brought something.
    pub reads: usize,
    /// Bytes read by the stack's user.
    pub read_bytes: usize,
    /// Bytes written by the stack's user.
    pub written_bytes: usize,
    /// Reads of a stream nothing had been said of.
    pub unprompted_reads: usize,
}

#[derive(Default)]
struct World {
    /// Microseconds since the start.
    now: u64,
    ends: Vec<End>,
    listeners: Vec<Listener>,
    /// Where connections of the stack's come into the test's hands, and those that have.
    hosts: Vec<(SocketAddr, VecDeque<usize>)>,
    /// Where nobody answers, and those that wait for it.
    unanswered: Vec<(SocketAddr, Vec<usize>)>,
    accept_failures: (usize, Option<AcceptFailure>),
    /// Said by the next wait, whatever happens.
    to_say: Vec<Readiness>,
    /// Every token ever registered, for the noise.
    tokens: Vec<Token>,
    is_noisy: bool,
    pipe_bytes: Option<usize>,
    read_at_most: Option<usize>,
    write_at_most: Option<usize>,
    last_port: u16,
    /// How long it takes to say what is ready.
    wait_takes: Duration,
    /// What an end sends at which wait.
    later: Vec<(usize, usize, Vec<u8>)>,
    counts: Counts,
}

struct Listener {
    at: SocketAddr,
    dialect: Dialect,
    waiting: VecDeque<usize>,
    /// Somebody has come since the last wait.
    is_news: bool,
}

/// One end of a connection: what has arrived at it, and what is to be said of it.
struct End {
    other: usize,
    address: SocketAddr,
    inbox: VecDeque<u8>,
    room: usize,
    /// It is not decided whether it becomes a connection.
    is_under_way: bool,
    /// Nothing comes after what is in the inbox.
    has_ended: bool,
    error: Option<io::ErrorKind>,
    /// It has sent its end.
    is_shut: bool,
    /// Nobody holds it any more.
    is_gone: bool,
    /// A write of its was refused or cut short: it is told when there is room.
    is_starved: bool,
    owner: Owner,
}

enum Owner {
    Stack(Told),
    Client(Habits),
}

/// What the next wait says of an end in the stack's hands.
#[derive(Default)]
struct Told {
    token: Option<Token>,
    is_readable: bool,
    has_ended: bool,
    is_urgent: bool,
    is_writable: bool,
    /// It was said to be ended or urgent: a short read brings no further word.
    is_silent: bool,
    /// Something was said since it was registered.
    was_prompted: bool,
}

/// How an end in the test's hands behaves.
#[derive(Default)]
struct Habits {
    received: Vec<u8>,
    /// Bytes on their way, as there is room.
    outbox: VecDeque<u8>,
    shuts_then: bool,
    has_stopped_reading: bool,
}

impl MemoryNet {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn stack(&self) -> MemoryStack {
        MemoryStack(self.clone())
    }

    /// Opens a listener for frames, on a port of its own if none is given.
    pub fn listen(&self, at: SocketAddr) -> io::Result<SocketAddr> {
        self.listen_for(at, Dialect::Frames)
    }

    /// The same for whoever speaks so.
    pub fn listen_for(&self, at: SocketAddr, dialect: Dialect) -> io::Result<SocketAddr> {
        let mut world = self.world();
        let port = if at.port() == 0 { world.next_port() } else { at.port() };
        let at = SocketAddr::new(at.ip(), port);
        if world.listeners.iter().any(|listener| listener.at == at) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        world.listeners.push(Listener { at, dialect, waiting: VecDeque::new(), is_news: false });
        Ok(at)
    }

    /// A client from some address of its own, or none where nobody listens.
    pub fn try_connect(&self, from: IpAddr, to: SocketAddr) -> Option<Client> {
        let end = self.world().connect(from, to, Owner::Client(Habits::default()))?;
        Some(Client { net: self.clone(), end })
    }

    /// A client that must get in.
    pub fn connect(&self, from: IpAddr, to: SocketAddr) -> Client {
        self.try_connect(from, to).expect("somebody listens there")
    }

    /// Whoever the stack connects to at this address is in the test's hands.
    pub fn host(&self, at: SocketAddr) {
        self.world().hosts.push((at, VecDeque::new()));
    }

    /// Nobody is there any more: who connects is refused.
    pub fn unhost(&self, at: SocketAddr) {
        self.world().hosts.retain(|(host, _)| *host != at);
    }

    /// The next connection that has come to a host.
    pub fn dialed(&self, at: SocketAddr) -> Option<Client> {
        let mut world = self.world();
        let (_, come) = world.hosts.iter_mut().find(|(host, _)| *host == at)?;
        let end = come.pop_front()?;
        Some(Client { net: self.clone(), end })
    }

    /// Whoever connects there from now on hears nothing.
    pub fn leave_unanswered(&self, at: SocketAddr) {
        self.world().unanswered.push((at, Vec::new()));
    }

    /// Those that wait there are answered after all, and so is whoever comes.
    pub fn answer(&self, at: SocketAddr) {
        let mut world = self.world();
        let Some(nth) = world.unanswered.iter().position(|(silent, _)| *silent == at) else { return };
        let (_, waiting) = world.unanswered.remove(nth);
        waiting.into_iter().for_each(|end| world.decide(end, at));
    }

    pub fn now(&self) -> Instant {
        Instant::from_micros(self.world().now)
    }

    /// Time passes without anybody waiting for it.
    pub fn pass(&self, span: Duration) {
        self.world().now += span.as_micros() as u64;
    }

    pub fn counts(&self) -> Counts {
        self.world().counts
    }

    /// The next `times` accepts fail.
    pub fn fail_accepts(&self, times: usize, how: AcceptFailure) {
        self.world().accept_failures = (times, Some(how));
    }

    /// Room between the ends of connections made from now on.
    pub fn set_pipe(&self, bytes: usize) {
        self.world().pipe_bytes = Some(bytes);
    }

    /// Every wait takes so long, also one that finds something.
    pub fn set_wait_takes(&self, span: Duration) {
        self.world().wait_takes = span;
    }

    /// No read and no write of the stack's moves more than this.
    pub fn set_short(&self, read: Option<usize>, write: Option<usize>) {
        let mut world = self.world();
        (world.read_at_most, world.write_at_most) = (read, write);
    }

    /// The next wait says this, true or not.
    pub fn say(&self, readiness: Readiness) {
        self.world().to_say.push(readiness);
    }

    /// From now on everything is said twice, and every token that ever was is named in every wait.
    pub fn be_noisy(&self) {
        self.world().is_noisy = true;
    }

    fn world(&self) -> RefMut<'_, World> {
        self.0.borrow_mut()
    }
}

impl Client {
    /// Sends it all, as there is room.
    pub fn send(&self, bytes: &[u8]) {
        let mut world = self.net.world();
        world.habits(self.end).outbox.extend(bytes);
        world.push_outbox(self.end);
    }

    /// What it sends is urgent: said once, and from then on nothing is said of what a short read left.
    pub fn urge(&self) {
        let mut world = self.net.world();
        let other = world.ends[self.end].other;
        if let Some(told) = world.ends[other].told() {
            told.is_urgent = true;
        }
    }

    /// Sends it all so many waits of the stack's from now, just before the last of them says what is ready.
    pub fn send_at_wait(&self, nth: usize, bytes: &[u8]) {
        let mut world = self.net.world();
        let when = world.counts.waits + nth;
        world.later.push((when, self.end, bytes.to_vec()));
    }

    /// Bytes that found no room yet.
    pub fn unsent(&self) -> usize {
        self.net.world().habits(self.end).outbox.len()
    }

    /// Everything read so far.
    pub fn received(&self) -> Vec<u8> {
        self.net.world().habits(self.end).received.clone()
    }

    /// How much that is.
    pub fn received_len(&self) -> usize {
        self.net.world().habits(self.end).received.len()
    }

    /// Reads nothing more until told to.
    pub fn stop_reading(&self) {
        self.net.world().habits(self.end).has_stopped_reading = true;
    }

    pub fn go_on_reading(&self) {
        let mut world = self.net.world();
        world.habits(self.end).has_stopped_reading = false;
        world.arrived(self.end);
    }

    /// So many bytes may lie unread on their way to it from now on.
    pub fn set_room(&self, bytes: usize) {
        let mut world = self.net.world();
        world.ends[self.end].room = bytes;
        world.made_room(self.end);
    }

    /// Sends its end, after what it is still sending.
    pub fn shutdown(&self) {
        let mut world = self.net.world();
        world.habits(self.end).shuts_then = true;
        world.push_outbox(self.end);
    }

    /// Resets the connection.
    pub fn reset(&self) {
        self.net.world().abort(self.end);
    }

    /// Whether the other side's end has been read.
    pub fn has_ended(&self) -> bool {
        let world = self.net.world();
        let end = &world.ends[self.end];
        end.has_ended && end.inbox.is_empty()
    }

    /// Whether the other side has reset the connection.
    pub fn was_reset(&self) -> bool {
        self.net.world().ends[self.end].error.is_some()
    }

    /// Whether the connection is over, one way or the other.
    pub fn is_over(&self) -> bool {
        self.has_ended() || self.was_reset()
    }
}

impl Stack for MemoryStack {
    type Stream = MemoryStream;

    /// # Panics
    /// When it would wait for ever: a test in which nothing can happen any more.
    fn wait(&mut self, ready: &mut Vec<Readiness>, until: Option<Instant>) -> io::Result<Instant> {
        let mut world = self.0.world();
        world.counts.waits += 1;
        world.now += world.wait_takes.as_micros() as u64;
        world.send_what_is_due();
        let before = ready.len();
        world.say_what_is_ready(ready);
        if ready.len() == before {
            let until = until.expect("nothing is ready and nobody wants to be woken: this waits for ever");
            world.now = world.now.max(until.as_micros());
        }
        if world.is_noisy {
            world.make_noise(ready, before);
        }
        Ok(Instant::from_micros(world.now))
    }

    fn accept(&mut self) -> io::Result<(MemoryStream, SocketAddr, Dialect)> {
        let mut world = self.0.world();
        world.counts.accept_calls += 1;
        if world.listeners.iter().all(|listener| listener.waiting.is_empty()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if let (left @ 1.., Some(failure)) = &mut world.accept_failures {
            *left -= 1;
            return Err(failure.error());
        }
        let next = |listener: &mut Listener| Some((listener.waiting.pop_front()?, listener.dialect));
        let (end, dialect) = world.listeners.iter_mut().find_map(next).expect("somebody waits");
        let address = world.ends[world.ends[end].other].address;
        Ok((world.hand_out(end), address, dialect))
    }

    fn stop_listening(&mut self) {
        let mut world = self.0.world();
        let listeners = std::mem::take(&mut world.listeners);
        listeners.into_iter().flat_map(|listener| listener.waiting).for_each(|end| world.abort(end));
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn connect(&mut self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<MemoryStream> {
        let mut world = self.0.world();
        let from = from.unwrap_or(to.ip());
        let port = world.next_port();
        let room = world.pipe_bytes.unwrap_or(PIPE_BYTES);
        let end = world.ends.len();
        let owner = Owner::Stack(Told::default());
        world
            .ends
            .push(End { is_under_way: true, ..End::new(end, SocketAddr::new(from, port), room, owner) });
        match world.unanswered.iter_mut().find(|(silent, _)| *silent == to) {
            Some((_, waiting)) => waiting.push(end),
            None => world.decide(end, to),
        }
        Ok(world.hand_out(end))
    }

    fn connected(&mut self, stream: &mut MemoryStream) -> io::Result<()> {
        let world = self.0.world();
        let end = &world.ends[stream.end];
        match end.error {
            Some(kind) => Err(kind.into()),
            None if end.is_under_way => Err(io::ErrorKind::WouldBlock.into()),
            None => Ok(()),
        }
    }

    fn register(&mut self, stream: &mut MemoryStream, token: Token) -> io::Result<()> {
        let mut world = self.0.world();
        world.tokens.push(token);
        let end = &mut world.ends[stream.end];
        let (is_readable, has_ended) = (!end.inbox.is_empty(), end.has_ended || end.error.is_some());
        let is_writable = !end.is_under_way;
        let told = end.told().expect("the stack's own stream");
        *told = Told { token: Some(token), is_readable, has_ended, is_writable, ..Told::default() };
        Ok(())
    }

    fn read(&mut self, stream: &mut MemoryStream, into: &mut [u8]) -> io::Result<usize> {
        self.0.world().read(stream.end, into)
    }

    fn write(&mut self, stream: &mut MemoryStream, parts: &[Part<'_>]) -> io::Result<usize> {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.as_slice()).copied().collect();
        self.0.world().write_shortly(stream.end, &bytes)
    }

    fn shutdown(&mut self, stream: &mut MemoryStream) -> io::Result<()> {
        let mut world = self.0.world();
        if world.ends[stream.end].error.is_some() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        world.shut(stream.end);
        Ok(())
    }

    fn close(&mut self, stream: MemoryStream) {
        let mut world = self.0.world();
        world.counts.closed += 1;
        world.take_back(stream, World::close);
    }

    fn abort(&mut self, stream: MemoryStream) {
        let mut world = self.0.world();
        world.counts.aborted += 1;
        world.take_back(stream, World::abort);
    }
}

impl AcceptFailure {
    fn error(self) -> io::Error {
        match self {
            Self::NoDescriptors => io::Error::from_raw_os_error(24),
            Self::Aborted => io::ErrorKind::ConnectionAborted.into(),
        }
    }
}

impl World {
    fn next_port(&mut self) -> u16 {
        self.last_port = self.last_port.max(FIRST_EPHEMERAL_PORT) + 1;
        self.last_port
    }

    fn send_what_is_due(&mut self) {
        let waits = self.counts.waits;
        for (_, end, bytes) in self.later.extract_if(.., |(when, ..)| *when <= waits).collect::<Vec<_>>() {
            self.habits(end).outbox.extend(bytes);
            self.push_outbox(end);
        }
    }

    /// Both ends of a connection; the listener's waits to be accepted.
    fn connect(&mut self, from: IpAddr, to: SocketAddr, owner: Owner) -> Option<usize> {
        let listener = self.listeners.iter().position(|listener| listener.at == to)?;
        let (near, far) = (self.ends.len(), self.ends.len() + 1);
        let port = self.next_port();
        let room = self.pipe_bytes.unwrap_or(PIPE_BYTES);
        self.ends.push(End::new(far, SocketAddr::new(from, port), room, owner));
        self.ends.push(End::new(near, to, room, Owner::Stack(Told::default())));
        let listener = &mut self.listeners[listener];
        listener.waiting.push_back(far);
        listener.is_news = true;
        Some(near)
    }

    /// A connection of the stack's has its other end, or is refused where nobody is.
    fn decide(&mut self, near: usize, to: SocketAddr) {
        self.ends[near].is_under_way = false;
        if self.ends[near].is_gone {
            return;
        }
        let (far, room) = (self.ends.len(), self.ends[near].room);
        let host = self.hosts.iter_mut().find(|(host, _)| *host == to);
        let listener = self.listeners.iter_mut().find(|listener| listener.at == to);
        let owner = match (host, listener) {
            (Some((_, come)), _) => {
                come.push_back(far);
                Owner::Client(Habits::default())
            }
            (None, Some(listener)) => {
                listener.waiting.push_back(far);
                listener.is_news = true;
                Owner::Stack(Told::default())
            }
            (None, None) => return self.fail(near, io::ErrorKind::ConnectionRefused),
        };
        self.ends.push(End::new(near, to, room, owner));
        self.ends[near].other = far;
        if let Some(told) = self.ends[near].told() {
            told.is_writable = true;
        }
    }

    fn hand_out(&mut self, end: usize) -> MemoryStream {
        self.counts.alive += 1;
        self.counts.handed_out += 1;
        MemoryStream { end }
    }

    fn take_back(&mut self, stream: MemoryStream, how: fn(&mut Self, usize)) {
        self.counts.alive -= 1;
        how(self, stream.end);
    }

    fn say_what_is_ready(&mut self, ready: &mut Vec<Readiness>) {
        ready.append(&mut self.to_say);
        for listener in &mut self.listeners {
            if std::mem::take(&mut listener.is_news) {
                ready.push(Readiness::Acceptable);
            }
        }
        self.ends.iter_mut().filter_map(End::told).for_each(|told| told.say(ready));
    }

    /// Everything again, and something about everybody who is or was there.
    fn make_noise(&self, ready: &mut Vec<Readiness>, before: usize) {
        let again = ready[before..].to_vec();
        ready.extend(again);
        ready.extend(self.tokens.iter().flat_map(|&token| {
            [Readiness::Readable(token), Readiness::Ended(token), Readiness::Writable(token)]
        }));
    }

    fn read(&mut self, at: usize, into: &mut [u8]) -> io::Result<usize> {
        if self.ends[at].told().is_some_and(|told| !told.was_prompted) {
            self.counts.unprompted_reads += 1;
        }
        let end = &mut self.ends[at];
        if let Some(kind) = end.error {
            return Err(kind.into());
        }
        if end.inbox.is_empty() {
            return if end.has_ended { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let len = into.len().min(end.inbox.len()).min(self.read_at_most.unwrap_or(usize::MAX));
        end.inbox.drain(..len).zip(into.iter_mut()).for_each(|(byte, place)| *place = byte);
        let is_short = len < into.len() && !end.inbox.is_empty();
        if let Some(told) = end.told() {
            told.is_readable |= is_short && !told.is_silent;
        }
        self.counts.reads += 1;
        self.counts.read_bytes += len;
        self.made_room(at);
        Ok(len)
    }

    fn write_shortly(&mut self, from: usize, bytes: &[u8]) -> io::Result<usize> {
        let most = self.write_at_most.unwrap_or(usize::MAX).min(bytes.len());
        let len = self.write(from, &bytes[..most])?;
        self.counts.written_bytes += len;
        if len == most && most < bytes.len() {
            // there may be room for more: said as after any other short write
            if let Some(told) = self.ends[from].told() {
                told.is_writable = true;
            }
        }
        Ok(len)
    }

    fn write(&mut self, from: usize, bytes: &[u8]) -> io::Result<usize> {
        let end = &self.ends[from];
        if let Some(kind) = end.error {
            return Err(kind.into());
        }
        if end.is_under_way {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if end.is_shut {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let to = end.other;
        if self.ends[to].is_gone {
            self.fail(from, io::ErrorKind::ConnectionReset); // the answer to bytes for nobody
            return Ok(bytes.len());
        }
        let room = self.ends[to].room - self.ends[to].inbox.len();
        let len = room.min(bytes.len());
        self.ends[from].is_starved = len < bytes.len();
        if len == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.ends[to].inbox.extend(&bytes[..len]);
        self.arrived(to);
        Ok(len)
    }

    /// Something new is in an end's inbox.
    fn arrived(&mut self, at: usize) {
        let End { owner, inbox, .. } = &mut self.ends[at];
        match owner {
            Owner::Stack(told) => told.is_readable = true,
            Owner::Client(habits) if habits.has_stopped_reading => {}
            Owner::Client(habits) => {
                habits.received.extend(inbox.drain(..));
                self.made_room(at);
            }
        }
    }

    /// Something was taken from an end's inbox: whoever waited to write more is told.
    fn made_room(&mut self, at: usize) {
        let other = self.ends[at].other;
        if !std::mem::take(&mut self.ends[other].is_starved) {
            return;
        }
        match self.ends[other].told() {
            Some(told) => told.is_writable = true,
            None => self.push_outbox(other),
        }
    }

    fn push_outbox(&mut self, from: usize) {
        let outbox = std::mem::take(&mut self.habits(from).outbox);
        let (front, back) = outbox.as_slices();
        let bytes = [front, back].concat();
        let len = self.write(from, &bytes).unwrap_or(0);
        if self.ends[from].error.is_some() || self.ends[from].is_gone {
            return; // what is lost is lost
        }
        let habits = self.habits(from);
        habits.outbox = bytes[len..].iter().copied().collect();
        if habits.outbox.is_empty() && habits.shuts_then {
            self.shut(from);
        }
    }

    fn shut(&mut self, from: usize) {
        if std::mem::replace(&mut self.ends[from].is_shut, true) {
            return;
        }
        let other = self.ends[from].other;
        let end = &mut self.ends[other];
        end.has_ended = true;
        if let Some(told) = end.told() {
            told.has_ended = true;
        }
    }

    /// As the kernel does it: with input unread this is a reset.
    fn close(&mut self, at: usize) {
        if !self.ends[at].inbox.is_empty() {
            return self.abort(at);
        }
        self.shut(at);
        self.forget(at);
    }

    fn abort(&mut self, at: usize) {
        let other = self.ends[at].other;
        if other == at {
            return self.forget(at);
        }
        self.fail(other, io::ErrorKind::ConnectionReset);
        self.forget(at);
    }

    /// Nobody holds this end any more.
    fn forget(&mut self, at: usize) {
        let end = &mut self.ends[at];
        end.is_gone = true;
        end.inbox.clear();
        match &mut end.owner {
            Owner::Stack(told) => *told = Told::default(),
            Owner::Client(habits) => habits.outbox.clear(),
        }
    }

    /// A reset reaches an end: what it has not read is lost.
    fn fail(&mut self, at: usize, kind: io::ErrorKind) {
        let end = &mut self.ends[at];
        if end.is_gone || end.error.is_some() {
            return;
        }
        end.error = Some(kind);
        end.inbox.clear();
        match &mut end.owner {
            Owner::Stack(told) => (told.has_ended, told.is_writable) = (true, true),
            Owner::Client(habits) => habits.outbox.clear(),
        }
    }

    fn habits(&mut self, at: usize) -> &mut Habits {
        match &mut self.ends[at].owner {
            Owner::Client(habits) => habits,
            Owner::Stack(_) => unreachable!("a client's end"),
        }
    }
}

impl End {
    fn new(other: usize, address: SocketAddr, room: usize, owner: Owner) -> Self {
        Self {
            other,
            address,
            inbox: VecDeque::new(),
            room,
            is_under_way: false,
            has_ended: false,
            error: None,
            is_shut: false,
            is_gone: false,
            is_starved: false,
            owner,
        }
    }

    fn told(&mut self) -> Option<&mut Told> {
        match &mut self.owner {
            Owner::Stack(told) => Some(told),
            Owner::Client(_) => None,
        }
    }
}

impl Told {
    fn say(&mut self, ready: &mut Vec<Readiness>) {
        let Some(token) = self.token else { return };
        let before = ready.len();
        let is_readable = std::mem::take(&mut self.is_readable);
        if std::mem::take(&mut self.has_ended) {
            self.is_silent = true;
            ready.push(Readiness::Ended(token));
        } else if is_readable {
            ready.push(Readiness::Readable(token));
        }
        if std::mem::take(&mut self.is_urgent) {
            self.is_silent = true;
            ready.push(Readiness::Urgent(token));
        }
        self.was_prompted |= ready.len() > before;
        if std::mem::take(&mut self.is_writable) {
            ready.push(Readiness::Writable(token));
        }
    }
}

/// An address for the n-th client: each has its own.
pub fn client_ip(n: u32) -> IpAddr {
    IpAddr::V4(Ipv4Addr::from(0x0a00_0001 + n))
}
