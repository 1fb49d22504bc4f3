//! How the room fills: everybody connects, and asks, a relay with a ping, whether it is in; a line peer waits for a
//! probe. Who is answered was let in, in an earlier turn of the relay's than whatever is sent from now on: it is due
//! all of it.

use std::borrow::Cow;
use std::io;
use std::time::Duration;

use super::Load;
use super::dialect::{Codec, Items, Meaning, Next, Occasion, quoted};
use super::link::{Link, Stage};
use super::maker::MessageId;
use super::plan::LoadError;
use super::receiver::{Receiver, Run};
use super::rendering::Track;
use crate::protocol::Token;
use crate::server::Stack;
use crate::time::Instant;
use crate::wire::{DecodeError, Decoder, LineDecoder};

/// Peers that may be on their way into the room at once: fewer than a listener's backlog, or some would wait for
/// the retransmission of their SYN.
const AT_ONCE: u32 = 256;

/// How far the room has filled.
#[derive(Debug)]
pub struct Joining {
    begun_at: Instant,
    full_at: Option<Instant>,
    peers: u32,
    /// Peers that have set out.
    begun: u32,
    joined: u32,
}

impl Joining {
    /// Nobody has come.
    pub fn beginning(now: Instant, peers: u32) -> Self {
        Self { begun_at: now, full_at: None, peers, begun: 0, joined: 0 }
    }

    /// How many are in.
    pub fn joined(&self) -> u32 {
        self.joined
    }

    /// How long it took until everybody was in.
    pub fn took(&self) -> Option<Duration> {
        self.full_at.map(|full| full.since(self.begun_at))
    }

    /// Whether somebody can set out now.
    pub fn can_begin_another(&self) -> bool {
        self.begun < self.peers && self.begun - self.joined < AT_ONCE
    }
}

impl<S: Stack> Load<S> {
    /// Has as many set out as may be on their way.
    pub(super) fn join(&mut self) -> Result<(), LoadError> {
        while self.joining.can_begin_another() {
            self.set_out()?;
        }
        if self.joining.joined == self.plan.peers {
            self.joining.full_at = Some(self.now);
            self.begin();
        } else if self.now >= self.last_news + self.plan.patience {
            return Err(self.no_answer());
        } else {
            self.probe_for_arrivals();
        }
        Ok(())
    }

    /// It is said of the first who waits.
    fn no_answer(&self) -> LoadError {
        let waits = self.links.iter().position(|link| !link.is_talking()).unwrap_or(0) as u32;
        let (dialect, to) = (self.plan.spoken(waits), self.plan.address(waits));
        let (joined, peers, patience) = (self.joining.joined, self.plan.peers, self.plan.patience);
        LoadError::NoAnswer { dialect, to, joined, peers, patience }
    }

    fn set_out(&mut self) -> Result<(), LoadError> {
        let peer = self.joining.begun;
        let (to, source) = (self.plan.address(peer), self.plan.source(peer));
        let connected = self.stack.connect(to, source).and_then(|mut stream| {
            self.stack.register(&mut stream, Token(peer))?;
            Ok(stream)
        });
        let stream = connected.map_err(|error| self.cannot_connect(peer, error))?;
        let (role, track) = (self.plan.role(peer), self.plan.track(peer));
        let receiver = Receiver::new(peer, role, track, self.plan.senders as usize);
        self.links.push(Link::new(stream, receiver));
        self.joining.begun += 1;
        Ok(())
    }

    /// The connection is there: is it in the room?
    pub(super) fn greet(&mut self, peer: u32) {
        let codec = self.run.maker.codec(self.plan.track(peer));
        let link = &mut self.links[peer as usize];
        link.stage = match codec {
            Codec::Frames(frames) => Stage::Greeting(Box::new(Decoder::new(frames.decoder_limits()))),
            Codec::Lines => Stage::Listening(LineDecoder::new(self.run.maker.largest() as usize)),
            Codec::Foreign(_) => Stage::Introducing(Items::default()),
        };
        match codec.question(Occasion::Arrival, self.plan.role(peer), peer) {
            Some(question) => link.queue(question),
            None => self.probing.one_listens(),
        }
    }

