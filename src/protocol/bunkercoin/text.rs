//! Long JSON in shared pieces, for many readers. Knows where each item of it ends; knows no meaning.

use std::sync::Arc;

use bytes::Bytes;

use crate::wire::turn_log::Chunk;

/// Bytes after which a piece is closed and from then on shared. An item is never cut.
pub const PIECE: usize = 128 * 1024;

/// Most pieces of a chain's text.
pub const MAX_PIECES: usize = super::chain::MAX_BYTES / PIECE;

/// One JSON text in shared pieces: whoever answers with it copies nothing.
#[derive(Clone, Debug, Default)]
pub struct Text {
    chunks: Vec<Chunk>,
    len: usize,
}

/// The items of an array with commas between them, which grows at its end.
#[derive(Clone, Debug, Default)]
pub struct Items {
    /// Closed pieces and where each begins.
    pieces: Vec<(usize, Chunk)>,
    /// What stands behind them.
    tail: Vec<u8>,
    /// Where the tail begins.
    tail_at: usize,
    /// The tail, to be shared, as long as it has not changed.
    shared_tail: Option<Chunk>,
}

impl Text {
    /// Begins with these bytes.
    pub fn opened(with: &'static [u8]) -> Self {
        let mut text = Self::default();
        text.push(Arc::new(Bytes::from_static(with)));
        text
    }

    /// Goes on with this piece.
    pub fn push(&mut self, chunk: Chunk) {
        self.len += chunk.len();
        self.chunks.push(chunk);
    }

    /// Ends with these bytes.
    pub fn closed(mut self, with: &'static [u8]) -> Self {
        self.push(Arc::new(Bytes::from_static(with)));
        self
    }

    /// Bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// None at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The pieces, in order.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }
}

impl Items {
    /// Bytes, commas included.
    pub fn len(&self) -> usize {
        self.tail_at + self.tail.len()
    }

    /// One more at the end. Says where it ends.
    pub fn push(&mut self, item: &[u8]) -> usize {
        if self.len() > 0 {
            self.tail.push(b',');
        }
        self.tail.extend_from_slice(item);
        self.shared_tail = None;
        if self.tail.len() >= PIECE {
            let piece = Bytes::from(std::mem::take(&mut self.tail));
            self.pieces.push((self.tail_at, Arc::new(piece)));
            self.tail_at = self.end_of_pieces();
        }
        self.len()
    }

    /// What stands from `start` to `end`: within one item.
    pub fn slice(&self, start: usize, end: usize) -> &[u8] {
        assert!(start <= end && end <= self.len(), "{start}..{end} of {}", self.len());
        if start >= self.tail_at {
            return &self.tail[start - self.tail_at..end - self.tail_at];
        }
        let (begins, piece) = &self.pieces[self.piece_at(start)];
        &piece[start - begins..end - begins]
    }

    /// The same as far as `end`, where an item ends. Of the pieces only the last is copied.
    pub fn cut_at(&self, end: usize) -> Self {
        assert!(end <= self.len(), "{end} of {}", self.len());
        if end >= self.tail_at {
            let tail = self.tail[..end - self.tail_at].to_vec();
            return Self { pieces: self.pieces.clone(), tail, tail_at: self.tail_at, shared_tail: None };
        }
        let at = self.piece_at(end);
        let (begins, piece) = &self.pieces[at];
        let tail = piece[..end - begins].to_vec();
        Self { pieces: self.pieces[..at].to_vec(), tail, tail_at: *begins, shared_tail: None }
    }

    /// Frees a piece, the last one, and what stands behind it. False when there was none left.
    pub fn free_some(&mut self) -> bool {
        (self.tail, self.shared_tail) = (Vec::new(), None);
        self.pieces.pop().is_some()
    }

    /// The closed pieces.
    pub fn pieces(&self) -> impl Iterator<Item = &Chunk> {
        self.pieces.iter().map(|(_, piece)| piece)
    }

    /// What stands behind them.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// The same to be shared: copied once for as long as it does not change.
    pub fn shared_tail(&mut self) -> Chunk {
        let copy = || Arc::new(Bytes::copy_from_slice(&self.tail));
        Arc::clone(self.shared_tail.get_or_insert_with(copy))
    }

    /// The array itself.
    pub fn array(&mut self) -> Text {
        let mut text = Text::opened(b"[");
        self.pieces().for_each(|piece| text.push(Arc::clone(piece)));
        let tail = self.shared_tail();
        if !tail.is_empty() {
            text.push(tail);
        }
        text.closed(b"]")
    }

    /// The piece that holds this place.
    fn piece_at(&self, place: usize) -> usize {
        self.pieces.partition_point(|(begins, _)| *begins <= place).saturating_sub(1)
    }

    fn end_of_pieces(&self) -> usize {
        self.pieces.last().map_or(0, |(begins, piece)| begins + piece.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(items: &mut Items) -> Vec<u8> {
        let text = items.array();
        let all: Vec<u8> = text.chunks().iter().flat_map(|chunk| chunk.to_vec()).collect();
        assert_eq!(all.len(), text.len());
        all
    }

    #[test]
    fn items_cut_anywhere_and_grown_again_are_the_array_of_what_is_left() {
        let item = |number: usize| format!("\"{number}{}\"", "x".repeat(number * 37 % 9_000)).into_bytes();
        let (mut items, mut ends) = (Items::default(), vec![0]);
        for number in 0..200 {
            ends.push(items.push(&item(number)));
        }
        assert!(items.pieces.len() > 3, "several pieces");
        for cut in (0..200).rev() {
            let start = if cut == 0 { 0 } else { ends[cut] + 1 };
            assert_eq!(items.slice(start, ends[cut + 1]), item(cut));
            items = items.cut_at(ends[cut]);
            assert_eq!(items.len(), ends[cut]);
            if cut % 20 == 0 {
                let mut grown = items.clone();
                assert_eq!(grown.push(&item(cut)), ends[cut + 1]);
                let expected: Vec<Vec<u8>> = (0..=cut).map(item).collect();
                assert_eq!(whole(&mut grown), [b"[", expected.join(&b","[..]).as_slice(), b"]"].concat());
            }
        }
        assert_eq!(whole(&mut items), b"[]");
    }

    #[test]
    fn pieces_are_shared_and_never_copied() {
        let mut items = Items::default();
        items.push(&vec![b'1'; PIECE]);
        items.push(b"2");
        let (first, second) = (items.array(), items.array());
        for (one, other) in first.chunks().iter().zip(second.chunks()).skip(1).take(2) {
            assert!(Arc::ptr_eq(one, other));
        }
    }
}
