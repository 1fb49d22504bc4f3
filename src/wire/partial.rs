//! What a decoder holds of a frame that is not whole: the end of the input that may begin a header, or the part of
//! a payload that has come. Knows no magic and no limit.

use bytes::Buf;

use super::Header;
use super::checksum::Hasher;

/// The end of the input that could be the beginning of a header.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub held: [u8; Header::LEN],
    pub len: u8,
}

/// A frame whose payload is still arriving.
#[derive(Debug)]
pub(super) struct Collected {
    pub header: Header,
    pub bytes: Vec<u8>,
    pub hasher: Hasher,
}

impl Window {
    /// A window with `bytes`, fewer than a header has.
    pub fn holding(bytes: &[u8]) -> Self {
        let mut held = [0; Header::LEN];
        held[..bytes.len()].copy_from_slice(bytes);
        Self { held, len: bytes.len() as u8 }
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.held[..usize::from(self.len)]
    }

    /// Takes from the input what still fits.
    pub fn fill(&mut self, input: &mut &[u8]) {
        let room = &mut self.held[usize::from(self.len)..];
        let here = room.len().min(input.len());
        input.copy_to_slice(&mut room[..here]);
        self.len += here as u8;
    }

    pub fn drop_front(&mut self, count: usize) {
        self.held.copy_within(count.., 0);
        self.len -= count as u8;
    }
}

impl Collected {
    pub fn beginning(header: Header, raw: [u8; Header::LEN]) -> Box<Self> {
        Box::new(Self { header, bytes: raw.to_vec(), hasher: Hasher::default() })
    }

    /// Takes what the input has of the payload; true once it is whole.
    pub fn take(&mut self, input: &mut &[u8]) -> bool {
        let left = self.header.frame_len() - self.bytes.len();
        let here = &input[..left.min(input.len())];
        self.make_room(here.len());
        self.bytes.extend_from_slice(here);
        self.hasher.update(here);
        input.advance(here.len());
        here.len() == left
    }

    /// Doubles as bytes arrive, never past the frame's own length: a claim costs the sender its bytes.
    fn make_room(&mut self, count: usize) {
        let needed = self.bytes.len() + count;
        if needed > self.bytes.capacity() {
            let doubled = (2 * self.bytes.capacity()).min(self.header.frame_len());
            self.bytes.reserve_exact(needed.max(doubled) - self.bytes.len());
        }
    }
}
