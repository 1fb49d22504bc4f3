//! What other programs send first to a port like ours. Knows their first bytes only.
//!
//! Operators ask "why was I cut off" before anything else, and a load balancer's health check must not ban
//! the load balancer: so these are named, and are not offences.
//!
//! Where messages are lines, text is what is expected: somebody may type `GET out`. There only bytes that nobody types
//! are openers by themselves ([`guess_among_lines`]), and a first line that is whole may be one ([`of_first_line`]).

use std::fmt;

use super::{Command, Magic, Network};

/// Another protocol's first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opener {
    /// A TLS handshake record.
    Tls,
    /// An HTTP request.
    Http,
    /// A PROXY protocol header, version 1 or 2: HAProxy and friends.
    Proxy,
    /// A `version` message under this magic, which is not ours.
    OtherNetwork(Magic),
    /// Our own frames, where messages are lines or JSON.
    Frames,
    /// Clarke Coin's JSON.
    Json,
    /// Bunkercoin's JSON.
    Chain,
}

/// What the first bytes of a stream say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// Another protocol's opener.
    Opener(Opener),
    /// Too few bytes to say.
    Undecided,
    /// None that we know.
    None,
}

/// Bytes after which [`guess`] is never undecided: another network's magic and `version`.
pub const LONGEST: usize = 4 + Command::LEN;

/// What nobody types.
const BINARY: [(&[u8], Opener); 2] = [(b"\x16\x03", Opener::Tls), (b"\r\n\r\n\0\r\nQ", Opener::Proxy)];

const TEXT: [(&[u8], Opener); 15] = [
    (b"{\"message\"", Opener::Json),
    (b"{\"message_type\"", Opener::Json),
    (b"\"GetChain\"", Opener::Chain),
    (b"\"GetMempool\"", Opener::Chain),
    (b"GET ", Opener::Http),
    (b"POST", Opener::Http),
    (b"HEAD ", Opener::Http),
    (b"PUT ", Opener::Http),
    (b"DELETE ", Opener::Http),
    (b"CONNECT ", Opener::Http),
    (b"OPTIONS ", Opener::Http),
    (b"TRACE ", Opener::Http),
    (b"PATCH ", Opener::Http),
    (b"PRI * HTTP/2", Opener::Http),
    (b"PROXY ", Opener::Proxy),
];

/// Whose opener `first`, the first bytes of a stream, are. Our own magic is never anybody else's.
pub fn guess(first: &[u8], ours: Magic) -> Guess {
    if agree(first, &ours.0) {
        return if first.len() < ours.0.len() { Guess::Undecided } else { Guess::None };
    }
    known(first, BINARY.iter().chain(&TEXT))
}

/// The same of a stream of lines: an opener only where it is nothing that somebody could have typed. A magic of
/// letters is therefore none.
pub fn guess_among_lines(first: &[u8], ours: Magic) -> Guess {
    let is_typed = ours.0.iter().all(|byte| (0x20..=0x7e).contains(byte));
    if !is_typed && agree(first, &ours.0) {
        let is_whole = first.len() >= ours.0.len();
        return if is_whole { Guess::Opener(Opener::Frames) } else { Guess::Undecided };
    }
    match known(first, BINARY.iter()) {
        Guess::Opener(Opener::OtherNetwork(magic)) if magic == ours => Guess::Opener(Opener::Frames),
        guess => guess,
    }
}

/// The same of a stream of JSON, which begins like none of them but its own.
pub fn guess_before_json(first: &[u8], ours: Magic, own: Opener) -> Guess {
    match guess(first, ours) {
        Guess::None if agree(first, &ours.0) => Guess::Opener(Opener::Frames),
        Guess::Opener(opener) if opener == own => Guess::None,
        guess => guess,
    }
}

/// Whose opener the first line of a stream of lines is: an HTTP request, or a PROXY header of version 1.
pub fn of_first_line(line: &[u8]) -> Option<Opener> {
    let (_, opener) = TEXT.iter().find(|(bytes, _)| line.starts_with(bytes))?;
    let is_no_chat = match opener {
        Opener::Http => {
            [" HTTP/1.0", " HTTP/1.1", " HTTP/2.0"].iter().any(|end| line.ends_with(end.as_bytes()))
        }
        Opener::Proxy => {
            ["TCP4 ", "TCP6 ", "UNKNOWN"].iter().any(|next| line[6..].starts_with(next.as_bytes()))
        }
        Opener::Tls | Opener::OtherNetwork(_) | Opener::Frames | Opener::Json | Opener::Chain => false,
    };
    is_no_chat.then_some(*opener)
}

/// Whether the two are the same as far as both go.
fn agree(first: &[u8], known: &[u8]) -> bool {
    first.iter().zip(known).all(|(a, b)| a == b)
}

fn known<'a>(first: &[u8], openers: impl Iterator<Item = &'a (&'a [u8], Opener)>) -> Guess {
    let mut undecided = false;
    for &(bytes, opener) in openers {
        if agree(first, bytes) && first.len() >= bytes.len() {
            return Guess::Opener(opener);
        }
        undecided |= agree(first, bytes);
    }
    match first.split_first_chunk() {
        None => Guess::Undecided,
        Some((&magic, name)) if name.starts_with(&Command::VERSION.to_bytes()) => {
            Guess::Opener(Opener::OtherNetwork(Magic(magic)))
        }
        Some((_, name)) if undecided || Command::VERSION.to_bytes().starts_with(name) => Guess::Undecided,
        Some(_) => Guess::None,
    }
}

