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
#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: &str = "load.000000000000002a";

    fn mqtt() -> Mqtt {
        Mqtt::new(42, TOPIC.into())
    }

    fn said(occasion: Occasion, role: Role) -> Bytes {
        mqtt().question(occasion, role, 7)
    }

    #[test]
    fn what_is_published_is_a_packet_that_says_how_long_it_is() {
        for (payload, remaining) in [
            (16, &[39][..]),
            (104, &[127]),
            (105, &[0x80, 1]),
            (16_361, &[0x80, 0x80, 1]),
            (2_097_129, &[0x80, 0x80, 0x80, 1]),
        ] {
            let mut bytes = BytesMut::new();
            mqtt().open(payload, &mut bytes);
            let expected = [&[0x30], remaining, &[0, 21], TOPIC.as_bytes()].concat();
            assert_eq!(bytes, expected);
            assert_eq!(Mqtt::extent(&bytes), Extent::Known(bytes.len() + payload as usize));
        }
        let mut bytes = BytesMut::new();
        mqtt().open(LARGEST_PAYLOAD, &mut bytes);
        assert_eq!(bytes[..5], [0x30, 0xff, 0xff, 0xff, 0x7f], "and no more can be said");
    }

    #[test]
    fn who_comes_connects_and_whoever_receives_subscribes() {
        let connect = b"\x10\x23\0\x04MQTT\x04\x02\0\0\0\x17p000000000000002a000007";
        let subscribe = b"\x82\x1a\0\x01\0\x15load.000000000000002a\0";
        assert_eq!(said(Occasion::Arrival, Role::Sender), connect.as_slice());
        assert_eq!(said(Occasion::Arrival, Role::Receiver), [&connect[..], subscribe].concat());
        assert_eq!(said(Occasion::Farewell, Role::Receiver), [0xc0, 0].as_slice());
    }

    #[test]
    fn each_packet_means_something_in_its_time() {
        use Occasion::{Arrival, Farewell};
        let error = |text: &str| Meaning::Error(text.into());
        for (occasion, role, packet, meaning) in [
            (Arrival, Role::Sender, &b"\x20\x02\0\0"[..], Meaning::Answer),
            (Arrival, Role::Receiver, b"\x20\x02\0\0", Meaning::Notice),
            (Arrival, Role::Receiver, b"\x90\x03\0\x01\0", Meaning::Answer),
            (Arrival, Role::Sender, b"\x90\x03\0\x01\0", Meaning::Other),
            (Arrival, Role::Receiver, b"\x90\x03\0\x01\x80", error("SUBACK 128: not subscribed")),
            (Arrival, Role::Sender, b"\x20\x02\0\x05", error("CONNACK 5: not allowed")),
            (Farewell, Role::Sender, b"\xd0\0", Meaning::Answer),
            (Arrival, Role::Sender, b"\xd0\0", Meaning::Other),
            (Farewell, Role::Receiver, b"\x30\x04\0\x01ax", Meaning::Delivery),
            (Farewell, Role::Receiver, b"\x20\x02\0\0", Meaning::Other),
        ] {
            assert_eq!(Mqtt::extent(packet), Extent::Known(packet.len()), "{packet:?}");
            assert_eq!(Mqtt::meaning(occasion, role, packet), meaning, "{packet:?}");
        }
    }

    #[test]
    fn what_is_no_packet_of_a_brokers_is_junk() {
        for junk in
            [&b"H"[..], b"\x10", b"\x30\xff\xff\xff\xff", b"\x20\x03", b"\x90\0", b"\xd0\x01", b"\0\0"]
        {
            assert_eq!(Mqtt::extent(junk), Extent::Junk, "{junk:?}");
        }
        for part in [&b""[..], b"\x30", b"\x30\xff\xff\xff", b"\x20"] {
            assert_eq!(Mqtt::extent(part), Extent::Part, "{part:?}");
        }
    }
}
