//! Those who say and hear: honest peers, each of one relay, that come back when they have lost it. Beside them
//! somebody who answers whoever connects to him with junk. Knows streams and frames; knows no relay but where it is.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};

use bytes::{Buf, Bytes};

use super::setup::{LIAR, LeafPart, MeshSetup};
use crate::protocol::{Dialect, Token};
use crate::server::{Readiness, Stack};
use crate::sim::broken::{Broken, Promise};
use crate::sim::packet::Conn;
use crate::sim::stack::{SimStack, SimStream};
use crate::time::Instant;
use crate::wire::decoder::DecoderLimits;
use crate::wire::{Command, Decoder, Frame, Part};

/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;
/// From here on tokens are those of whoever the liar has to do with.
const FIRST_LIE: u32 = 1000;
/// More than a sliding window passes.
const JUNK: &[u8] = b"this is no frame of anybody's, and it never will be one";

/// All of them, on one host.
#[derive(Debug)]
pub struct Leaves {
    stack: SimStack,
    leaves: Vec<Leaf>,
    /// Those who have connected to the liar.
    lied_to: Vec<Option<SimStream>>,
    limits: DecoderLimits,
    ready: Vec<Readiness>,
    scratch: Box<[u8]>,
    heard: Vec<(usize, Frame<'static>)>,
    lost: Vec<usize>,
}

#[derive(Debug)]
struct Leaf {
    relay: SocketAddr,
    from: IpAddr,
    decoder: Decoder,
    stream: Option<SimStream>,
    /// Its connection is there.
    is_open: bool,
    /// It has left for good.
    has_left: bool,
    outbox: VecDeque<Bytes>,
}

impl Leaves {
    /// Nobody is connected yet.
    pub fn new(mut stack: SimStack, parts: &[LeafPart], limits: DecoderLimits) -> Self {
        stack.listen(LIAR, Dialect::Frames);
        let leaf = |part: &LeafPart| Leaf {
            relay: MeshSetup::address(part.relay),
            from: part.from,
            decoder: Decoder::new(limits),
            stream: None,
            is_open: false,
            has_left: false,
            outbox: VecDeque::new(),
        };
        Self {
            stack,
            leaves: parts.iter().map(leaf).collect(),
            lied_to: Vec::new(),
            limits,
            ready: Vec::new(),
            scratch: vec![0; READ_BYTES].into(),
            heard: Vec::new(),
            lost: Vec::new(),
        }
    }

    /// The stack, for the world.
    pub fn stack(&mut self) -> &mut SimStack {
        &mut self.stack
    }

    /// Whether there is an end of a connection.
    pub fn has(&self, conn: Conn) -> bool {
        self.stack.has(conn)
    }

    /// A leaf's connection, once it is there.
    pub fn conn(&self, leaf: usize) -> Option<Conn> {
        let leaf = &self.leaves[leaf];
        leaf.stream.as_ref().filter(|_| leaf.is_open).map(SimStream::conn)
    }

    /// A leaf connects, unless it is connected or has left. An attempt that came to nothing is left.
    pub fn join(&mut self, now: Instant, at: usize) {
        self.stack.begin_turn(now);
        let leaf = &mut self.leaves[at];
        if leaf.has_left || (leaf.is_open && leaf.stream.is_some()) {
            return;
        }
        if let Some(stream) = leaf.stream.take() {
            self.stack.abort(stream);
        }
        (leaf.decoder, leaf.is_open) = (Decoder::new(self.limits), false);
        leaf.outbox.clear();
        let Ok(mut stream) = self.stack.connect(leaf.relay, Some(leaf.from)) else { return };
        if self.stack.register(&mut stream, Token(at as u32)).is_ok() {
            leaf.stream = Some(stream);
        }
    }

    /// A leaf says something; it is connected.
    pub fn say(&mut self, now: Instant, at: usize, frame: &Frame<'_>) {
        self.stack.begin_turn(now);
        self.leaves[at].outbox.push_back(Bytes::copy_from_slice(frame.as_bytes()));
        self.flush(at);
    }

    /// A leaf leaves for good.
    pub fn leave(&mut self, now: Instant, at: usize) {
        self.stack.begin_turn(now);
        self.leaves[at].has_left = true;
        if let Some(stream) = self.leaves[at].stream.take() {
            self.stack.close(stream);
        }
    }

    /// Nobody comes back any more.
    pub fn end(&mut self) {
        self.leaves.iter_mut().for_each(|leaf| leaf.has_left = true);
    }

