//! What is still to be sent, in order. Knows no socket.

use std::collections::VecDeque;

use bytes::{Buf, Bytes};

use crate::wire::Part;

/// Chunks of encoded messages, the first perhaps sent in part.
#[derive(Debug, Default)]
pub struct Outgoing {
    chunks: VecDeque<Bytes>,
    len: usize,
}

impl Outgoing {
    /// Behind everything else.
    pub fn push(&mut self, encoded: Vec<u8>) {
        if !encoded.is_empty() {
            self.len += encoded.len();
            self.chunks.push_back(encoded.into());
        }
    }

    /// Bytes still to be sent.
    pub fn len(&self) -> usize {
        self.len
    }

    /// What to send, in order.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.chunks.iter().map(|chunk| Part::new(chunk, 0, chunk.len()))
    }

    /// The first `len` bytes are sent.
    pub fn sent(&mut self, mut len: usize) {
        self.len -= len;
        while let Some(chunk) = self.chunks.front_mut() {
            let here = len.min(chunk.len());
            chunk.advance(here);
            len -= here;
            if !chunk.is_empty() {
                break;
            }
            self.chunks.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_out_in_order_however_much_is_taken() {
        for step in 1..=10 {
            let mut outgoing = Outgoing::default();
            for chunk in ["abc", "", "d", "efghij"] {
                outgoing.push(chunk.into());
            }
            let mut sent = Vec::new();
            while outgoing.len() > 0 {
                let all: Vec<u8> = outgoing.parts().flat_map(|part| part.as_slice().to_vec()).collect();
                assert_eq!(all.len(), outgoing.len());
                let here = step.min(all.len());
                sent.extend_from_slice(&all[..here]);
                outgoing.sent(here);
            }
            assert_eq!(sent, b"abcdefghij");
            assert_eq!(outgoing.parts().count(), 0);
        }
    }
}
