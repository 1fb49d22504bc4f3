//! The relay's own frames. Knows the wire; knows no peer but its number.

use bytes::{BufMut, BytesMut};

use super::Occasion;
use crate::wire::decoder::DecoderLimits;
use crate::wire::{Checksum, Command, Frame, Header, Magic};

/// Bytes of the payload of a ping.
const PROBE_LEN: usize = 16;

/// How a run speaks with a relay.
#[derive(Clone, Debug)]
pub struct Frames {
    seed: u64,
    magic: Magic,
    command: Command,
    largest: u32,
}

/// A ping, or its pong.
pub type Probe = [u8; Header::LEN + PROBE_LEN];

impl Frames {
    /// With payloads of so many bytes at most.
    pub fn new(seed: u64, magic: Magic, command: Command, largest: u32) -> Self {
        Self { seed, magic, command, largest }
    }

    /// Keeps the place of the header, which says what comes behind it.
    pub fn open(to: &mut BytesMut) {
        to.put_bytes(0, Header::LEN);
    }

    /// The payload is there: the header in its place.
    pub fn close(&self, frame: &mut [u8]) {
        let (header, payload) = frame.split_at_mut(Header::LEN);
        let (command, length) = (self.command, payload.len() as u32); // it was made for a u32
        let parsed = Header { command, length, checksum: Checksum::of(payload) };
        header.copy_from_slice(&parsed.encode(self.magic));
    }

    /// Asks the relay whether a peer is in its room, or whether it has sent that peer everything. No two of these
    /// are alike.
    pub fn ping(&self, occasion: Occasion, peer: u32) -> Probe {
        self.probe(Command::PING, occasion, peer)
    }

    /// The relay's answer.
    pub fn pong(&self, occasion: Occasion, peer: u32) -> Probe {
        self.probe(Command::PONG, occasion, peer)
    }

    /// The answer to a peer's last ping.
    pub fn farewell(&self, peer: u32) -> Probe {
        self.pong(Occasion::Farewell, peer)
    }

    /// What a stream of this run may hold: nothing is larger than what was asked for.
    pub fn decoder_limits(&self) -> DecoderLimits {
        DecoderLimits { magic: self.magic, max_payload: self.largest, max_skip: u64::MAX }
    }

    fn probe(&self, command: Command, occasion: Occasion, peer: u32) -> Probe {
        let mut payload = [0; PROBE_LEN];
        payload[..8].copy_from_slice(&self.seed.to_le_bytes());
        payload[8..12].copy_from_slice(&peer.to_le_bytes());
        payload[12..].copy_from_slice(&(occasion as u32).to_le_bytes());
        let frame = Frame::encode(self.magic, command, &payload);
        *frame.as_bytes().first_chunk().expect("a header and its payload")
    }
}
