//! Publish and subscribe as other servers speak it: a stream is a row of items, each of which says how long it is.
//! Knows where an item ends and what it means; knows no socket.

use bytes::{Bytes, BytesMut};
use memchr::memchr;

use super::mqtt::Mqtt;
use super::nats::Nats;
use super::redis::Redis;
use super::{Dialect, Front, Occasion, Role};

/// Longest line that is no message, its end included: an `INFO` of NATS may name many servers.
pub const LINE_MOST: usize = 16 * 1024;
/// Longest number, and the line's end behind it.
const NUMBER_MOST: usize = 12;
/// Bytes that are shown of what a server said.
const QUOTE_MOST: usize = 200;

/// How a run speaks with a server that is no relay.
#[derive(Clone, Debug)]
pub enum Foreign {
    /// Redis.
    Redis(Redis),
    /// NATS.
    Nats(Nats),
    /// MQTT.
    Mqtt(Mqtt),
}

/// How long the item is that begins like this.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// More must come before it can be said.
    Part,
    /// So many bytes, whether they are there or not.
    Known(usize),
    /// No server of this kind says that.
    Junk,
}

/// What an item is to whom it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A message that somebody has published.
    Delivery,
    /// What the peer has asked for: it is in the room, or has got everything.
    Answer,
    /// A message of this peer's was taken.
    Receipt,
    /// The server asks for these bytes.
    Asks(&'static [u8]),
    /// It says what nobody need know.
    Notice,
    /// It does not want this, and says why.
    Error(String),
    /// It means nothing here.
    Other,
}

impl Foreign {
    /// A dialect that is not the relay's, on a channel that no other run has.
    pub fn new(dialect: Dialect, seed: u64) -> Option<Self> {
        let channel = format!("load.{seed:016x}");
        match dialect {
            Dialect::Frames | Dialect::Lines => None,
            Dialect::Redis => Some(Self::Redis(Redis::new(channel))),
            Dialect::Nats => Some(Self::Nats(Nats::new(&channel))),
            Dialect::Mqtt => Some(Self::Mqtt(Mqtt::new(seed, channel))),
        }
    }

    /// A message of so many bytes is delivered with these before its payload.
    pub fn open(&self, length: u32, to: &mut BytesMut) {
        match self {
            Self::Redis(redis) => redis.open(length, to),
            Self::Nats(nats) => nats.open(length, to),
            Self::Mqtt(mqtt) => mqtt.open(length, to),
        }
    }

    /// What comes behind its payload.
    pub fn close(&self, to: &mut BytesMut) {
        match self {
            Self::Redis(_) | Self::Nats(_) => to.extend_from_slice(b"\r\n"),
            Self::Mqtt(_) => {}
        }
    }

    /// What a sender says so that these messages are delivered.
    pub fn published<'m>(&self, delivered: &Bytes, messages: impl Iterator<Item = &'m [u8]>) -> Bytes {
        let mut bytes = BytesMut::with_capacity(delivered.len());
        match self {
            Self::Redis(_) => messages.for_each(|message| Redis::publish(message, &mut bytes)),
            Self::Nats(nats) => messages.for_each(|message| nats.publish(message, &mut bytes)),
            Self::Mqtt(_) => return delivered.clone(), // it is passed on as it is
        }
        bytes.freeze()
    }

    /// Bytes by which a message is shorter as it is published.
    pub fn shorter(&self) -> usize {
        match self {
            Self::Nats(_) => Nats::SHORTER,
            Self::Redis(_) | Self::Mqtt(_) => 0,
        }
    }

    /// What begins like this.
    pub fn front(&self, front: &[u8]) -> Front {
        match self {
            Self::Redis(redis) => redis.front(front),
            Self::Nats(nats) => nats.front(front),
            Self::Mqtt(mqtt) => mqtt.front(front),
        }
    }

    /// How long the item is that begins like this.
    pub fn extent(&self, front: &[u8]) -> Extent {
        match self {
            Self::Redis(_) => Redis::extent(front),
            Self::Nats(_) => Nats::extent(front),
            Self::Mqtt(_) => Mqtt::extent(front),
        }
    }

    /// Whether an item lies there whole, whatever comes behind it.
    pub fn is_whole(&self, front: &[u8]) -> bool {
        matches!(self.extent(front), Extent::Known(len) if len <= front.len())
    }

    /// What a peer says when it has come, or before it goes.
    pub fn question(&self, occasion: Occasion, role: Role, peer: u32) -> Bytes {
        match self {
            Self::Redis(redis) => redis.question(occasion, role, peer),
            Self::Nats(nats) => nats.question(occasion, role),
            Self::Mqtt(mqtt) => mqtt.question(occasion, role, peer),
        }
    }

    /// What an item is to a peer that has asked last on this occasion.
    pub fn meaning(&self, occasion: Occasion, role: Role, peer: u32, item: &[u8]) -> Meaning {
        match self {
            Self::Redis(redis) => redis.meaning(occasion, role, peer, item),
            Self::Nats(_) => Nats::meaning(item),
            Self::Mqtt(_) => Mqtt::meaning(occasion, role, item),
        }
    }

    /// Whether each message is answered to whoever has this role.
    pub fn gives_receipts(&self, role: Role) -> bool {
        match self {
            Self::Redis(_) => role == Role::Sender,
            Self::Nats(_) | Self::Mqtt(_) => false,
        }
    }

    /// Which one it is.
    pub fn dialect(&self) -> Dialect {
        match self {
            Self::Redis(_) => Dialect::Redis,
            Self::Nats(_) => Dialect::Nats,
            Self::Mqtt(_) => Dialect::Mqtt,
        }
    }
}

