//! Everybody but the relay: does what the scripts say, on a stack of their own. Knows streams and scripts; knows no
//! relay.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::{Buf, Bytes};

use super::packet::Conn;
use super::profile::Profile;
use super::roles::{Act, Move, Role, Scene, Script};
use super::stack::{SimStack, SimStream};
use crate::protocol::Token;
use crate::server::{Readiness, Stack};
use crate::time::Instant;
use crate::wire::{Framing, Part};

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// All actors and what each is in the middle of.
#[derive(Debug)]
pub struct Crowd {
    stack: SimStack,
    actors: Vec<Actor>,
    /// Where the relay is, for those who speak frames and for those who speak lines.
    relay: SocketAddr,
    for_lines: SocketAddr,
    act: Act,
    ready: Vec<Readiness>,
    scratch: Box<[u8]>,
    /// Moves made, by role.
    moves: [u64; Role::ALL.len()],
}

/// Somebody.
#[derive(Debug)]
struct Actor {
    script: Script,
    from: IpAddr,
    profile: Profile,
    stream: Option<SimStream>,
    outbox: VecDeque<Bytes>,
    /// Says its end once all is said.
    finishes: bool,
    reads: Reads,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reads {
    Everything,
    OnlyWhenTold,
}

impl Crowd {
    /// Nobody, on a stack of their own.
    pub fn new(stack: SimStack, relay: SocketAddr, for_lines: SocketAddr) -> Self {
        Self {
            stack,
            actors: Vec::new(),
            relay,
            for_lines,
            act: Act::Open,
            ready: Vec::new(),
            scratch: vec![0; READ_BYTES].into(),
            moves: [0; Role::ALL.len()],
        }
    }

    /// One more. Says which one it is.
    pub fn join(&mut self, script: Script, from: IpAddr, profile: Profile) -> usize {
        self.actors.push(Actor {
            script,
            from,
            profile,
            stream: None,
            outbox: VecDeque::new(),
            finishes: false,
            reads: Reads::Everything,
        });
        self.actors.len() - 1
    }

    /// The world is at another point; everybody is to be asked again.
    pub fn enter(&mut self, act: Act) {
        self.act = act;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.actors.len()
    }

    /// The stack, for the world.
    pub fn stack(&mut self) -> &mut SimStack {
        &mut self.stack
    }

    /// What kind of way an actor has to the relay.
    pub fn profile_of(&self, actor: usize) -> Profile {
        self.actors[actor].profile
    }

    /// Whose connection it is, if it is still somebody's.
    pub fn whose(&self, conn: Conn) -> Option<usize> {
        self.actors.iter().position(|actor| actor.stream.as_ref().is_some_and(|stream| stream.conn() == conn))
    }

    /// The honest ones, and the connection each has.
    pub fn honest(&self) -> impl Iterator<Item = (Role, IpAddr, Option<Conn>)> {
        let honest = self.actors.iter().filter(|actor| actor.script.role().is_honest());
        honest.map(|actor| (actor.script.role(), actor.from, actor.stream.as_ref().map(SimStream::conn)))
    }

    /// Moves made so far, by role.
    pub fn moves(&self) -> impl Iterator<Item = (Role, u64)> {
        Role::ALL.into_iter().zip(self.moves)
    }

    /// An actor's time has come. Says when to ask it again.
    pub fn prompt(&mut self, now: Instant, at: usize) -> Option<Duration> {
        self.stack.begin_turn(now);
        let actor = &mut self.actors[at];
        let unsent = actor.outbox.iter().map(Bytes::len).sum();
        let scene = Scene { act: self.act, is_connected: actor.stream.is_some(), unsent };
        let cue = actor.script.next(&scene);
        self.moves[actor.script.role() as usize] += cue.moves.len() as u64;
        cue.moves.into_iter().for_each(|next| self.make(at, next));
        self.flush(at);
        cue.next
    }

    /// Something has come for somebody.
    pub fn turn(&mut self, now: Instant) {
        self.stack.begin_turn(now);
        let mut ready = std::mem::take(&mut self.ready);
        // a crowd's stack says what it has to say and never fails
        let _ = self.stack.wait(&mut ready, None);
        for readiness in ready.drain(..) {
            match readiness {
                Readiness::Readable(Token(at)) | Readiness::Ended(Token(at)) => self.heard(at as usize),
                Readiness::Writable(Token(at)) => self.flush(at as usize),
                Readiness::Urgent(_) | Readiness::Acceptable | Readiness::Woken => {}
            }
        }
        self.ready = ready;
    }

    fn make(&mut self, at: usize, next: Move) {
        let actor = &mut self.actors[at];
        match next {
            Move::Connect => {
                let to = match actor.script.framing() {
                    Framing::Frames => self.relay,
                    Framing::Lines => self.for_lines,
                };
                self.connect(at, to);
            }
            Move::Knock => {
                let nowhere = SocketAddr::new(self.relay.ip(), self.relay.port() ^ 1);
                self.connect(at, nowhere);
            }
            Move::Say(bytes) if bytes.is_empty() => {}
            Move::Say(bytes) => actor.outbox.push_back(bytes),
            Move::Finish => actor.finishes = true,
            Move::Close => self.part(at, Stack::close),
            Move::Reset => self.part(at, Stack::abort),
            Move::Read(some) => {
                actor.reads = Reads::OnlyWhenTold;
                self.read(at, some);
            }
        }
    }

    fn connect(&mut self, at: usize, to: SocketAddr) {
        let actor = &mut self.actors[at];
        let Ok(mut stream) = self.stack.connect(to, Some(actor.from)) else { return };
        let token = Token(at as u32); // fewer actors than that
        if self.stack.register(&mut stream, token).is_ok() {
            (actor.stream, actor.finishes, actor.reads) = (Some(stream), false, Reads::Everything);
            actor.outbox.clear();
        }
    }

    fn part(&mut self, at: usize, how: fn(&mut SimStack, SimStream)) {
        self.flush(at);
        let actor = &mut self.actors[at];
        actor.outbox.clear();
        if let Some(stream) = actor.stream.take() {
            how(&mut self.stack, stream);
        }
    }

    fn heard(&mut self, at: usize) {
        if self.actors.get(at).is_some_and(|actor| actor.reads == Reads::Everything) {
            self.read(at, usize::MAX);
        }
    }

    /// Reads so many bytes at most, or until there is nothing, or the end.
    fn read(&mut self, at: usize, most: usize) {
        let mut left = most;
        while left > 0 {
            let Some(stream) = &mut self.actors[at].stream else { return };
            let len = left.min(READ_BYTES);
            match self.stack.read(stream, &mut self.scratch[..len]) {
                Ok(0) => return self.part(at, Stack::close),
                Ok(len) => left -= len,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return self.part(at, Stack::abort),
            }
        }
    }

    fn flush(&mut self, at: usize) {
        let Some(actor) = self.actors.get_mut(at) else { return };
        let Some(stream) = &mut actor.stream else { return };
        while let Some(first) = actor.outbox.front_mut() {
            match self.stack.write(stream, &[Part::new(first, 0, first.len())]) {
                Ok(len) => first.advance(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => actor.outbox.clear(), // reading says why
            }
            if actor.outbox.front().is_some_and(Bytes::is_empty) {
                actor.outbox.pop_front();
            }
        }
        if actor.finishes {
            let _ = self.stack.shutdown(stream); // a connection that has failed is over anyway
        }
    }
}
