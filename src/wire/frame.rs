//! One frame: header and payload, as received or as encoded. Knows how long its parts are, not what they mean.

use std::borrow::Cow;

use super::checksum::Sha256d;
use super::{Checksum, Command, Magic};

/// Largest payload that a network may allow, bytes. Bitcoin Core's is 4,000,000; offsets into a frame are
/// kept in 32 bits.
pub const MAX_PAYLOAD: u32 = 1 << 30;

/// What stands before a payload, behind the magic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is called.
    pub command: Command,
    /// Bytes of payload.
    pub length: u32,
    /// Of the payload, as the sender claims.
    pub checksum: Checksum,
}

/// A frame whose checksum matches, with the bytes it came as. Relaying it means sending those again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame<'i> {
    header: Header,
    digest: Sha256d,
    bytes: Cow<'i, [u8]>,
}

impl Header {
    /// Bytes on the wire, magic included.
    pub const LEN: usize = 24;

    /// To the wire: magic 4, command 12, length u32 LE, checksum 4.
    pub fn encode(&self, magic: Magic) -> [u8; Self::LEN] {
        let mut raw = [0; Self::LEN];
        raw[..4].copy_from_slice(&magic.0);
        raw[4..16].copy_from_slice(&self.command.to_bytes());
        raw[16..20].copy_from_slice(&self.length.to_le_bytes());
        raw[20..].copy_from_slice(&self.checksum.0);
        raw
    }

    /// Bytes of the whole frame.
    pub fn frame_len(&self) -> usize {
        Self::LEN + self.length as usize
    }
}

impl<'i> Frame<'i> {
    /// Made by the decoder alone, once the checksum has matched.
    pub(super) fn verified(header: Header, digest: Sha256d, bytes: Cow<'i, [u8]>) -> Self {
        debug_assert_eq!(bytes.len(), header.frame_len());
        Self { header, digest, bytes }
    }

    /// A frame of our own.
    ///
    /// # Panics
    /// If the payload is longer than a `u32` can say.
    pub fn encode(magic: Magic, command: Command, payload: &[u8]) -> Frame<'static> {
        let length = u32::try_from(payload.len()).expect("a payload's length is a u32");
        let digest = Sha256d::of(payload);
        let header = Header { command, length, checksum: digest.checksum() };
        let mut bytes = Vec::with_capacity(header.frame_len());
        bytes.extend_from_slice(&header.encode(magic));
        bytes.extend_from_slice(payload);
        Frame { header, digest, bytes: Cow::Owned(bytes) }
    }

    /// What stands before the payload.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// What the frame is called.
    pub fn command(&self) -> Command {
        self.header.command
    }

    /// Of its payload, whole: paid for when the checksum was.
    pub fn digest(&self) -> &Sha256d {
        &self.digest
    }

    /// What it carries.
    pub fn payload(&self) -> &[u8] {
        &self.bytes[Header::LEN..]
    }

    /// The whole frame, bit for bit as it came.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The whole frame: owned where it had to be collected, borrowed where it lay whole in the input.
    pub fn into_bytes(self) -> Cow<'i, [u8]> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Network;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn mainnet(command: &str, payload: &[u8]) -> String {
        let network: Network = "mainnet".parse().unwrap();
        hex(Frame::encode(network.magic, command.parse().unwrap(), payload).as_bytes())
    }

    #[test]
    fn known_messages_have_known_bytes() {
        assert_eq!(mainnet("verack", &[]), "f9beb4d976657261636b000000000000000000005df6e0e2");
        assert_eq!(
            mainnet("ping", &100u64.to_le_bytes()),
            "f9beb4d970696e670000000000000000080000002467f11d6400000000000000"
        );
        assert_eq!(
            mainnet("ping", &12345u64.to_le_bytes()),
            "f9beb4d970696e670000000000000000080000002501b9b93930000000000000"
        );
    }

    #[test]
    fn the_largest_payload_says_its_length() {
        let payload = vec![7; 4_000_000];
        let frame = Frame::encode(Network::PRIVATE.magic, "block".parse().unwrap(), &payload);
        assert_eq!(frame.header().length, 4_000_000);
        assert_eq!(frame.as_bytes().len(), 4_000_024);
        assert_eq!(hex(&frame.as_bytes()[..20]), "f7e3c9da626c6f636b0000000000000000093d00");
    }

    #[test]
    fn a_frame_begins_with_its_networks_magic() {
        for network in crate::wire::network::NETWORKS {
            let frame = Frame::encode(network.magic, "tx".parse().unwrap(), b"abc");
            assert_eq!(frame.as_bytes()[..4], network.magic.0);
        }
    }
}
