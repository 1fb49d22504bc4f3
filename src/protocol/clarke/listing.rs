//! A long answer that many ask for: made once, and shared by all whom it is sent to. Knows no item and no peer.

use std::sync::{Arc, Weak};

use bytes::Bytes;

use crate::wire::turn_log::Chunk;

/// Shorter ones are not worth sharing.
const SHARED_MIN: usize = 16 * 1024;
/// Most versions that are shared at once: whoever has not read its answer keeps that version, and nobody counts it.
/// When there are as many, an answer is copied, which counts.
const VERSIONS_MAX: usize = 16;

/// What is listed, as of now, and earlier versions of it that somebody still has to read.
#[derive(Debug, Default)]
pub(super) struct Listing {
    current: Option<Chunk>,
    shared: Vec<Weak<Bytes>>,
}

/// An answer's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Own(String),
    Shared(Chunk),
}

impl Listing {
    /// What is listed has changed.
    pub fn change(&mut self) {
        self.current = None;
    }

    /// What is listed; made if it has changed.
    pub fn payload(&mut self, make: impl FnOnce() -> String) -> Payload {
        if let Some(chunk) = &self.current {
            return Payload::Shared(Arc::clone(chunk));
        }
        let text = make();
        self.shared.retain(|version| version.strong_count() > 0);
        if text.len() < SHARED_MIN || self.shared.len() >= VERSIONS_MAX {
            return Payload::Own(text);
        }
        let chunk = Arc::new(Bytes::from(text));
        self.shared.push(Arc::downgrade(&chunk));
        self.current = Some(Arc::clone(&chunk));
        Payload::Shared(chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long() -> String {
        "x".repeat(SHARED_MIN)
    }

    #[test]
    fn a_long_answer_is_made_once_until_it_changes() {
        let mut listing = Listing::default();
        let first = listing.payload(long);
        assert_eq!(listing.payload(|| panic!("it is there")), first);
        listing.change();
        assert_eq!(listing.payload(|| "short".into()), Payload::Own("short".into()));
    }

    #[test]
    fn no_more_versions_are_shared_than_allowed() {
        let mut listing = Listing::default();
        let mut unread = Vec::new();
        for _ in 0..VERSIONS_MAX {
            unread.push(listing.payload(long));
            listing.change();
        }
        assert_eq!(listing.payload(long), Payload::Own(long()));
        unread.pop();
        assert!(matches!(listing.payload(long), Payload::Shared(_)), "one has been read");
    }
}