/// How long the line is that begins like this.
pub fn line(front: &[u8]) -> Extent {
    match memchr(b'\n', &front[..front.len().min(LINE_MOST)]) {
        Some(at) if front[..at].ends_with(b"\r") => Extent::Known(at + 1),
        None if front.len() < LINE_MOST => Extent::Part,
        Some(_) | None => Extent::Junk,
    }
}

/// A number without sign, of ten digits at most.
pub fn number(digits: &[u8]) -> Option<usize> {
    let is_number = (1..=10).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
    text.parse().ok()
}

/// Where the payload begins that comes behind `prefix`, a number, and the end of the line.
pub fn behind_number(prefix: &[u8], front: &[u8]) -> Front {
    let (known, rest) = front.split_at(front.len().min(prefix.len()));
    if !prefix.starts_with(known) {
        return Front::Other;
    }
    match memchr(b'\n', &rest[..rest.len().min(NUMBER_MOST)]) {
        Some(at) => Front::Payload(prefix.len() + at + 1),
        None if rest.len() < NUMBER_MOST => Front::Part,
        None => Front::Other,
    }
}

/// What a server said, or its beginning, for a person.
pub fn quoted(bytes: &[u8]) -> String {
    let shown = bytes.trim_ascii_end();
    let more = if shown.len() > QUOTE_MOST { "…" } else { "" };
    let plain = |&byte: &u8| match byte {
        b' '..=b'~' => char::from(byte).to_string(),
        _ => byte.escape_ascii().to_string(),
    };
    shown.iter().take(QUOTE_MOST).map(plain).collect::<String>() + more
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_as_it_should_or_is_none() {
        assert_eq!([line(b""), line(b"PING"), line(b"PING\r")], [Extent::Part; 3]);
        assert_eq!(line(b"PING\r\nPO"), Extent::Known(6));
        assert_eq!([line(b"\n"), line(b"PING\n")], [Extent::Junk; 2]);
        assert_eq!(line(&[b'x'; LINE_MOST - 1]), Extent::Part);
        assert_eq!(line(&[b'x'; LINE_MOST]), Extent::Junk, "endless");
    }

    #[test]
    fn a_number_is_digits_and_few_of_them() {
        assert_eq!([number(b"0"), number(b"9999999999")], [Some(0), Some(9_999_999_999)]);
        for bad in [&b""[..], b"+1", b"-1", b" 1", b"1a", b"00000000001", b"\xff"] {
            assert_eq!(number(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn what_a_server_said_is_shown_on_one_line_and_not_for_ever() {
        assert_eq!(quoted(b"-ERR 'no'\x1b[2J\r\n"), "-ERR 'no'\\x1b[2J");
        assert_eq!(quoted(&[b'x'; 1000]).len(), QUOTE_MOST + "…".len());
    }
}
