//! The opaque relay: every frame to every other peer. Knows `ping` and `pong`, and no other meaning.

use super::{Breach, Offence, Outbox, Penalty, Protocol, Token};
use crate::wire::{Command, Frame, Header};

/// Frames mean nothing here but that everybody else wants them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flood;

/// Longest payload of a ping that is answered, bytes. Bitcoin's is 8; anything far larger is somebody using
/// us as an amplifier.
const MAX_PING: usize = 1024;

impl Protocol for Flood {
    const NAME: &'static str = "flood";

    fn default_penalty(offence: Offence) -> Penalty {
        match offence {
            Offence::Magic | Offence::Oversize | Offence::Command | Offence::Checksum => Penalty::Ban,
            Offence::Flood => Penalty::Pause,
            Offence::Protocol => Penalty::Ban,
        }
    }

    fn received(&mut self, out: &mut impl Outbox, from: Token, frame: Frame<'_>) -> Result<(), Breach> {
        match frame.command() {
            Command::PING if frame.payload().len() <= MAX_PING => {
                // the same payload has the same checksum
                let header = Header { command: Command::PONG, ..*frame.header() };
                out.reply(from, header, frame.payload());
            }
            Command::PING | Command::PONG => {}
            _ => out.relay(from, frame),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Network;

    #[derive(Default)]
    struct Sent(Vec<String>);

    impl Outbox for Sent {
        fn relay(&mut self, _: Token, frame: Frame<'_>) {
            self.0.push(format!("relay {} {}", frame.command(), frame.payload().len()));
        }

        fn reply(&mut self, _: Token, header: Header, payload: &[u8]) {
            assert_eq!(header.length as usize, payload.len());
            self.0.push(format!("reply {} {}", header.command, payload.len()));
        }
    }

    fn said(command: &str, len: usize) -> Vec<String> {
        let mut out = Sent::default();
        let frame = Frame::encode(Network::PRIVATE.magic, command.parse().unwrap(), &vec![1; len]);
        Flood.received(&mut out, Token(0), frame).unwrap();
        out.0
    }

    #[test]
    fn everything_is_relayed_but_ping_and_pong() {
        assert_eq!(said("tx", 7), ["relay tx 7"]);
        assert_eq!(said("", 0), ["relay  0"]);
        assert_eq!(said("pings", 0), ["relay pings 0"]);
        assert_eq!(said("ping", 8), ["reply pong 8"]);
        assert!(said("pong", 8).is_empty());
    }

    #[test]
    fn a_large_ping_is_neither_answered_nor_relayed() {
        assert_eq!(said("ping", 1024), ["reply pong 1024"]);
        assert!(said("ping", 1025).is_empty());
    }
}
