//! What other programs send first to a port like ours. Knows their first bytes only.
//!
//! Operators ask "why was I cut off" before anything else, and a load balancer's health check must not ban
//! the load balancer: so these are named, and are not offences.

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

const OPENERS: [(&[u8], Opener); 13] = [
    (b"\x16\x03", Opener::Tls),
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
    (b"\r\n\r\n\0\r\nQ", Opener::Proxy),
];

/// Whose opener `first`, the first bytes of a stream, are. Our own magic is never anybody else's.
pub fn guess(first: &[u8], ours: Magic) -> Guess {
    let agree = |known: &[u8]| first.iter().zip(known).all(|(a, b)| a == b);
    if agree(&ours.0) {
        return if first.len() < ours.0.len() { Guess::Undecided } else { Guess::None };
    }
    let mut undecided = false;
    for (bytes, opener) in OPENERS {
        if agree(bytes) && first.len() >= bytes.len() {
            return Guess::Opener(opener);
        }
        undecided |= agree(bytes);
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
}
