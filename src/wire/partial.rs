//! What a decoder holds of a frame that is not whole: the end of the input that may begin a header, or the part of
//! a payload that has come. Knows no magic and no limit.

use bytes::Buf;

use super::Header;
use super::checksum::Hasher;
use super::checksum::Sha256d;

/// What has come of a frame that is not whole.
#[derive(Debug)]
pub(super) enum Partial {
    /// A part of its header, perhaps. Never empty.
    Header(Window),
    /// Its header, and a part of its payload.
    Payload(Collected),
    /// The header of one that is an error already: so many bytes of it are to pass unseen.
    Discarding(u32),
}

/// The end of the input that could be the beginning of a header.
#[derive(Debug)]
pub(super) struct Window {
    pub held: [u8; Header::LEN],
    pub len: u8,
}

/// A frame whose payload is still arriving.
#[derive(Debug)]
pub(super) struct Collected {
    header: Header,
    /// Full blocks. All of one size, so that what one frame gives back fits the next whatever its length:
    /// buffers that grow to megabytes in odd sizes leave an allocator with holes it cannot fill.
    full: Vec<Vec<u8>>,
    /// The block being filled.
    bytes: Vec<u8>,
    hasher: Hasher,
}

/// Bytes of a block.
const BLOCK: usize = 64 * 1024;

impl Partial {
    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        let beside = match self {
            Self::Header(_) | Self::Discarding(_) => 0,
            Self::Payload(collected) => collected.memory(),
        };
        size_of::<Self>() + beside
    }
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
    pub fn beginning(header: Header, raw: [u8; Header::LEN]) -> Self {
        Self { header, full: Vec::new(), bytes: raw.to_vec(), hasher: Hasher::default() }
    }

    /// Takes what the input has of the payload; true once it is whole.
    pub fn take(&mut self, input: &mut &[u8]) -> bool {
        while self.lacks() > 0 && !input.is_empty() {
            if self.bytes.len() == BLOCK {
                self.full.push(std::mem::take(&mut self.bytes));
            }
            let room = BLOCK - self.bytes.len();
            let here = &input[..room.min(self.lacks()).min(input.len())];
            self.make_room(here.len());
            self.bytes.extend_from_slice(here);
            self.hasher.update(here);
            input.advance(here.len());
        }
        self.lacks() == 0
    }

    /// Bytes still to come.
    pub fn lacks(&self) -> usize {
        self.header.frame_len() - self.len()
    }

    /// Bytes allocated beside itself.
    fn memory(&self) -> usize {
        let blocks = self.full.len() * BLOCK + self.full.capacity() * size_of::<Vec<u8>>();
        blocks + self.bytes.capacity()
    }

    /// The whole frame, in one piece, and what its payload's checksum is.
    pub fn finish(self) -> (Header, Vec<u8>, Sha256d) {
        let Self { header, mut full, bytes, hasher } = self;
        let whole = if full.is_empty() {
            bytes
        } else {
            full.push(bytes);
            full.concat()
        };
        (header, whole, hasher.finish())
    }

    /// Bytes that have come, header and all.
    pub fn len(&self) -> usize {
        self.full.len() * BLOCK + self.bytes.len()
    }

    /// Doubles as bytes arrive, up to a block and never past the frame's own length: a claim costs the
    /// sender its bytes.
    fn make_room(&mut self, count: usize) {
        let needed = self.bytes.len() + count;
        if needed > self.bytes.capacity() {
            let most = BLOCK.min(self.bytes.len() + self.lacks());
            let doubled = (2 * self.bytes.capacity()).min(most);
            // beyond the first block the sender has shown that it means it
            let grown = if self.full.is_empty() { needed.max(doubled) } else { most };
            self.bytes.reserve_exact(grown - self.bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Checksum;

    /// A frame with a payload of `length` bytes, of which none has come.
    fn begun(length: u32) -> Collected {
        let header = Header { command: "block".parse().unwrap(), length, checksum: Checksum::EMPTY };
        Collected::beginning(header, [0; Header::LEN])
    }

    #[test]
    fn what_is_allocated_is_counted_to_the_byte() {
        let mut collected = begun(1_000_000);
        for piece in [1, 100, 65_400, 11, 65_536, 200_000, 400_000] {
            assert!(!collected.take(&mut vec![7; piece].as_slice()));
            let full: usize = collected.full.iter().map(Vec::capacity).sum();
            let list = collected.full.capacity() * size_of::<Vec<u8>>();
            assert_eq!(
                collected.memory(),
                full + list + collected.bytes.capacity(),
                "behind a piece of {piece}"
            );
            assert!(collected.full.iter().chain([&collected.bytes]).all(|part| part.capacity() <= BLOCK));
        }
    }

    #[test]
    fn a_buffer_doubles_up_to_a_block_and_the_last_one_is_of_exact_size() {
        let mut collected = begun(200_000);
        let (mut capacity, mut growths) = (collected.bytes.capacity(), 0);
        for came in 1..=200_000 {
            assert_eq!(collected.take(&mut [7].as_slice()), came == 200_000);
            growths += usize::from(collected.bytes.capacity() != capacity);
            capacity = collected.bytes.capacity();
            let is_first = collected.full.is_empty();
            assert!(!is_first || capacity < 2 * (Header::LEN + came), "{capacity} for {came}");
        }
        assert_eq!(growths, 12 + 1, "from 24 bytes to 64 KiB, and once more for what is left at the end");
        assert_eq!(capacity, Header::LEN + 200_000 - 3 * BLOCK);
    }
}
