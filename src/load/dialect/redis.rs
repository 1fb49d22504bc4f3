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
#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: &str = "load.000000000000002a";

    fn redis() -> Redis {
        Redis::new(CHANNEL.into())
    }

    fn meaning(occasion: Occasion, role: Role, item: &[u8]) -> Meaning {
        assert_eq!(Redis::extent(item), Extent::Known(item.len()), "{}", item.escape_ascii());
        redis().meaning(occasion, role, 7, item)
    }

    #[test]
    fn what_is_published_comes_as_a_message() {
        let mut delivery = BytesMut::new();
        redis().open(5, &mut delivery);
        delivery.put_slice(b"hello\r\n");
        let expected = "*3\r\n$7\r\nmessage\r\n$21\r\nload.000000000000002a\r\n$5\r\nhello\r\n";
        assert_eq!(delivery, expected);
        let mut published = BytesMut::new();
        Redis::publish(&delivery, &mut published);
        assert_eq!(published, expected.replace("message", "PUBLISH"));
    }

    #[test]
    fn who_receives_subscribes_and_is_told_so() {
        let said = redis().question(Occasion::Arrival, Role::Receiver, 7);
        assert_eq!(said, "*2\r\n$9\r\nSUBSCRIBE\r\n$21\r\nload.000000000000002a\r\n");
        let told = b"*3\r\n$9\r\nsubscribe\r\n$21\r\nload.000000000000002a\r\n:1\r\n";
        assert_eq!(meaning(Occasion::Arrival, Role::Receiver, told), Meaning::Answer);
        assert_eq!(meaning(Occasion::Farewell, Role::Receiver, told), Meaning::Other, "not again");
    }

    #[test]
    fn a_word_comes_back_to_each_in_its_own_form() {
        let word = "load.000000000000002a.7.1";
        for role in [Role::Receiver, Role::Sender] {
            let said = redis().question(Occasion::Farewell, role, 7);
            assert_eq!(said, format!("*2\r\n$4\r\nPING\r\n$25\r\n{word}\r\n"));
        }
        let array = format!("*2\r\n$4\r\npong\r\n$25\r\n{word}\r\n");
        let bulk = format!("$25\r\n{word}\r\n");
        assert_eq!(meaning(Occasion::Farewell, Role::Receiver, array.as_bytes()), Meaning::Answer);
        assert_eq!(meaning(Occasion::Farewell, Role::Sender, bulk.as_bytes()), Meaning::Answer);
        assert_eq!(meaning(Occasion::Farewell, Role::Sender, array.as_bytes()), Meaning::Other);
        assert_eq!(meaning(Occasion::Arrival, Role::Sender, bulk.as_bytes()), Meaning::Other);
    }

    #[test]
    fn a_number_is_a_receipt_to_whoever_sends_and_an_error_is_told() {
        assert_eq!(meaning(Occasion::Farewell, Role::Sender, b":100\r\n"), Meaning::Receipt);
        assert_eq!(meaning(Occasion::Farewell, Role::Receiver, b":100\r\n"), Meaning::Other);
        let error = meaning(Occasion::Farewell, Role::Sender, b"-ERR no such thing\r\n");
        assert_eq!(error, Meaning::Error("-ERR no such thing".into()));
        let Meaning::Error(denied) = meaning(Occasion::Arrival, Role::Sender, b"-DENIED Redis is\r\n") else {
            panic!("no error")
        };
        assert!(denied.contains("--protected-mode no"), "{denied}");
    }

    #[test]
    fn how_long_an_answer_is_is_known_once_it_can_be() {
        for (whole, known_from) in [
            (&b"+PONG\r\n"[..], 7),
            (b":12\r\n", 5),
            (b"$5\r\nhello\r\n", 4),
            (b"*0\r\n", 4),
            (b"*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$300\r\n", 31),
        ] {
            for len in 0..known_from {
                assert_eq!(Redis::extent(&whole[..len]), Extent::Part, "{len} of {}", whole.escape_ascii());
            }
            for len in known_from..=whole.len() {
                assert!(matches!(Redis::extent(&whole[..len]), Extent::Known(_)), "{len}");
            }
        }
        assert_eq!(Redis::extent(b"*3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$300\r\n"), Extent::Known(31 + 302));
    }

    #[test]
    fn what_is_no_resp_is_junk() {
        for junk in
            [&b"HTTP"[..], b"\0", b"$x\r\n", b"$-1\r\n", b"*9\r\n", b"*2\r\n*1\r\n", b"$99999999999\r\n"]
        {
            assert_eq!(Redis::extent(junk), Extent::Junk, "{}", junk.escape_ascii());
        }
    }
}
