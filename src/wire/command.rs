//! The name of a message: twelve bytes, printable, NUL-padded. Knows no message.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What a frame is called. Printable from here on; may be empty.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Command([u8; Command::LEN]);

/// The twelve bytes hold an unprintable one, or something behind the padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a command is up to 12 bytes from 0x20 to 0x7e, padded with NULs")]
pub struct BadCommand;

impl Command {
    /// Bytes on the wire.
    pub const LEN: usize = 12;
    /// Asks for a [`PONG`](Self::PONG) with the same payload.
    pub const PING: Self = Self(*b"ping\0\0\0\0\0\0\0\0");
    /// Answers a [`PING`](Self::PING).
    pub const PONG: Self = Self(*b"pong\0\0\0\0\0\0\0\0");
    /// A message of somebody whose messages are lines.
    pub const MSG: Self = Self(*b"msg\0\0\0\0\0\0\0\0\0");
    /// What a Bitcoin peer says first.
    pub const VERSION: Self = Self(*b"version\0\0\0\0\0");

    /// From the wire: bytes 0x20 to 0x7e, then only NULs.
    pub fn parse(raw: [u8; Self::LEN]) -> Result<Self, BadCommand> {
        let end = raw.iter().position(|&byte| byte == 0).unwrap_or(Self::LEN);
        let (name, padding) = raw.split_at(end);
        if name.iter().all(|byte| (0x20..=0x7e).contains(byte)) && padding.iter().all(|&byte| byte == 0) {
            Ok(Self(raw))
        } else {
            Err(BadCommand)
        }
    }

    /// To the wire.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        self.0
    }

    /// The name without its padding.
    pub fn as_str(&self) -> &str {
        let end = self.0.iter().position(|&byte| byte == 0).unwrap_or(Self::LEN);
        str::from_utf8(&self.0[..end]).expect("a command is ASCII since it was parsed")
    }
}

impl FromStr for Command {
    type Err = BadCommand;

    fn from_str(name: &str) -> Result<Self, BadCommand> {
        let mut raw = [0; Self::LEN];
        raw.get_mut(..name.len()).ok_or(BadCommand)?.copy_from_slice(name.as_bytes());
        Self::parse(raw)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_printable_name_with_padding_is_a_command() {
        for name in ["", "a", "verack", "twelve bytes", " ~"] {
            assert_eq!(name.parse::<Command>().unwrap().as_str(), name);
        }
    }

    #[test]
    fn anything_unprintable_or_behind_the_padding_is_not() {
        for raw in [
            b"ver\x1fck\0\0\0\0\0\0",
            b"ver\x7fck\0\0\0\0\0\0",
            b"ver\0ck\0\0\0\0\0\0",
            b"\0\0\0\0\0\0\0\0\0\0\0x",
        ] {
            assert_eq!(Command::parse(*raw), Err(BadCommand), "{raw:?}");
        }
        assert_eq!("thirteen byte".parse::<Command>(), Err(BadCommand));
        assert_eq!("é".parse::<Command>(), Err(BadCommand));
    }

    #[test]
    fn a_command_is_shown_without_its_padding_and_padded_where_that_is_asked_for() {
        assert_eq!(
            format!("{}|{:6}|{:?}", Command::PING, Command::PONG, Command::PING),
            "ping|pong  |\"ping\""
        );
    }
}
