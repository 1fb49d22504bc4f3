//! Publish and subscribe of Redis, in RESP2. Knows the commands `SUBSCRIBE`, `PUBLISH` and `PING`, and their answers.
//!
//! ```text
//!   *3 $7 PUBLISH $21 <channel> $<length> <payload>   what a sender says, answered with :<receivers>
//!   *3 $7 message $21 <channel> $<length> <payload>   what every receiver gets
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use super::foreign::{Extent, Meaning, behind_number, line, number, quoted};
use super::{Front, Occasion, Role};

/// What every delivery begins with, and what it has to become to be published: as long, as it happens.
const DELIVERY: &[u8] = b"*3\r\n$7\r\nmessage\r\n";
const PUBLISH: &[u8] = b"*3\r\n$7\r\nPUBLISH\r\n";
/// Elements an answer may have: there is none with more than three.
const ELEMENTS_MOST: usize = 8;

/// How a run speaks with Redis.
#[derive(Clone, Debug)]
pub struct Redis {
    channel: String,
    /// A delivery up to its length.
    prefix: Vec<u8>,
}

impl Redis {
    /// On this channel.
    pub fn new(channel: String) -> Self {
        let mut prefix = DELIVERY.to_vec();
        prefix.extend_from_slice(format!("${}\r\n{channel}\r\n$", channel.len()).as_bytes());
        Self { channel, prefix }
    }

    /// A delivery up to its payload.
    pub fn open(&self, length: u32, to: &mut BytesMut) {
        to.put_slice(&self.prefix);
        to.put_slice(length.to_string().as_bytes());
        to.put_slice(b"\r\n");
    }

    /// What has this delivered.
    pub fn publish(delivery: &[u8], to: &mut BytesMut) {
        to.put_slice(PUBLISH);
        to.put_slice(&delivery[DELIVERY.len()..]);
    }

    /// What begins like this.
    pub fn front(&self, front: &[u8]) -> Front {
        behind_number(&self.prefix, front)
    }

    /// How long the answer is that begins like this.
    pub fn extent(front: &[u8]) -> Extent {
        match front.first() {
            None => Extent::Part,
            Some(b'*') => array(front),
            Some(_) => single(front),
        }
    }

    /// A subscriber subscribes; else a word is to come back.
    pub fn question(&self, occasion: Occasion, role: Role, peer: u32) -> Bytes {
        match (occasion, role) {
            (Occasion::Arrival, Role::Receiver) => array_of(&["SUBSCRIBE", &self.channel]),
            _ => array_of(&["PING", &self.word(occasion, peer)]),
        }
        .into()
    }

    /// What it is to this peer.
    pub fn meaning(&self, occasion: Occasion, role: Role, peer: u32, item: &[u8]) -> Meaning {
        match item.first() {
            Some(b'-') => Meaning::Error(refusal(item)),
            Some(b':') if role == Role::Sender => Meaning::Receipt,
            _ if item.starts_with(DELIVERY) => Meaning::Delivery,
            _ if item == self.answer(occasion, role, peer).as_bytes() => Meaning::Answer,
            _ => Meaning::Other,
        }
    }

    /// What a question is answered with. Whoever subscribes gets its pong as an array.
    fn answer(&self, occasion: Occasion, role: Role, peer: u32) -> String {
        let word = self.word(occasion, peer);
        match (occasion, role) {
            (_, Role::Sender | Role::Both) => bulk(&word),
            (Occasion::Arrival, Role::Receiver) => {
                format!("*3\r\n{}{}:1\r\n", bulk("subscribe"), bulk(&self.channel))
            }
            (Occasion::Farewell, Role::Receiver) => array_of(&["pong", &word]),
        }
    }

    fn word(&self, occasion: Occasion, peer: u32) -> String {
        format!("{}.{peer}.{}", self.channel, occasion as u32)
    }
}

/// What it does not want. Of loopback addresses its protected mode knows no other than 127.0.0.1.
fn refusal(error: &[u8]) -> String {
    if error.starts_with(b"-DENIED") {
        return "-DENIED: it is in protected mode, and peers come from 127.1.0.1 and on; redis-server \
            --protected-mode no lets them in"
            .into();
    }
    quoted(error)
}

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn array_of(words: &[&str]) -> String {
    let bulks: String = words.iter().map(|word| bulk(word)).collect();
    format!("*{}\r\n{bulks}", words.len())
}

/// A line, or a string with its length before it.
fn single(front: &[u8]) -> Extent {
    match front.first() {
        None => Extent::Part,
        Some(b'+' | b'-' | b':') => line(front),
        Some(b'$') => match counted(front) {
            Ok((begin, length)) => Extent::Known(begin + length + b"\r\n".len()),
            Err(other) => other,
        },
        Some(_) => Extent::Junk,
    }
}

fn array(front: &[u8]) -> Extent {
    let (mut end, count) = match counted(front) {
        Ok((begin, count)) if count <= ELEMENTS_MOST => (begin, count),
        Ok(_) => return Extent::Junk,
        Err(other) => return other,
    };
    for _ in 0..count {
        let Some(rest) = front.get(end..) else { return Extent::Part };
        match single(rest) {
            Extent::Known(len) => end += len,
            other => return other,
        }
    }
    Extent::Known(end)
}

/// Where the first line ends, and the number behind its first byte.
fn counted(front: &[u8]) -> Result<(usize, usize), Extent> {
    match line(front) {
        Extent::Known(end) => {
            let count = number(&front[1..end - b"\r\n".len()]).ok_or(Extent::Junk)?;
            Ok((end, count))
        }
        other => Err(other),
    }
}