    /// Something has come for somebody.
    pub fn turn(&mut self, now: Instant) -> Result<(), Broken> {
        self.stack.begin_turn(now);
        let mut ready = std::mem::take(&mut self.ready);
        // their stack says what it has to say and never fails
        let _ = self.stack.wait(&mut ready, None);
        for readiness in ready.drain(..) {
            match readiness {
                Readiness::Acceptable => self.lie(),
                Readiness::Readable(token) | Readiness::Ended(token) if token.0 >= FIRST_LIE => {
                    self.shrug(token)
                }
                Readiness::Readable(Token(at)) | Readiness::Ended(Token(at)) => self.read(at as usize)?,
                Readiness::Writable(Token(at)) if at < FIRST_LIE => self.writable(at as usize),
                Readiness::Writable(_) | Readiness::Urgent(_) | Readiness::Woken => {}
            }
        }
        self.ready = ready;
        Ok(())
    }

    /// What was heard since the last call, and by whom.
    pub fn take_heard(&mut self) -> Vec<(usize, Frame<'static>)> {
        std::mem::take(&mut self.heard)
    }

    /// Who has lost its connection since the last call.
    pub fn take_lost(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.lost)
    }

    fn writable(&mut self, at: usize) {
        let Some(leaf) = self.leaves.get_mut(at) else { return };
        if let Some(stream) = &mut leaf.stream {
            leaf.is_open |= self.stack.connected(stream).is_ok();
        }
        self.flush(at);
    }

    fn flush(&mut self, at: usize) {
        let leaf = &mut self.leaves[at];
        let Some(stream) = &mut leaf.stream else { return };
        while let Some(first) = leaf.outbox.front_mut() {
            match self.stack.write(stream, &[Part::new(first, 0, first.len())]) {
                Ok(len) => first.advance(len),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => return leaf.outbox.clear(), // reading says why
            }
            if leaf.outbox.front().is_some_and(Bytes::is_empty) {
                leaf.outbox.pop_front();
            }
        }
    }

    fn read(&mut self, at: usize) -> Result<(), Broken> {
        loop {
            let Some(stream) = &mut self.leaves[at].stream else { return Ok(()) };
            match self.stack.read(stream, &mut self.scratch) {
                Ok(0) => {
                    self.part(at, Stack::close);
                    return Ok(());
                }
                Ok(len) => self.decode(at, len)?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(_) => {
                    self.part(at, Stack::abort);
                    return Ok(());
                }
            }
        }
    }

    fn decode(&mut self, at: usize, len: usize) -> Result<(), Broken> {
        let mut input = &self.scratch[..len];
        loop {
            match self.leaves[at].decoder.decode(&mut input) {
                Ok(None) => return Ok(()),
                Ok(Some(frame)) if frame.command() == Command::PONG => {}
                Ok(Some(frame)) => {
                    let magic = self.limits.magic;
                    self.heard.push((at, Frame::encode(magic, frame.command(), frame.payload())));
                }
                Err(error) => {
                    return Err(Promise::Delivery.broken(format!("leaf {at} heard no frame: {error}")));
                }
            }
        }
    }

    fn part(&mut self, at: usize, how: fn(&mut SimStack, SimStream)) {
        if let Some(stream) = self.leaves[at].stream.take() {
            how(&mut self.stack, stream);
        }
        self.lost.push(at);
    }

    /// Whoever has connected to the liar is answered.
    fn lie(&mut self) {
        while let Ok((mut stream, ..)) = self.stack.accept() {
            let token = Token(FIRST_LIE + self.lied_to.len() as u32); // far fewer
            let is_watched = self.stack.register(&mut stream, token).is_ok();
            let junk = Bytes::from_static(JUNK);
            if is_watched && self.stack.write(&mut stream, &[Part::new(&junk, 0, junk.len())]).is_ok() {
                self.lied_to.push(Some(stream));
            } else {
                self.stack.abort(stream);
            }
        }
    }

    /// Whoever was lied to says something, or goes.
    fn shrug(&mut self, token: Token) {
        let Some(place) = self.lied_to.get_mut((token.0 - FIRST_LIE) as usize) else { return };
        let Some(stream) = place else { return };
        loop {
            match self.stack.read(stream, &mut self.scratch) {
                Ok(len) if len > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Ok(_) | Err(_) => break,
            }
        }
        if let Some(stream) = place.take() {
            self.stack.close(stream);
        }
    }
}