impl fmt::Display for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls => f.write_str("TLS"),
            Self::Http => f.write_str("HTTP"),
            Self::Proxy => f.write_str("the PROXY protocol"),
            Self::OtherNetwork(magic) => match Network::with_magic(*magic) {
                Some(network) => write!(f, "a peer of {network} (magic {magic})"),
                None => write!(f, "a peer of another network (magic {magic})"),
            },
            Self::Json => f.write_str("Clarke Coin's JSON"),
            Self::Chain => f.write_str("Bunkercoin's JSON"),
            Self::Frames => f.write_str("a peer that speaks frames (this port is for others)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: Magic = Network::PRIVATE.magic;

    fn said(first: &[u8]) -> String {
        match guess(first, OURS) {
            Guess::Opener(opener) => opener.to_string(),
            Guess::Undecided => "undecided".into(),
            Guess::None => "none".into(),
        }
    }

    #[test]
    fn each_opener_is_named_as_soon_as_it_is_whole_and_not_before() {
        for (first, name) in [
            (b"\x16\x03".as_slice(), "TLS"),
            (b"GET ", "HTTP"),
            (b"POST", "HTTP"),
            (b"HEAD ", "HTTP"),
            (b"OPTIONS ", "HTTP"),
            (b"CONNECT ", "HTTP"),
            (b"PRI * HTTP/2", "HTTP"),
            (b"PROXY ", "the PROXY protocol"),
            (b"\r\n\r\n\0\r\nQ", "the PROXY protocol"),
            (b"\xf9\xbe\xb4\xd9version\0\0\0\0\0", "a peer of mainnet (magic f9beb4d9)"),
            (b"\x01\x02\x03\x04version\0\0\0\0\0", "a peer of another network (magic 01020304)"),
        ] {
            for len in 0..first.len() {
                assert_eq!(said(&first[..len]), "undecided", "{:?}", &first[..len]);
            }
            assert_eq!(said(first), name);
        }
    }

    #[test]
    fn our_own_magic_is_never_anybody_elses_opener() {
        assert_eq!(guess(b"GET versio", Magic(*b"GET ")), Guess::None);
        assert_eq!(guess(b"\x16\x03", Magic([0x16, 0x03, 1, 2])), Guess::Undecided);
        assert_eq!(said(&OURS.0), "none");
    }

    #[test]
    fn sixteen_bytes_always_decide() {
        assert_eq!(said(b"this is no frame"), "none");
        assert_eq!(said(b"GETx"), "undecided", "four unknown bytes could be a magic before `version`");
        assert_eq!(said(b"GETxy"), "none");
        assert_eq!(LONGEST, 16);
    }

    fn said_among_lines(first: &[u8], ours: Magic) -> String {
        match guess_among_lines(first, ours) {
            Guess::Opener(opener) => opener.to_string(),
            Guess::Undecided => "undecided".into(),
            Guess::None => "none".into(),
        }
    }

    #[test]
    fn among_lines_only_what_nobody_types_is_an_opener_by_its_first_bytes() {
        let frames = "a peer that speaks frames (this port is for others)";
        for (first, name) in [
            (b"\x16\x03".as_slice(), "TLS"),
            (b"\r\n\r\n\0\r\nQ", "the PROXY protocol"),
            (&OURS.0, frames),
            (b"\xf9\xbe\xb4\xd9version\0\0\0\0\0", "a peer of mainnet (magic f9beb4d9)"),
        ] {
            for len in 0..first.len() {
                assert_eq!(said_among_lines(&first[..len], OURS), "undecided", "{:?}", &first[..len]);
            }
            assert_eq!(said_among_lines(first, OURS), name);
        }
        for first in ["GET out", "POST office", "PROXY fight", "Conversion of a kind", "\r\n\r\nhello"] {
            assert_eq!(said_among_lines(first.as_bytes(), OURS), "none", "{first}");
        }
        let typed = Magic(*b"chat");
        assert_eq!(said_among_lines(b"chatter", typed), "none", "a magic of letters may be a word");
        assert_eq!(said_among_lines(b"chatversion\0\0\0\0\0", typed), frames);
    }

    #[test]
    fn a_first_line_is_an_opener_when_it_is_a_whole_request() {
        for (line, opener) in [
            ("GET / HTTP/1.1", Some(Opener::Http)),
            ("POST /a?b HTTP/1.0", Some(Opener::Http)),
            ("PRI * HTTP/2.0", Some(Opener::Http)),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1 2", Some(Opener::Proxy)),
            ("PROXY UNKNOWN", Some(Opener::Proxy)),
            ("GET out", None),
            ("GET", None),
            ("I like HTTP/1.1", None),
            ("PROXY ", None),
            ("PROXY servers", None),
            ("", None),
        ] {
            assert_eq!(of_first_line(line.as_bytes()), opener, "{line}");
        }
    }
}
