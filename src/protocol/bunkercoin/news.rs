//! What has changed, for whoever wants to hear of it. Knows nothing of who that is.

use std::collections::VecDeque;

use bytes::Bytes;

use super::hash::Hash;

/// Most news kept while nobody takes them; the oldest go. A turn brings a dozen.
pub const NEWS_MAX: usize = 64;

/// Something has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A block behind the one that was last.
    Block {
        /// How many there are with it.
        height: usize,
        /// What it is known by.
        hash: Hash,
        /// Its compact JSON.
        text: Bytes,
    },
    /// A transaction that waits for a block.
    Transaction {
        /// What it is known by.
        hash: Hash,
        /// Its compact JSON.
        text: Bytes,
    },
    /// A longer chain instead of, or behind, the one that was.
    Replaced {
        /// How many blocks there are now.
        height: usize,
        /// What the last one is known by.
        hash: Hash,
    },
}

/// News in order.
#[derive(Debug, Default)]
pub struct Feed(VecDeque<News>);

impl Feed {
    /// One more.
    pub fn push(&mut self, news: News) {
        if self.0.len() == NEWS_MAX {
            self.0.pop_front();
        }
        self.0.push_back(news);
    }

    /// The oldest.
    pub fn take(&mut self) -> Option<News> {
        self.0.pop_front()
    }
}
