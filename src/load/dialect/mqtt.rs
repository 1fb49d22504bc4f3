//! MQTT 3.1.1 at QoS 0. Knows the packets that takes: CONNECT, SUBSCRIBE, PUBLISH and PINGREQ, and their answers.
//!
//! ```text
//!   30 <remaining length> <topic> <payload>    what a sender says, and every receiver gets
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use super::foreign::{Extent, Meaning};
use super::{Front, Occasion, Role};

/// First bytes of packets. Behind that of a PUBLISH stand flags, all of them 0 here.
const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;
const PINGREQ: u8 = 0xc0;
const PINGRESP: u8 = 0xd0;
/// A remaining length of four bytes is this at most.
const REMAINING_MOST: u32 = (1 << 28) - 1;
/// Bytes of a topic: the same in all runs.
const TOPIC_LEN: usize = "load.0123456789abcdef".len();
/// Beside the topic and its length, a packet has room for so many.
pub const LARGEST_PAYLOAD: u32 = REMAINING_MOST - 2 - TOPIC_LEN as u32;
/// The number of the one SUBSCRIBE a connection sends.
const SUBSCRIPTION: u16 = 1;

/// How a run speaks with an MQTT broker.
#[derive(Clone, Debug)]
pub struct Mqtt {
    seed: u64,
    /// The topic with its length before it.
    topic: Vec<u8>,
}

impl Mqtt {
    /// On this topic.
    pub fn new(seed: u64, topic: String) -> Self {
        assert_eq!(topic.len(), TOPIC_LEN, "{topic}");
        Self { seed, topic: text(&topic) }
    }

    /// A PUBLISH up to its payload.
    pub fn open(&self, length: u32, to: &mut BytesMut) {
        to.put_u8(PUBLISH);
        put_remaining(length as usize + self.topic.len(), to);
        to.put_slice(&self.topic);
    }

    /// What begins like this.
    pub fn front(&self, front: &[u8]) -> Front {
        let begin = match front {
            [] => return Front::Part,
            [PUBLISH, rest @ ..] => match remaining(rest) {
                Remaining::Part => return Front::Part,
                Remaining::Known { len, .. } => 1 + len,
                Remaining::Junk => return Front::Other,
            },
            [_, ..] => return Front::Other,
        };
        let known = &front[begin..front.len().min(begin + self.topic.len())];
        match self.topic.starts_with(known) {
            true if known.len() == self.topic.len() => Front::Payload(begin + known.len()),
            true => Front::Part,
            false => Front::Other,
        }
    }

    /// How long the packet is that begins like this.
    pub fn extent(front: &[u8]) -> Extent {
        let Some((&first, rest)) = front.split_first() else { return Extent::Part };
        let (remaining, len) = match remaining(rest) {
            Remaining::Part if is_known(first) => return Extent::Part,
            Remaining::Known { value, len } => (value, len),
            Remaining::Part | Remaining::Junk => return Extent::Junk,
        };
        let is_fitting = match first {
            CONNACK => remaining == 2,
            SUBACK => remaining == 3,
            PINGRESP => remaining == 0,
            _ => is_known(first),
        };
        if is_fitting { Extent::Known(1 + len + remaining) } else { Extent::Junk }
    }

    /// It connects, and subscribes if it is to receive; before it goes it pings.
    pub fn question(&self, occasion: Occasion, role: Role, peer: u32) -> Bytes {
        let mut said = BytesMut::new();
        match (occasion, role) {
            (Occasion::Farewell, _) => said.put_slice(&[PINGREQ, 0]),
            (Occasion::Arrival, Role::Receiver) => {
                self.connect(peer, &mut said);
                self.subscribe(&mut said);
            }
            (Occasion::Arrival, Role::Sender | Role::Both) => self.connect(peer, &mut said),
        }
        said.freeze()
    }

    /// What it is to a peer. Who subscribes has come when it is told so; who does not, when it is connected.
    pub fn meaning(occasion: Occasion, role: Role, item: &[u8]) -> Meaning {
        let is_arrival = occasion == Occasion::Arrival;
        match *item {
            [CONNACK, _, _, 0] if is_arrival && role == Role::Receiver => Meaning::Notice,
            [CONNACK, _, _, 0] if is_arrival => Meaning::Answer,
            [CONNACK, _, _, code] if code > 0 => Meaning::Error(format!("CONNACK {code}: {}", refusal(code))),
            [SUBACK, _, _, _, 0] if is_arrival && role == Role::Receiver => Meaning::Answer,
            [SUBACK, _, _, _, code] if code > 0 => Meaning::Error(format!("SUBACK {code}: not subscribed")),
            [PINGRESP, _] if !is_arrival => Meaning::Answer,
            [first, ..] if first & 0xf0 == PUBLISH => Meaning::Delivery,
            _ => Meaning::Other,
        }
    }

    /// With a clean session, no keep-alive, and a name of 23 letters and digits, which every broker takes.
    fn connect(&self, peer: u32, to: &mut BytesMut) {
        const VERSION: u8 = 4; // that is 3.1.1
        const CLEAN_SESSION: u8 = 2;
        let name = text(&format!("p{:016x}{peer:06x}", self.seed));
        let protocol = text("MQTT");
        to.put_u8(CONNECT);
        put_remaining(protocol.len() + 4 + name.len(), to);
        to.put_slice(&protocol);
        to.put_slice(&[VERSION, CLEAN_SESSION, 0, 0]);
        to.put_slice(&name);
    }

    fn subscribe(&self, to: &mut BytesMut) {
        to.put_u8(SUBSCRIBE);
        put_remaining(2 + self.topic.len() + 1, to);
        to.put_u16(SUBSCRIPTION);
        to.put_slice(&self.topic);
        to.put_u8(0); // the QoS
    }
}

/// What a server may say.
fn is_known(first: u8) -> bool {
    matches!(first, CONNACK | SUBACK | PINGRESP) || first & 0xf0 == PUBLISH
}

/// A string with its length before it.
fn text(text: &str) -> Vec<u8> {
    let mut bytes = (text.len() as u16).to_be_bytes().to_vec(); // all of ours are short
    bytes.extend_from_slice(text.as_bytes());
    bytes
}

fn refusal(code: u8) -> &'static str {
    match code {
        1 => "it does not speak 3.1.1",
        2 => "it does not like the client's name",
        3 => "it is not available",
        4 => "it wants a user and a password",
        5 => "not allowed",
        _ => "for a reason of its own",
    }
}

/// A remaining length: seven bits a byte, the lowest first.
enum Remaining {
    Part,
    Known { value: usize, len: usize },
    Junk,
}

fn remaining(front: &[u8]) -> Remaining {
    let mut value = 0;
    for (at, &byte) in front.iter().enumerate().take(4) {
        value |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Remaining::Known { value, len: at + 1 };
        }
    }
    if front.len() < 4 { Remaining::Part } else { Remaining::Junk }
}

/// # Panics
/// If it is more than four bytes can say.
fn put_remaining(value: usize, to: &mut BytesMut) {
    assert!(value <= REMAINING_MOST as usize, "a packet of {value} bytes");
    let mut left = value;
    while left > 0x7f {
        to.put_u8(left as u8 | 0x80);
        left >>= 7;
    }
    to.put_u8(left as u8);
}