    /// Something came for a peer that is not in the room yet. What is left of it once it is.
    pub(super) fn answered<'b>(&mut self, peer: u32, bytes: &'b [u8]) -> Result<&'b [u8], LoadError> {
        match &self.links[peer as usize].stage {
            Stage::Greeting(_) => Ok(self.ponged(peer, bytes)),
            Stage::Listening(_) => Ok(self.heard(peer, bytes)),
            Stage::Introducing(_) => self.introduced(peer, bytes),
            Stage::Connecting | Stage::Talking | Stage::Gone => Ok(bytes),
        }
    }

    /// A relay's answer is a pong. What is left behind it.
    fn ponged<'b>(&mut self, peer: u32, mut bytes: &'b [u8]) -> &'b [u8] {
        let track = self.plan.track(peer);
        let frames = self.run.maker.frames(track).expect("only a relay answers with frames");
        let pong = frames.pong(Occasion::Arrival, peer);
        let link = &mut self.links[peer as usize];
        while let Stage::Greeting(decoder) = &mut link.stage
            && !bytes.is_empty()
        {
            match decoder.decode(&mut bytes) {
                Ok(Some(frame)) if frame.as_bytes() == pong => {
                    link.stage = Stage::Talking;
                    self.joining.joined += 1;
                    self.last_news = self.now;
                }
                // others may be talking in that room
                Err(DecodeError::Oversize { .. }) => decoder.abandon(),
                Ok(_) | Err(_) => {}
            }
        }
        bytes
    }

    /// Whoever hears a probe is in the room. What is left behind it.
    fn heard<'b>(&mut self, peer: u32, mut bytes: &'b [u8]) -> &'b [u8] {
        let track = self.plan.track(peer);
        let link = &mut self.links[peer as usize];
        while let Stage::Listening(decoder) = &mut link.stage
            && !bytes.is_empty()
        {
            // others may be talking in that room, in lines of any length
            if let Ok(Some(line)) = decoder.decode(&mut bytes)
                && is_probe(&line, peer, track, &self.run)
            {
                link.stage = Stage::Talking;
                self.joining.joined += 1;
                self.probing.one_has_heard();
                self.last_news = self.now;
            }
        }
        bytes
    }

    /// Another server says what it has to say until it has let the peer in. What is left behind that.
    fn introduced<'b>(&mut self, peer: u32, mut bytes: &'b [u8]) -> Result<&'b [u8], LoadError> {
        let foreign = self.run.maker.foreign(self.plan.track(peer)).expect("a relay is greeted");
        let (role, largest) = (self.plan.role(peer), self.plan.sizes.end());
        let link = &mut self.links[peer as usize];
        while let Stage::Introducing(items) = &mut link.stage
            && !bytes.is_empty()
        {
            let (said, meaning) = match items.next(&mut bytes, foreign, *largest as usize) {
                Next::Part => continue,
                Next::Item(said) => {
                    let meaning = foreign.meaning(Occasion::Arrival, role, peer, &said);
                    (said, meaning)
                }
                Next::Junk(said) => (said, Meaning::Other),
                Next::Long(_) => (Cow::default(), Meaning::Other),
            };
            match meaning {
                Meaning::Answer => {
                    link.stage = Stage::Talking;
                    self.joining.joined += 1;
                    self.last_news = self.now;
                }
                Meaning::Asks(reply) => self.run.asides.reply(reply),
                Meaning::Notice => {}
                Meaning::Error(said) => return Err(self.refused(peer, format!("said {said}"))),
                Meaning::Delivery | Meaning::Receipt | Meaning::Other => {
                    let (dialect, said) = (foreign.dialect(), quoted(&said));
                    return Err(self.refused(peer, format!("does not answer in {dialect}: {said}")));
                }
            }
        }
        Ok(bytes)
    }

    fn refused(&self, peer: u32, what: String) -> LoadError {
        LoadError::Refused { peer, peers: self.plan.peers, to: self.plan.address(peer), what }
    }

    /// A connection ended before it was in the room.
    pub(super) fn turned_away(&self, peer: u32, error: Option<io::Error>) -> LoadError {
        match (&self.links[peer as usize].stage, error) {
            (Stage::Talking, _) => {
                let (to, peers) = (self.plan.address(peer), self.plan.peers);
                LoadError::CutOff { peer, peers, to, joined: self.joining.joined }
            }
            (Stage::Connecting, Some(error)) if error.kind() != io::ErrorKind::ConnectionReset => {
                self.cannot_connect(peer, error)
            }
            _ => self.not_admitted(peer),
        }
    }

    fn cannot_connect(&self, peer: u32, error: io::Error) -> LoadError {
        let (dialect, to) = (self.plan.spoken(peer), self.plan.address(peer));
        LoadError::Connect { dialect, peer, peers: self.plan.peers, to, error }
    }

    fn not_admitted(&self, peer: u32) -> LoadError {
        let (dialect, to) = (self.plan.spoken(peer), self.plan.address(peer));
        let (peers, from) = (self.plan.peers, self.plan.source_name(peer));
        LoadError::NotAdmitted { dialect, peer, peers, to, from }
    }
}

/// Whether this is a line that somebody else has sent only to be heard.
fn is_probe(line: &[u8], peer: u32, track: Track, run: &Run) -> bool {
    let sent = |id: &MessageId| id.sender != peer && run.probes.occasion(*id).is_some();
    let claimed = run.maker.claim(track, line).filter(sent);
    claimed.is_some_and(|id| run.maker.probe(track, id).strip_suffix(b"\n") == Some(line))
}
