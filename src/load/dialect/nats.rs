//! The client protocol of NATS. Knows `CONNECT`, `SUB`, `PUB` and `PING`, and what the server says.
//!
//! ```text
//!   PUB <subject> <length>      and a line that is the payload: what a sender says
//!   MSG <subject> 1 <length>    and the same: what every receiver gets
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use super::foreign::{Extent, Meaning, behind_number, line, number, quoted};
use super::{Front, Occasion, Role};

/// Not asked for: an `+OK` to each line, one's own messages, headers.
const CONNECT: &str = "CONNECT {\"verbose\":false,\"pedantic\":false,\"tls_required\":false,\"echo\":false,\
    \"headers\":false,\"name\":\"peer-relay load\",\"lang\":\"rust\",\"version\":\"1\"}\r\n";
const PING: &[u8] = b"PING\r\n";
const PONG: &[u8] = b"PONG\r\n";

/// How a run speaks with NATS.
#[derive(Clone, Debug)]
pub struct Nats {
    /// What a sender says up to the length, and what is delivered.
    publish: String,
    deliver: String,
    subscribe: String,
}

impl Nats {
    /// Bytes of the subscription's number, which whoever publishes does not know.
    pub const SHORTER: usize = 2;

    /// On this subject.
    pub fn new(subject: &str) -> Self {
        Self {
            publish: format!("PUB {subject} "),
            deliver: format!("MSG {subject} 1 "),
            subscribe: format!("SUB {subject} 1\r\n"),
        }
    }

    /// A delivery up to its payload.
    pub fn open(&self, length: u32, to: &mut BytesMut) {
        to.put_slice(self.deliver.as_bytes());
        to.put_slice(length.to_string().as_bytes());
        to.put_slice(b"\r\n");
    }

    /// What has this delivered.
    pub fn publish(&self, delivery: &[u8], to: &mut BytesMut) {
        to.put_slice(self.publish.as_bytes());
        to.put_slice(&delivery[self.deliver.len()..]);
    }

    /// What begins like this.
    pub fn front(&self, front: &[u8]) -> Front {
        behind_number(self.deliver.as_bytes(), front)
    }

    /// How long what the server says is that begins like this: a line, and behind `MSG` the payload.
    pub fn extent(front: &[u8]) -> Extent {
        let len = match line(front) {
            Extent::Known(len) => len,
            other => return other,
        };
        let text = front[..len].trim_ascii_end();
        match text.split(|&byte| byte == b' ').next() {
            Some(b"INFO" | b"PING" | b"PONG" | b"+OK" | b"-ERR") => Extent::Known(len),
            Some(b"MSG") => {
                let length = text.rsplit(|&byte| byte == b' ').next().and_then(number);
                length.map_or(Extent::Junk, |length| Extent::Known(len + length + b"\r\n".len()))
            }
            _ => Extent::Junk,
        }
    }

    /// It connects, subscribes if it is to receive, and pings: who is answered has been heard.
    pub fn question(&self, occasion: Occasion, role: Role) -> Bytes {
        let said = match (occasion, role) {
            (Occasion::Farewell, _) => return Bytes::from_static(PING),
            (Occasion::Arrival, Role::Receiver) => [CONNECT, &self.subscribe].concat(),
            (Occasion::Arrival, Role::Sender | Role::Both) => CONNECT.into(),
        };
        [said.as_bytes(), PING].concat().into()
    }

    /// What it is, to whomever.
    pub fn meaning(item: &[u8]) -> Meaning {
        match item {
            PONG => Meaning::Answer,
            PING => Meaning::Asks(PONG), // it cuts off who does not answer
            _ if item.starts_with(b"MSG ") => Meaning::Delivery,
            _ if item.starts_with(b"INFO ") => Meaning::Notice, // of itself, first of all, and of others like it
            _ if item.starts_with(b"-ERR") => Meaning::Error(quoted(item)),
            _ => Meaning::Other,
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;

    fn nats() -> Nats {
        Nats::new("load.2a")
    }

    #[test]
    fn what_is_published_comes_with_the_subscriptions_number() {
        let mut delivery = BytesMut::new();
        nats().open(5, &mut delivery);
        delivery.put_slice(b"hello\r\n");
        assert_eq!(delivery, "MSG load.2a 1 5\r\nhello\r\n");
        let mut published = BytesMut::new();
        nats().publish(&delivery, &mut published);
        assert_eq!(published, "PUB load.2a 5\r\nhello\r\n");
        assert_eq!(delivery.len() - published.len(), Nats::SHORTER);
    }

    #[test]
    fn who_receives_subscribes_before_it_pings() {
        let said = nats().question(Occasion::Arrival, Role::Receiver);
        assert!(
            said.starts_with(b"CONNECT {\"verbose\":false,")
                && said.ends_with(b"}\r\nSUB load.2a 1\r\nPING\r\n")
        );
        let said = nats().question(Occasion::Arrival, Role::Sender);
        assert!(said.starts_with(b"CONNECT {") && said.ends_with(b"}\r\nPING\r\n"));
        let json: &[u8] = &said[b"CONNECT ".len()..said.len() - b"\r\nPING\r\n".len()];
        assert!(serde_json::from_slice::<serde_json::Value>(json).is_ok());
        assert_eq!(nats().question(Occasion::Farewell, Role::Receiver), "PING\r\n");
    }

    #[test]
    fn each_thing_it_says_means_something() {
        for (item, meaning) in [
            (&b"PONG\r\n"[..], Meaning::Answer),
            (b"PING\r\n", Meaning::Asks(b"PONG\r\n")),
            (b"INFO {\"max_payload\":1048576}\r\n", Meaning::Notice),
            (b"MSG load.2a 1 2\r\nhi\r\n", Meaning::Delivery),
            (b"MSG load.2a 1 reply.to 2\r\nhi\r\n", Meaning::Delivery),
            (b"-ERR 'Slow Consumer'\r\n", Meaning::Error("-ERR 'Slow Consumer'".into())),
            (b"+OK\r\n", Meaning::Other),
        ] {
            assert_eq!(Nats::extent(item), Extent::Known(item.len()), "{}", item.escape_ascii());
            assert_eq!(Nats::meaning(item), meaning, "{}", item.escape_ascii());
        }
    }

    #[test]
    fn how_long_it_is_is_known_at_the_end_of_its_line() {
        let head = b"MSG load.2a 1 300\r\n";
        assert!((0..head.len()).all(|len| Nats::extent(&head[..len]) == Extent::Part));
        assert_eq!(Nats::extent(head), Extent::Known(head.len() + 302));
    }

    #[test]
    fn what_is_no_nats_is_junk() {
        for junk in [
            &b"HTTP/1.1 400\r\n"[..],
            b"PING\n",
            b"\r\n",
            b"MSG a 1 x\r\n",
            b"MSG\r\n",
            b"MSG a 1 99999999999\r\n",
        ] {
            assert_eq!(Nats::extent(junk), Extent::Junk, "{}", junk.escape_ascii());
        }
    }
}
