//! Bytes that came before their turn. Knows no request.

/// What a peer sent while it was not to be read: the rest of what was read last. Used from the front without moving it,
/// and freed when it is used up.
#[derive(Debug, Default)]
pub struct Waiting {
    bytes: Vec<u8>,
    used: usize,
}

impl Waiting {
    /// Behind the others.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Those not yet used.
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.used..]
    }

    /// All but the last `left` are used.
    pub fn keep_last(&mut self, left: usize) {
        self.used = self.bytes.len() - left;
        if left == 0 {
            *self = Self::default();
        }
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_is_not_seen_again_and_what_is_used_up_is_freed() {
        let mut waiting = Waiting::default();
        waiting.push(b"hello ");
        waiting.keep_last(2);
        waiting.push(b"there");
        assert_eq!(waiting.unread(), b"o there");
        waiting.keep_last(5);
        assert_eq!(waiting.unread(), b"there");
        waiting.keep_last(0);
        assert_eq!((waiting.unread(), waiting.memory()), (b"".as_slice(), 0));
    }
}
