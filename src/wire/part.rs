//! A range of a chunk that several peers may share. Knows neither what it says nor whose it is.

use bytes::Bytes;

/// A range of a chunk: what a gathering write is made of.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    chunk: &'a Bytes,
    start: usize,
    end: usize,
}

impl<'a> Part<'a> {
    /// A range of `chunk`.
    ///
    /// # Panics
    /// If the range is not inside the chunk.
    pub fn new(chunk: &'a Bytes, start: usize, end: usize) -> Self {
        assert!(start <= end && end <= chunk.len(), "{start}..{end} of a chunk of {}", chunk.len());
        Self { chunk, start, end }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &'a [u8] {
        &self.chunk[self.start..self.end]
    }

    /// The whole chunk: what is held as long as any of it is.
    pub fn chunk(&self) -> &'a Bytes {
        self.chunk
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.end - self.start
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// A handle on the same bytes for a stack that keeps what it sends: nothing is copied.
    pub fn to_bytes(&self) -> Bytes {
        self.chunk.slice(self.start..self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_range_of_its_chunk_and_may_be_empty() {
        let chunk = Bytes::from_static(b"hello");
        let part = Part::new(&chunk, 1, 4);
        assert_eq!((part.as_slice(), part.len(), part.is_empty()), (b"ell".as_slice(), 3, false));
        let kept = part.to_bytes();
        assert_eq!((kept.as_ref(), kept.as_ptr()), (b"ell".as_slice(), chunk[1..].as_ptr()), "not copied");
        assert!(Part::new(&chunk, 5, 5).is_empty());
    }
}
