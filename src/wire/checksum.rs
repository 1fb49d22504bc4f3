//! The checksum of a payload. Knows only bytes.

use std::fmt;

use sha2::{Digest, Sha256};

/// The first four bytes of sha256(sha256(payload)).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Checksum(pub [u8; 4]);

/// sha256(sha256(payload)), of which the header carries the first four bytes: what tells a payload from all others.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256d(pub [u8; 32]);

/// A hash in the making: fed as the payload arrives, so that its last byte finds little left to do.
#[derive(Clone, Debug, Default)]
pub struct Hasher(Sha256);

impl Checksum {
    /// Of no bytes at all.
    pub const EMPTY: Self = Sha256d::EMPTY.checksum();

    /// Of a payload that is there whole.
    pub fn of(payload: &[u8]) -> Self {
        Sha256d::of(payload).checksum()
    }
}

impl Sha256d {
    /// Of no bytes at all: a constant, most control messages are empty.
    pub const EMPTY: Self = Self([
        0x5d, 0xf6, 0xe0, 0xe2, 0x76, 0x13, 0x59, 0xd3, 0x0a, 0x82, 0x75, 0x05, 0x8e, 0x29, 0x9f, 0xcc, 0x03,
        0x81, 0x53, 0x45, 0x45, 0xf5, 0x5c, 0xf4, 0x3e, 0x41, 0x98, 0x3f, 0x5d, 0x4c, 0x94, 0x56,
    ]);

    /// Of a payload that is there whole.
    // Inlined into the decoder this is a fifth slower for small frames (`benches/decode.rs`, whole/32).
    #[inline(never)]
    pub fn of(payload: &[u8]) -> Self {
        if payload.is_empty() {
            return Self::EMPTY;
        }
        let mut hasher = Hasher::default();
        hasher.update(payload);
        hasher.finish()
    }

    /// What a header carries of it.
    pub const fn checksum(&self) -> Checksum {
        let [a, b, c, d, ..] = self.0;
        Checksum([a, b, c, d])
    }
}

impl Hasher {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all bytes taken.
    pub fn finish(self) -> Sha256d {
        Sha256d(Sha256::digest(self.0.finalize()).into())
    }
}

/// What computes the hash on this machine: the processor's own instructions or plain code.
pub fn backend() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("sha") {
        return "SHA-NI";
    }
    #[cfg(target_arch = "aarch64")]
    if std::arch::is_aarch64_feature_detected!("sha2") {
        return "ARMv8 SHA2";
    }
    "software"
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for Sha256d {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_payload_has_the_constant() {
        assert_eq!(Hasher::default().finish(), Sha256d::EMPTY);
        assert_eq!((Sha256d::of(&[]), Checksum::of(&[])), (Sha256d::EMPTY, Checksum::EMPTY));
    }

    #[test]
    fn known_nonces_have_known_checksums() {
        assert_eq!(Checksum::of(&100u64.to_le_bytes()).to_string(), "2467f11d");
        assert_eq!(Checksum::of(&12345u64.to_le_bytes()).to_string(), "2501b9b9");
    }

    #[test]
    fn bytes_hashed_as_they_arrive_hash_the_same() {
        let payload: Vec<u8> = (0..1000u32).map(|n| n as u8).collect();
        for piece in [1, 63, 64, 65, 999] {
            let mut hasher = Hasher::default();
            payload.chunks(piece).for_each(|bytes| hasher.update(bytes));
            assert_eq!(hasher.finish(), Sha256d::of(&payload), "in pieces of {piece}");
        }
    }

    #[test]
    fn a_checksum_is_shown_in_wire_order() {
        let checksum = Checksum([0x05, 0xf6, 0, 0xe2]);
        assert_eq!((checksum.to_string(), format!("{checksum:?}")), ("05f600e2".into(), "05f600e2".into()));
        assert!(format!("{:?}", Sha256d::EMPTY).starts_with("5df6e0e2761359d3"));
    }

    #[test]
    fn what_hashes_here_has_a_name() {
        assert!(["SHA-NI", "ARMv8 SHA2", "software"].contains(&backend()));
    }
}
