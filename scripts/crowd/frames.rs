//! What the crowd says. A frame's content follows from who sent it and its number, so whoever receives one
//! can tell what it should have been. Knows no socket.

use peer_relay::wire::decoder::DecoderLimits;
use peer_relay::wire::{Command, Decoder, Frame, Network};

/// Largest payload the soak's relay takes, bytes.
pub const MAX_PAYLOAD: u32 = 65_536;

/// Sender 4, number 8, microseconds 8: what stands before the content.
const LABEL: usize = 20;
/// Content is cut from this much noise, bytes.
const NOISE: usize = 128 * 1024;

/// Makes and knows the frames of honest peers.
#[derive(Clone, Debug)]
pub struct Speech {
    noise: Vec<u8>,
}

/// Who says a frame, which of his it is, and when he said it, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    pub sender: u32,
    pub number: u64,
    pub micros: u64,
}

impl Speech {
    pub fn new() -> Self {
        let mut random = Random(7);
        Self { noise: (0..NOISE / 8).flat_map(|_| random.next().to_le_bytes()).collect() }
    }

    /// The first sender has much to say, 32 KiB each time; the others from nothing to 2 KB.
    fn content(&self, label: &Label) -> &[u8] {
        let mixed = Random(label.number << 20 | u64::from(label.sender) << 1 | 1).next();
        let length = if label.sender == 0 { 32 * 1024 } else { (mixed >> 32) as usize % 2048 };
        let from = mixed as usize % (NOISE - length);
        &self.noise[from..from + length]
    }

    pub fn encode(&self, label: &Label) -> Vec<u8> {
        let mut payload = Vec::with_capacity(LABEL + NOISE);
        payload.extend(label.sender.to_le_bytes());
        payload.extend(label.number.to_le_bytes());
        payload.extend(label.micros.to_le_bytes());
        payload.extend_from_slice(self.content(label));
        encode("honest", &payload)
    }

    /// Whose frame this is, if it is an honest peer's and bit for bit what that one said.
    pub fn label(&self, frame: &Frame<'_>) -> Option<Label> {
        let payload = frame.payload();
        let label = Label {
            sender: u32::from_le_bytes(*payload.first_chunk()?),
            number: u64::from_le_bytes(*payload.get(4..)?.first_chunk()?),
            micros: u64::from_le_bytes(*payload.get(12..)?.first_chunk()?),
        };
        let is_whole = frame.command().as_str() == "honest" && payload[LABEL..] == *self.content(&label);
        is_whole.then_some(label)
    }
}

/// A frame of the private network.
pub fn encode(command: &str, payload: &[u8]) -> Vec<u8> {
    let command: Command = command.parse().expect("the crowd's commands are short and printable");
    Frame::encode(Network::PRIVATE.magic, command, payload).into_bytes().into_owned()
}

/// For what the relay sends, which passes nothing over.
pub fn decoder() -> Decoder {
    let magic = Network::PRIVATE.magic;
    Decoder::new(DecoderLimits { magic, max_payload: MAX_PAYLOAD, max_skip: 0 })
}

/// Numbers without a pattern, the same in every run.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// splitmix64.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
